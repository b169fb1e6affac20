"""The pool fought over: forty models, sixteen threads, nested leases, a budget that holds a fifth of them.

The models are arrays a thousandth of the size of real ones; all else is the real thing.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import pytest

from visiongpt_agent.errors import ModelMemoryError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings

MB = 1_000_000
MODELS, THREADS, CALLS = 40, 16, 2000
BUDGET = 10 * MB
TIMEOUT = 60.0


class Answering(Protocol):
    def answer(self, question: int) -> int: ...


class Memory:
    """What is in memory, counted by the models themselves, and what was ever wrong with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.live: Counter[tuple[str, str]] = Counter()
        self.sizes: dict[str, int] = {}
        self.loaded = 0
        self.moved = 0
        self.faults: list[str] = []

    def loads(self, name: str, device: str) -> None:
        with self._lock:
            self.loaded += 1
            self.live[name, device] += 1
            self._check(name)

    def moves(self, name: str, device: str, target: str) -> None:
        with self._lock:  # during a move both copies exist
            self.moved += 1
            self.live[name, target] += 1
            self._check("")
            self.live[name, device] -= 1

    def closes(self, name: str, device: str) -> None:
        with self._lock:
            self.live[name, device] -= 1

    def _check(self, name: str) -> None:
        taken = Counter[str]()
        for (other, device), count in self.live.items():
            taken[device] += self.sizes[other] * count
        self.faults += [f"{size} bytes on {device}" for device, size in taken.items() if size > BUDGET]
        if name and (times := sum(count for (other, _), count in self.live.items() if other == name)) != 1:
            self.faults.append(f"{name} is in memory {times} times")


def models(memory: Memory, chance: random.Random) -> list[type[Model]]:
    return [_model(f"m{number}", chance.randint(200_000, 3 * MB) // 8 * 8, memory) for number in range(MODELS)]


def _model(name: str, size: int, memory: Memory) -> type[Model]:
    memory.sizes[name] = size

    class Array(Model):
        card: ClassVar[ModelCard] = ModelCard(
            name=name, title=name, jobs=(name,), licence="MIT", homepage="", memory=size, devices=("cuda", "cpu")
        )

        def __init__(self, numbers: np.ndarray, device: str) -> None:
            self.numbers, self.device = numbers, device

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            memory.loads(name, placement.device)
            return cls(np.full(size // 8, len(name), np.int64), placement.device)

        def answer(self, question: int) -> int:
            return int(self.numbers[question % len(self.numbers)])

        def to(self, device: str) -> bool:
            memory.moves(name, self.device, device)
            self.device = device
            return True

        def close(self) -> None:
            self.numbers = self.numbers[:0]
            memory.closes(name, self.device)

    return Array


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends, at the boundary of ``torch.cuda``, that there are two GPUs; the models stay in main memory."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (BUDGET, BUDGET))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forty_models_and_sixteen_threads(tmp_path: Path, seed: int) -> None:
    memory = fight(tmp_path, seed, "cpu")
    assert memory.loaded > CALLS / 4, "the budget was really fought for"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_over_two_gpus_with_models_that_step_aside_into_main_memory(tmp_path: Path, seed: int) -> None:
    memory = fight(tmp_path, seed, "auto")
    assert memory.moved > CALLS / 10, "models really went to main memory and back"


def fight(home: Path, seed: int, device: str) -> Memory:
    memory = Memory()
    made = models(memory, random.Random(seed))
    names = [model.card.name for model in made]
    pool = ModelPool(Registry(Settings(home=home, device=device), models=made), budget=BUDGET, patience=TIMEOUT / 2)
    refused: Counter[int] = Counter()
    done: Counter[int] = Counter()

    def work(thread: int) -> None:
        chance = random.Random(f"{seed} {thread}")
        for _ in range(CALLS // THREADS):
            wanted = chance.sample(names, chance.choice([1, 1, 1, 2, 2, 3]))
            held = 0
            try:
                with ExitStack() as leases:
                    for name in wanted:
                        model = leases.enter_context(pool.use(name, Answering))
                        held += 1
                        assert model.answer(chance.randrange(1000)) == len(name)
            except ModelMemoryError:
                refused[held] += 1
            else:
                done[held] += 1

    workers = ThreadPoolExecutor(THREADS)
    futures = [workers.submit(work, thread) for thread in range(THREADS)]
    hanging = wait(futures, timeout=TIMEOUT).not_done
    workers.shutdown(wait=not hanging, cancel_futures=True)

    assert not hanging, "the pool deadlocks"
    for future in futures:
        future.result()
    assert memory.faults == []
    assert done.total() + refused.total() == CALLS
    assert refused[0] == 0, "who holds nothing waits, and is never refused"
    assert refused.total() < CALLS / 4, "of those who hold a model and want another, some must give way"
    assert all(model.in_use == 0 for model in pool.resident())
    pool.close()
    assert memory.live.total() == 0
    return memory
