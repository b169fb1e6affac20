"""Where the pool puts models, and what it does when real memory runs out.

There is no GPU in these tests. The functions of ``torch.cuda`` that the pool asks, for how many devices there are, what
is free on them and what they compute in, are replaced at that boundary; the models record where they were told to go
and stay in main memory. So the pool's decisions are tested, not CUDA.
"""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast

import numpy as np
import pytest
from langchain_core.outputs import ChatResult
from PIL import Image

from tests.graphs.harness import asking, graph_of, logging_tool
from tests.models import tiny_checkpoints
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.errors import InputError, ModelMemoryError, WeightsError
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.clip import Clip
from visiongpt_agent.models.jobs import LLM
from visiongpt_agent.models.llama import Llama
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings

KB = 1000
BOTH = ("cuda", "cpu")
HALVES = ("float32", "float16", "bfloat16")
OUT = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Placed(Protocol):
    def place(self) -> str: ...
    def work(self) -> str: ...


class Log:
    """What the models of a test were told, and when they are to run out of memory."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.alive: dict[str, weakref.ref[Any]] = {}
        self.loads_that_fail: dict[str, int] = {}
        self.works_in: dict[str, set[str]] = {}
        self.alive_at_load: list[bool] = []
        self.ran_out = threading.Semaphore(0)


@pytest.fixture
def log() -> Log:
    return Log()


Maker = Callable[..., type[Model]]


class _Fake(Model):
    """A model that logs what is done with it; :func:`make` sets what each is like."""

    log: ClassVar[Log]
    moves: ClassVar[bool]
    measured: ClassVar[int]

    def __init__(self, placement: Placement) -> None:
        self.placement = placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        log, name = cls.log, cls.card.name
        log.events.append(f"load {name} {placement.device} {placement.dtype}")
        before = log.alive.get(name)
        log.alive_at_load.append(before is not None and before() is not None)
        if log.loads_that_fail.get(name, 0) > 0:
            log.loads_that_fail[name] -= 1
            raise OUT
        loaded = cls(placement)
        log.alive[name] = weakref.ref(loaded)
        return loaded

    def place(self) -> str:
        assert self.placement
        return f"{self.placement.device} {self.placement.dtype}"

    def work(self) -> str:
        if self.place() not in self.log.works_in.get(self.card.name, {self.place()}):
            self.log.ran_out.release()
            activations = np.ones(10)
            raise RuntimeError(f"CUDA out of memory ({len(activations)})")
        return self.place()

    def measure(self) -> int:
        return self.measured

    def to(self, device: str) -> bool:
        if self.moves:
            assert self.placement
            self.log.events.append(f"move {self.card.name} {device}")
            self.placement = Placement(device, self.placement.dtype)
        return self.moves

    def close(self) -> None:
        self.log.events.append(f"close {self.card.name}")


@pytest.fixture
def make(log: Log) -> Maker:
    def maker(
        name: str,
        kilobytes: int,
        *,
        dtypes: tuple[str, ...] = ("float32",),
        devices: tuple[str, ...] = ("cpu",),
        moves: bool = True,
        measured: int = 0,
        job: str = "",
    ) -> type[Model]:
        jobs, memory = (job or name,), kilobytes * KB
        card = ModelCard(name, name, jobs, "MIT", "", memory=memory, dtypes=dtypes, devices=devices)
        return type("Fake", (_Fake,), {"card": card, "log": log, "moves": moves, "measured": measured})

    return maker


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretends that torch sees these GPUs, by the kilobytes that are free on each."""
    import torch

    def pretend(*kilobytes: int, capability: tuple[int, int] = (9, 0)) -> None:
        free = {f"cuda:{number}": count * KB for number, count in enumerate(kilobytes)}
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(kilobytes))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(kilobytes))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[device], free[device]))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    return pretend


def pool_of(*models: type[Model], home: Path, **settings: Any) -> ModelPool:
    return ModelPool(Registry(Settings(home=home, **settings), models=models), patience=20)


def where(pool: ModelPool) -> dict[str, str]:
    return {entry.card.name: entry.device for entry in pool.resident()}


def used(pool: ModelPool, *names: str) -> list[str]:
    places = []
    for name in names:
        with pool.use(name, Placed) as model:
            places.append(model.place())
    return places


# --------------------------------------------------------------------------------------------------- devices and dtypes


@pytest.mark.parametrize(
    ("dtypes", "capability", "expected"),
    [
        (HALVES, (9, 0), "bfloat16"),
        (HALVES, (7, 5), "float16"),
        (("float32", "bfloat16"), (8, 0), "bfloat16"),
        (("float32", "bfloat16"), (7, 5), "float32"),
        (("float32",), (9, 0), "float32"),
    ],
)
def test_a_gpu_computes_in_the_half_that_it_has(
    make: Maker, gpus: Any, tmp_path: Path, dtypes: tuple[str, ...], capability: tuple[int, int], expected: str
) -> None:
    gpus(100, capability=capability)
    pool = pool_of(make("a", 10, dtypes=dtypes, devices=BOTH), home=tmp_path)
    assert used(pool, "a") == [f"cuda:0 {expected}"]
    assert pool.resident()[0].bytes == (10 if expected == "float32" else 5) * KB


def test_the_cpu_keeps_the_order_of_the_card(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus()
    pool = pool_of(make("a", 10, dtypes=HALVES, devices=BOTH), home=tmp_path)
    assert used(pool, "a") == ["cpu float32"]


def test_attention_is_the_fast_one_by_default(tmp_path: Path) -> None:
    model = Clip.load(tiny_checkpoints.clip(tmp_path), Placement())
    (network,) = model.networks()
    assert network.config._attn_implementation == "sdpa"


def test_several_gpus_are_filled_by_free_memory(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus(50, 100, 70)  # of which four fifths are for models: 40, 80, 56
    models = [make(name, 20, devices=BOTH) for name in "abcde"]
    pool = pool_of(*models, home=tmp_path)
    used(pool, *"abcde")
    # free before each: 40/80/56, 40/60/56, 40/40/56, 40/40/36, 20/40/36
    assert where(pool) == {"a": "cuda:1", "b": "cuda:1", "c": "cuda:2", "d": "cuda:0", "e": "cuda:1"}


def test_one_gpu_may_be_named(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus(100, 50)
    models = make("a", 10, devices=BOTH), make("b", 10, devices=BOTH)
    assert used(pool_of(*models, home=tmp_path, device="cuda:1"), "a", "b") == ["cuda:1 float32"] * 2
    with pytest.raises(InputError, match="cuda:2, but torch finds only cuda:0, cuda:1"):
        used(pool_of(*models, home=tmp_path, device="cuda:2"), "a")


def test_a_model_too_large_for_the_gpus_runs_on_the_cpu(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus(20)
    pool = pool_of(make("a", 50, devices=BOTH), home=tmp_path)
    assert used(pool, "a") == ["cpu float32"]


# -------------------------------------------------------------------------------------------------------------- budgets


def test_budgets_by_device_and_as_shares(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus(100, 100)
    settings = Settings.load({"VISIONGPT_HOME": str(tmp_path), "VISIONGPT_MEMORY": "cpu=1MB, cuda=25%, cuda:1=30kB"})
    pool = ModelPool(Registry(settings, models=[make("a", 28, devices=("cuda",)), make("b", 31, devices=("cuda",))]))
    assert used(pool, "a") == ["cuda:1 float32"]
    with pytest.raises(WeightsError, match="b takes 31"):
        used(pool, "b")


@pytest.mark.parametrize(
    ("text", "memory", "by_device"),
    [
        ("", 0, {}),
        ("8GB", 8 * 10**9, {}),
        ("60%", 0.6, {}),
        ("100 %", 1.0, {}),
        ("cpu=8GB,cuda:0=50%", 0, {"cpu": 8 * 10**9, "cuda:0": 0.5}),
        ("1GB, cuda = 70%", 10**9, {"cuda": 0.7}),
    ],
)
def test_amounts_of_memory(text: str, memory: float, by_device: dict[str, float], tmp_path: Path) -> None:
    settings = Settings.load({"VISIONGPT_MEMORY": text, "VISIONGPT_HOME": str(tmp_path)})
    assert settings.memory == memory
    assert type(settings.memory) is type(memory)
    assert settings.device_memory == by_device


@pytest.mark.parametrize("text", ["0%", "150%", "%", "gpu=8GB", "=8GB", "cpu=", "8GB,9GB", "cpu=1GB,cpu=2GB", "plenty"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Settings.load({"VISIONGPT_MEMORY": text})


def test_a_share_is_one_of_what_is_available(monkeypatch: pytest.MonkeyPatch, make: Maker, tmp_path: Path) -> None:
    monkeypatch.setattr("visiongpt_agent.pool.budgets.available_memory", lambda: 100 * KB)
    pool = pool_of(make("a", 49), make("b", 51), home=tmp_path, device="cpu", memory=0.5)
    assert (pool.has("a"), pool.has("b")) == (True, False)


# ------------------------------------------------------------------------------------------------------- pins and parks


def test_a_pinned_model_makes_no_room(make: Maker, tmp_path: Path) -> None:
    models = make("a", 40), make("b", 40), make("c", 40), make("large", 70)
    settings = Settings.load({"VISIONGPT_HOME": str(tmp_path), "VISIONGPT_KEEP": "a, other", "VISIONGPT_DEVICE": "cpu"})
    pool = ModelPool(Registry(settings, models=models), budget=100 * KB, patience=20)
    used(pool, "a", "b", "c")
    assert list(where(pool)) == ["a", "c"]
    began = time.monotonic()
    with pytest.raises(ModelMemoryError, match=r"no room for large .*\(a\)"):
        used(pool, "large")
    assert time.monotonic() - began < 5, "nobody would ever give the room, so nothing is waited for"
    assert list(where(pool)) == ["a", "c"]


def test_a_gpu_full_of_pinned_models_sends_others_to_the_cpu(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus(100)
    pool = pool_of(make("a", 60, devices=BOTH), make("b", 60, devices=BOTH), home=tmp_path, keep=("a",))
    assert used(pool, "a", "b") == ["cuda:0 float32", "cpu float32"]
    assert where(pool) == {"a": "cuda:0", "b": "cpu"}


def test_a_gpu_with_idle_models_comes_before_one_that_is_busy(make: Maker, gpus: Any, tmp_path: Path) -> None:
    gpus(100, 100)  # 80 of each for models
    models = make("busy", 50, devices=BOTH), make("idle", 60, devices=BOTH), make("c", 40, devices=BOTH)
    pool = pool_of(*models, home=tmp_path)
    with pool.use("busy", Placed):
        used(pool, "idle")  # the busy one's GPU has more left, 30, yet not the 40 that c needs
        assert used(pool, "c") == ["cuda:1 float32"]


def test_a_model_leaves_a_gpu_for_main_memory_and_returns(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100)  # 80 of them for models
    pool = pool_of(
        make("a", 60, devices=BOTH), make("b", 60, devices=BOTH), home=tmp_path, device_memory={"cpu": 60000}
    )
    used(pool, "a", "b")
    assert where(pool) == {"a": "cpu", "b": "cuda:0"}
    assert [entry.bytes for entry in pool.resident()] == [60 * KB, 60 * KB]
    assert used(pool, "a") == ["cuda:0 float32"]
    # While a returns it counts in both places, so that b finds no room in main memory and is dropped.
    assert log.events == [
        "load a cuda:0 float32",
        "move a cpu",
        "load b cuda:0 float32",
        "close b",
        "move a cuda:0",
    ]
    assert where(pool) == {"a": "cuda:0"}


def test_models_change_places_where_main_memory_has_room(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100)
    pool = pool_of(
        make("a", 60, devices=BOTH), make("b", 60, devices=BOTH), home=tmp_path, device_memory={"cpu": 120000}
    )
    used(pool, *"abababab")
    assert [event for event in log.events if event.startswith("load")] == [
        "load a cuda:0 float32",
        "load b cuda:0 float32",
    ]
    assert where(pool) == {"a": "cpu", "b": "cuda:0"}
    pool.close()
    assert log.events[-2:] == ["close a", "close b"]
    assert pool.resident() == []


def test_a_parked_model_makes_room_in_main_memory(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100)
    models = make("a", 60, devices=BOTH), make("b", 60, devices=BOTH), make("c", 60)
    pool = pool_of(*models, home=tmp_path, device_memory={"cpu": 100_000})
    used(pool, "a", "b", "c")
    assert where(pool) == {"b": "cuda:0", "c": "cpu"}
    assert "close a" in log.events


def test_an_adapter_that_cannot_move_is_dropped(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100)
    pool = pool_of(make("a", 60, devices=BOTH, moves=False), make("b", 60, devices=BOTH), home=tmp_path)
    used(pool, "a", "b")
    assert where(pool) == {"b": "cuda:0"}
    assert log.events == ["load a cuda:0 float32", "close a", "load b cuda:0 float32"]


def test_real_networks_move_and_their_inputs_follow(tmp_path: Path, photo: Callable[[str], Image.Image]) -> None:
    """To ``meta``, the one other device that every torch has: nothing can be computed there, but moving is real."""
    model = Clip.load(tiny_checkpoints.clip(tmp_path), Placement())
    (network,) = model.networks()
    assert model.measure() == sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    assert model.to("meta")
    assert {tensor.device.type for tensor in (*network.parameters(), *network.buffers())} == {"meta"}
    assert model.placement == Placement("meta", "float32")


# ------------------------------------------------------------------------------------------------------- measured sizes


def test_what_was_measured_counts_from_then_on(make: Maker, tmp_path: Path) -> None:
    small, large = make("small", 60, measured=30 * KB), make("large", 20, measured=50 * KB)
    pool = pool_of(small, large, home=tmp_path, device="cpu", memory=100 * KB)
    used(pool, "small", "large")
    assert {entry.card.name: entry.bytes for entry in pool.resident()} == {"small": 30 * KB, "large": 50 * KB}
    assert json.loads((tmp_path / "measured.json").read_text()) == {"small float32": 30 * KB, "large float32": 50 * KB}
    later = pool_of(small, large, home=tmp_path, device="cpu", memory=40 * KB)
    assert (later.has("small"), later.has("large")) == (True, False)


def test_a_model_larger_than_its_card_makes_room_for_all_of_it(make: Maker, log: Log, tmp_path: Path) -> None:
    models = make("a", 40), make("b", 40), make("sly", 20, measured=70 * KB)
    pool = pool_of(*models, home=tmp_path, device="cpu", memory=100 * KB)
    used(pool, "a", "b", "sly")
    assert where(pool) == {"sly": "cpu"}
    assert sum(entry.bytes for entry in pool.resident()) <= 100 * KB


def test_a_model_that_turns_out_larger_than_the_budget_is_given_up(make: Maker, log: Log, tmp_path: Path) -> None:
    pool = pool_of(make("sly", 20, measured=700 * KB), home=tmp_path, device="cpu", memory=100 * KB)
    with pytest.raises(ModelMemoryError, match="sly"):
        used(pool, "sly")
    gc.collect()
    assert log.alive["sly"]() is None
    assert not pool.has("sly")
    assert "sly takes 700 kB" in pool.remedy("sly")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a float32": "much"}', '{"a float32": -5}', "\x00"])
def test_a_spoilt_file_of_measurements_is_no_matter(make: Maker, tmp_path: Path, content: str) -> None:
    (tmp_path / "measured.json").write_text(content)
    pool = pool_of(make("a", 10), home=tmp_path, device="cpu")
    used(pool, "a")
    assert pool.resident()[0].bytes == 10 * KB


def test_a_home_that_cannot_be_written_to_is_no_matter(make: Maker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pool = pool_of(make("a", 10, measured=5 * KB), home=tmp_path / "file", device="cpu")
    used(pool, "a")
    assert pool.resident()[0].bytes == 5 * KB


# ------------------------------------------------------------------------------------------------- memory that runs out


def test_a_call_that_runs_out_is_repeated_after_idle_models_are_freed(make: Maker, log: Log, tmp_path: Path) -> None:
    calls: list[str] = []

    def once(self: Any) -> str:
        calls.append("call")
        if len(calls) == 1:
            raise OUT
        return "done"

    runs_out: Any = make("a", 10)
    runs_out.work = once
    pool = pool_of(make("idle", 10), runs_out, home=tmp_path, device="cpu")
    used(pool, "idle")
    with pool.use("a", Placed) as model:
        assert model.work() == "done"
    assert log.events == ["load idle cpu float32", "load a cpu float32", "close idle"]
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("works_in", "ladder"),
    [
        ("cuda:0 bfloat16", ["load a cuda:0 bfloat16"]),
        ("cpu float32", ["load a cuda:0 bfloat16", "close a", "load a cpu float32"]),
        ("cpu bfloat16", ["load a cuda:0 bfloat16", "close a", "load a cpu float32", "close a", "load a cpu bfloat16"]),
    ],
)
def test_a_call_that_runs_out_goes_down_the_ladder(
    make: Maker, gpus: Any, log: Log, tmp_path: Path, works_in: str, ladder: list[str]
) -> None:
    gpus(100)
    log.works_in["a"] = {works_in}
    pool = pool_of(make("a", 10, dtypes=("float32", "bfloat16"), devices=BOTH), home=tmp_path)
    with pool.use("a", Placed) as model:
        assert model.work() == works_in
        assert model.work() == works_in, "it stays where it works"
    assert log.events == ladder
    assert not any(log.alive_at_load), "the model is gone before it is loaded in another place"
    assert pool.resident()[0].in_use == 0


def test_a_gpu_without_native_bfloat16_halves_a_float32_model(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100, capability=(7, 5))
    log.works_in["a"] = {"cuda:0 bfloat16"}
    pool = pool_of(make("a", 10, dtypes=("float32", "bfloat16"), devices=BOTH), home=tmp_path)
    with pool.use("a", Placed) as model:
        assert model.work() == "cuda:0 bfloat16"
    assert log.events == ["load a cuda:0 float32", "close a", "load a cuda:0 bfloat16"]


def test_a_call_that_runs_out_everywhere_fails_alone(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100)
    log.works_in["a"] = {"nowhere"}
    pool = pool_of(make("a", 10, devices=BOTH), make("b", 10), home=tmp_path)
    with pool.use("b", Placed) as other:
        with (
            pytest.raises(ModelMemoryError, match=r"a ran out of memory \(CUDA out of memory .*smaller picture"),
            pool.use("a", Placed) as model,
        ):
            model.work()
        assert other.work() == "cpu float32"
    log.works_in.clear()
    with pool.use("a", Placed) as model:
        assert model.work() == "cpu float32"


def test_the_step_of_a_plan_fails_alone(
    make: Maker, log: Log, pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    log.works_in["a"] = {"nowhere"}
    small = pool_of(make("a", 10), home=tmp_path, device="cpu")

    def run_out() -> None:
        with small.use("a", Placed) as model:
            model.work()

    heavy, fine = logging_tool("heavy", tmp_path / "log", run_out), logging_tool("fine", tmp_path / "log")
    plan = "#1 = heavy(image=$1)\n#2 = fine(image=$1)"
    graph = graph_of(plan, pool=pool, store=store, tools=[heavy, fine], limits=Limits(rounds=1))
    state = graph.invoke(asking(store, photo("rocket")))
    assert [(step["verdict"], step["cause"]) for step in state["steps"]] == [("failed", "memory"), ("accepted", "")]
    assert "a ran out of memory" in state["steps"][0]["error"]
    assert "a ran out of memory" in state["answer"]


class Cramped(ScriptedChat):
    """Has memory for its work on the CPU alone."""

    device: str

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        if self.device != "cpu":
            raise OUT
        return super()._generate(*args, **kwargs)


def test_a_language_model_that_runs_out_while_it_plans_goes_on_elsewhere(
    gpus: Any, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    gpus(100)

    class Writer(Llama):
        card: ClassVar[ModelCard] = ModelCard(
            "writer", "Writer", (LLM,), "MIT", "", 10 * KB, dtypes=("bfloat16",), devices=BOTH
        )

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            script = ["#1 = transform_image(image=$1, rotate=90)", "It is turned."]
            return cls(cast(Any, Cramped(script=script, device=placement.device)))

        def networks(self) -> Iterator[Any]:
            yield from ()

    pool = pool_of(Writer, home=tmp_path)
    agent = VisionGPT(pool=pool, store=store)
    result = agent.run("turn it to the right", photo("rocket"))
    assert (result.status, result.plan) == ("done", "#1 = transform_image(image=$1, rotate=90)")
    assert where(pool) == {"writer": "cpu"}


def test_a_model_that_cannot_be_loaded_anew_is_gone_and_can_be_had_again(
    make: Maker, gpus: Any, log: Log, tmp_path: Path
) -> None:
    gpus(100)
    log.works_in["a"] = {"cpu float32"}
    pool = pool_of(make("a", 10, devices=BOTH), home=tmp_path)
    with pool.use("a", Placed) as model:
        log.loads_that_fail["a"] = 1
        with pytest.raises(ModelMemoryError, match="a ran out of memory"):
            model.work()
        with pytest.raises(ModelMemoryError, match="could not be loaded again"):
            model.work()
    assert pool.resident() == []
    log.works_in.clear()
    assert used(pool, "a") == ["cuda:0 float32"]


def test_another_thread_is_not_disturbed_in_its_call(make: Maker, gpus: Any, log: Log, tmp_path: Path) -> None:
    gpus(100)
    log.works_in["a"] = {"cpu float32"}
    pool = pool_of(make("a", 10, devices=BOTH), home=tmp_path)
    holds, may_end = threading.Event(), threading.Event()

    def hold() -> str:
        with pool.use("a", Placed) as model:
            holds.set()
            assert may_end.wait(20)
            return model.place()

    def run_out() -> str:
        with pool.use("a", Placed) as model:
            return model.work()

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold)
        assert holds.wait(20)
        working = threads.submit(run_out)
        assert all(log.ran_out.acquire(timeout=20) for _ in range(2))
        time.sleep(0.1)
        assert log.events == ["load a cuda:0 float32"], "it waits for the other, whose model it would take away"
        may_end.set()
        assert holding.result(20) == "cuda:0 float32"
        assert working.result(20) == "cpu float32"


def test_other_errors_of_a_call_are_not_repeated(make: Maker, log: Log, tmp_path: Path) -> None:
    model: Any = make("a", 10)
    calls: list[int] = []

    def fails(self: Any) -> str:
        calls.append(1)
        raise ValueError("no such thing")

    model.work = fails
    with pool_of(model, home=tmp_path, device="cpu") as pool, pool.use("a", Placed) as leased:
        with pytest.raises(ValueError, match="no such thing"):
            leased.work()
        assert isinstance(leased, model)
    assert calls == [1]


@pytest.mark.parametrize("error", [WeightsError("a tensor is missing"), ValueError("a bug"), MemoryError()])
def test_a_load_that_fails_leaves_nothing_behind(make: Maker, tmp_path: Path, error: Exception) -> None:
    import torch

    kept: list[weakref.ref[Any]] = []

    class Failing(Model):
        card: ClassVar[ModelCard] = ModelCard("a", "a", ("a",), "MIT", "", 10 * KB)

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            half = torch.nn.Linear(20, 20)
            kept.append(weakref.ref(half))
            raise error

    pool = pool_of(Failing, make("b", 10), home=tmp_path, device="cpu", memory=10 * KB)
    with pytest.raises((WeightsError, ValueError, ModelMemoryError)):
        used(pool, "a")
    error.__traceback__ = None  # the test's own hold on it
    gc.collect()
    assert kept
    assert all(half() is None for half in kept)
    assert pool.resident() == []
    assert not (tmp_path / "measured.json").exists()
    assert used(pool, "b") == ["cpu float32"]  # which takes the whole budget
