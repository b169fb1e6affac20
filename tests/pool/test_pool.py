"""The pool under load: the budget holds, each model is loaded once, nothing deadlocks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import pytest

from tests.graphs.harness import wait_for
from visiongpt_agent.errors import InputError, ModelMemoryError, WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights import Wheel

KB = 1000
TIMEOUT = 30.0


class Sized(Protocol):
    """What the tests' models do."""

    def size(self) -> int: ...


class Ledger:
    """What is in memory, kept by the models themselves as they are loaded and closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0
        self.peak = 0
        self.live: Counter[str] = Counter()
        self.most_live: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()

    def take(self, name: str, count: int) -> None:
        with self._lock:
            self.bytes += count
            self.peak = max(self.peak, self.bytes)
            self.live[name] += 1
            self.most_live[name] = max(self.most_live[name], self.live[name])
            self.loads[name] += 1

    def give(self, name: str, count: int) -> None:
        with self._lock:
            self.bytes -= count
            self.live[name] -= 1


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


Maker = Callable[..., type[Model]]


@pytest.fixture
def make(ledger: Ledger) -> Maker:
    """Makes model classes that hold an array of known size."""

    def maker(
        name: str,
        kilobytes: int,
        *,
        job: str = "",
        rank: int = 0,
        seconds: float = 0.0,
        failures: Iterator[Exception | None] | None = None,
        dtypes: tuple[str, ...] = ("float32",),
        devices: tuple[str, ...] = ("cpu",),
        needs_weights: bool = False,
    ) -> type[Model]:
        class Array(Model):
            card: ClassVar[ModelCard] = ModelCard(
                name=name,
                title=name,
                jobs=(job or name,),
                licence="MIT",
                homepage="",
                memory=kilobytes * KB,
                rank=rank,
                dtypes=dtypes,
                devices=devices,
                source=Wheel("none", "1", members={"a": ("a", "0" * 64)}) if needs_weights else None,
            )

            def __init__(self, array: np.ndarray) -> None:
                self.array = array

            @classmethod
            def load(cls, folder: Path | None, placement: Placement) -> Self:
                failure = next(failures, None) if failures else None
                if failure is not None:
                    raise failure
                count = kilobytes * KB // 4
                array = np.ones(count, np.float16 if placement.dtype == "float16" else np.float32)
                ledger.take(name, array.nbytes)
                time.sleep(seconds)
                return cls(array)

            def size(self) -> int:
                return int(self.array.nbytes)

            def close(self) -> None:
                ledger.give(name, self.array.nbytes)

        return Array

    return maker


def pool_of(*models: type[Model], kilobytes: int, tmp_path: Path, patience: float = TIMEOUT) -> ModelPool:
    settings = Settings(home=tmp_path, device="cpu")
    return ModelPool(Registry(settings, models=models), budget=kilobytes * KB, patience=patience)


def resident(pool: ModelPool) -> list[str]:
    return [entry.card.name for entry in pool.resident()]


def touch(pool: ModelPool, *jobs: str) -> None:
    for job in jobs:
        with pool.use(job, Sized):
            pass


def test_a_model_is_loaded_at_first_use_and_kept(make: Maker, ledger: Ledger, tmp_path: Path) -> None:
    with pool_of(make("a", 10), kilobytes=100, tmp_path=tmp_path) as pool:
        assert resident(pool) == []
        with pool.use("a", Sized) as first:
            assert first.size() == 10 * KB
            (entry,) = pool.resident()
            assert (entry.device, entry.bytes, entry.in_use) == ("cpu", 10 * KB, 1)
        with pool.use("a", Sized) as second:
            assert second is first
        assert pool.resident()[0].in_use == 0
        assert ledger.loads["a"] == 1
    assert ledger.bytes == 0
    with pytest.raises(RuntimeError, match="closed"):
        touch(pool, "a")


def test_the_least_recently_used_idle_model_makes_room(make: Maker, tmp_path: Path) -> None:
    models = [make(name, 10) for name in "abcd"]
    pool = pool_of(*models, kilobytes=30, tmp_path=tmp_path)
    touch(pool, "a", "b", "c", "a")
    assert resident(pool) == ["b", "c", "a"]
    touch(pool, "d")
    assert resident(pool) == ["c", "a", "d"]
    with pool.use("c", Sized):
        touch(pool, "b")
        assert resident(pool) == ["c", "d", "b"]


def test_nothing_is_evicted_when_that_would_not_make_enough_room(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("a", 10), make("b", 20), make("big", 30), kilobytes=30, tmp_path=tmp_path)
    touch(pool, "a")
    with pool.use("b", Sized), pytest.raises(ModelMemoryError, match=r"no room for big .*VISIONGPT_MEMORY"):
        touch(pool, "big")
    assert resident(pool) == ["a", "b"]
    touch(pool, "big")
    assert resident(pool) == ["big"]


def test_the_budget_holds_over_random_calls_from_many_threads(make: Maker, ledger: Ledger, tmp_path: Path) -> None:
    sizes = {name: 5 + 5 * index for index, name in enumerate("abcdefgh")}
    budget = 80
    pool = pool_of(
        *(make(name, size, seconds=0.0005) for name, size in sizes.items()), kilobytes=budget, tmp_path=tmp_path
    )
    calls: Counter[bool] = Counter()
    refused: Counter[bool] = Counter()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(125):
            nested = chance.random() < 0.3
            calls[nested] += 1
            names = chance.sample(sorted(sizes), 2 if nested else 1)
            try:
                with ExitStack() as leases:
                    for name in names:
                        leased = leases.enter_context(pool.use(name, Sized))
                        assert leased.size() == sizes[name] * KB
                    if chance.random() < 0.2:
                        time.sleep(0.001)
            except ModelMemoryError:
                refused[nested] += 1

    with ThreadPoolExecutor(16) as threads:
        for future in [threads.submit(work, seed) for seed in range(16)]:
            future.result(timeout=TIMEOUT * 4)

    assert ledger.peak <= budget * KB
    assert max(ledger.most_live.values()) == 1
    assert sum(ledger.loads.values()) > 100  # the budget was really fought for
    assert refused[False] == 0  # who holds nothing is never refused
    assert refused[True] < calls[True] / 2  # of those who hold one and want another, some must give way
    assert all(entry.in_use == 0 for entry in pool.resident())
    pool.close()
    assert ledger.bytes == 0


def test_threads_share_one_load_and_different_models_load_side_by_side(
    make: Maker, ledger: Ledger, tmp_path: Path
) -> None:
    pool = pool_of(make("a", 10, seconds=0.3), make("b", 10, seconds=0.3), kilobytes=100, tmp_path=tmp_path)
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: touch(pool, name), "abababab"))
    assert ledger.loads == {"a": 1, "b": 1}
    assert time.perf_counter() - start < 0.55


def test_threads_share_a_failure_and_the_next_call_tries_again(make: Maker, ledger: Ledger, tmp_path: Path) -> None:
    entered = threading.Event()

    def failing() -> Iterator[Exception | None]:
        entered.set()
        time.sleep(0.3)
        yield WeightsError("a tensor is missing")

    pool = pool_of(make("a", 10, failures=failing()), kilobytes=10, tmp_path=tmp_path)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(touch, pool, "a")
        assert entered.wait(TIMEOUT)
        others = [threads.submit(touch, pool, "a") for _ in range(3)]
        errors = [future.exception(timeout=TIMEOUT) for future in (first, *others)]
    assert [str(error) for error in errors] == ["a tensor is missing"] * 4
    assert resident(pool) == []
    assert pool.without(["a"]).remedy("a") == "all models for it have been tried; a tensor is missing"
    with pytest.raises(WeightsError, match=r"no model for a is usable here; .*; a tensor is missing"):
        pool.without(["a"]).use("a", object).__enter__()
    touch(pool, "a")
    assert ledger.loads["a"] == 1
    assert pool.without(["a"]).remedy("a") == "all models for it have been tried", "it loads now"


@pytest.mark.parametrize(
    "failure",
    [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate"), RuntimeError("std::bad_alloc")],
)
def test_a_load_that_runs_out_of_memory_frees_idle_models_and_tries_again(
    make: Maker, tmp_path: Path, failure: Exception
) -> None:
    pool = pool_of(make("idle", 10), make("a", 10, failures=iter([failure])), kilobytes=100, tmp_path=tmp_path)
    touch(pool, "idle", "a")
    assert resident(pool) == ["a"]


def test_a_load_that_runs_out_of_memory_is_tried_in_a_smaller_type(make: Maker, tmp_path: Path) -> None:
    halved = make("a", 10, dtypes=("float32", "float16"), failures=iter([MemoryError()]))
    pool = pool_of(halved, kilobytes=100, tmp_path=tmp_path)
    with pool.lease(halved) as leased:
        assert leased.array.dtype == np.float16  # type: ignore[attr-defined]
    assert pool.resident()[0].bytes == 5 * KB


def test_the_next_model_for_the_job_stands_in_for_one_that_runs_out_of_memory(make: Maker, tmp_path: Path) -> None:
    large = make("large", 50, job="ocr", failures=iter([MemoryError("no more")]))
    pool = pool_of(large, make("small", 10, job="ocr", rank=1), kilobytes=100, tmp_path=tmp_path)
    assert pool.name("ocr") == "large"
    with pool.use("ocr", Sized) as leased:
        assert leased.size() == 10 * KB
    assert resident(pool) == ["small"]
    assert pool.name("ocr") == "small"


def test_results_name_the_model_that_stood_in(make: Maker, tmp_path: Path) -> None:
    models = make("large", 50, job="ocr"), make("small", 10, job="ocr", rank=1), make("other", 60)
    pool = pool_of(*models, kilobytes=100, tmp_path=tmp_path)
    with pool.use("other", Sized), pool.use("ocr", Sized) as leased:
        assert leased.size() == 10 * KB
        assert pool.name("ocr") == "small"
    with pool.use("ocr", Sized) as leased:
        assert leased.size() == 50 * KB
        assert pool.name("ocr") == "large"


def test_a_model_larger_than_the_budget_is_refused_with_the_figures(make: Maker, tmp_path: Path) -> None:
    large = make("large", 2000, job="ocr")
    pool = pool_of(large, kilobytes=100, tmp_path=tmp_path)
    with (
        pytest.raises(ModelMemoryError, match=r"large takes 2\.0 MB, .* is 100 kB; set VISIONGPT_MEMORY"),
        pool.lease(large),
    ):
        pass
    assert not pool.has("ocr")
    assert pool.chosen("ocr") is None
    assert "VISIONGPT_MEMORY" in pool.remedy("ocr")

    both = pool_of(large, make("small", 10, job="ocr", rank=1), kilobytes=100, tmp_path=tmp_path)
    assert both.name("ocr") == "small"


def test_a_job_without_usable_model_says_what_to_do(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("reader", 10, job="ocr", needs_weights=True), kilobytes=100, tmp_path=tmp_path)
    assert not pool.has("ocr")
    assert pool.remedy("ocr") == "visiongpt models pull reader"
    with pytest.raises(WeightsError, match="visiongpt models pull reader"):
        touch(pool, "ocr")
    with pytest.raises(WeightsError, match="no adapter for depth"):
        touch(pool, "depth")


def test_who_wants_room_waits_for_who_uses_it(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("a", 60), make("b", 60), kilobytes=100, tmp_path=tmp_path)
    order: list[str] = []

    def want() -> None:
        touch(pool, "b")
        order.append("b loaded")

    with ThreadPoolExecutor(1) as threads:
        with pool.use("a", Sized):
            waiting = threads.submit(want)
            time.sleep(0.2)
            order.append("a released")
        waiting.result(timeout=TIMEOUT)
    assert order == ["a released", "b loaded"]


def test_two_threads_that_want_what_the_other_holds_do_not_deadlock(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("a", 50), make("b", 50), make("c", 50), make("d", 50), kilobytes=100, tmp_path=tmp_path)
    both = threading.Barrier(2, timeout=TIMEOUT)

    def hold_and_want(held: str, wanted: str) -> bool:
        with pool.use(held, Sized):
            both.wait()
            try:
                touch(pool, wanted)
            except ModelMemoryError:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        start = time.perf_counter()
        outcomes = [threads.submit(hold_and_want, *names) for names in (("a", "c"), ("b", "d"))]
        got = sorted(future.result(timeout=TIMEOUT) for future in outcomes)
    assert got == [False, True]  # one gives way, so that the other gets its model
    assert time.perf_counter() - start < 5


def test_patience_ends(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("a", 60), make("b", 60), kilobytes=100, tmp_path=tmp_path, patience=0.2)
    with ThreadPoolExecutor(1) as threads, pool.use("a", Sized):
        # The holder joins the thread that waits for it: the pool cannot know.
        error = threads.submit(touch, pool, "b").exception(timeout=TIMEOUT)
    assert isinstance(error, ModelMemoryError)
    touch(pool, "b")


def test_an_error_while_a_model_is_used_releases_it(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("a", 10), kilobytes=10, tmp_path=tmp_path)
    with pytest.raises(ZeroDivisionError), pool.use("a", Sized):
        raise ZeroDivisionError
    assert pool.resident()[0].in_use == 0


def test_closing_frees_a_model_in_use_when_it_is_released(make: Maker, ledger: Ledger, tmp_path: Path) -> None:
    pool = pool_of(make("a", 10), make("b", 10), kilobytes=100, tmp_path=tmp_path)
    touch(pool, "b")
    with pool.use("a", Sized) as leased:
        pool.close()
        assert leased.size() == 10 * KB
        assert ledger.live == {"a": 1, "b": 0}
    assert ledger.bytes == 0


def test_asking_for_models_of_the_cpu_does_not_import_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from visiongpt_agent.pool import ModelPool\n"
        "with ModelPool() as pool: assert pool.has('detection.closed'), pool.remedy('detection.closed')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "VISIONGPT_HOME": str(tmp_path)}, check=True)


def test_a_device_that_is_not_here_is_told(make: Maker, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    only = make("a", 10, devices=("cuda",))
    pool = ModelPool(Registry(Settings(home=tmp_path), models=[only]))
    assert not pool.has("a")
    with pytest.raises(ModelMemoryError, match="a runs on cuda only"), pool.lease(only):
        pass
    pool = ModelPool(Registry(Settings(home=tmp_path, device="cuda:0"), models=[only]))
    with pytest.raises(InputError, match="no CUDA device here"):
        pool.has("a")


def test_what_is_being_loaded_is_told_while_it_is(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("slow", 40, seconds=1.0), make("quick", 10), kilobytes=100, tmp_path=tmp_path)
    with pool.use("quick", object):
        pass
    assert pool.loading() == []
    with ThreadPoolExecutor() as threads:
        used = threads.submit(lambda: pool.use("slow", object).__enter__())
        wait_for(lambda: bool(pool.loading()))
        (load,) = pool.loading()
        assert (load.card.name, load.device, load.bytes) == ("slow", "cpu", 40 * KB)
        assert 0 <= load.seconds < TIMEOUT
        used.result(TIMEOUT)
    assert pool.loading() == []


def test_a_load_that_failed_is_not_under_way(make: Maker, tmp_path: Path) -> None:
    pool = pool_of(make("broken", 40, failures=iter([WeightsError("no")])), kilobytes=100, tmp_path=tmp_path)
    with pytest.raises(WeightsError), pool.use("broken", object):
        pass
    assert pool.loading() == []
