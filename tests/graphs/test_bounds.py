"""Hangs, cancellation, time limits and memory: each is told as what it is, and what was achieved stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

from tests.graphs.harness import CONFIG, asking, graph_of, logging_tool, wait_for
from visiongpt_agent.graphs.loop.execution import left_behind
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool

GREY_AND_HANG = (
    "#1 = adjust_image(image=$1, saturation=0)\n#2 = hang(image=$1)\n#3 = adjust_image(image=#2, saturation=0)"
)


class _Hang:
    """Waits as native code does: nothing from outside ends it, until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self) -> None:
        self.over.wait(30)


@pytest.fixture
def hang() -> _Hang:
    return _Hang()


def test_a_step_that_hangs_is_left_behind(
    hang: _Hang, pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    tools = [logging_tool("hang", tmp_path / "log", hang)]
    graph = graph_of(GREY_AND_HANG, pool=pool, store=store, tools=tools, limits=Limits(rounds=1, step_seconds=1))
    begun = time.monotonic()

    state = graph.invoke(asking(store, photo("rocket")))

    assert time.monotonic() - begun < 5
    assert [(step["verdict"], step["cause"]) for step in state["steps"]] == [
        ("accepted", ""),
        ("failed", "deadline"),
        ("skipped", "needs"),
    ]
    assert state["status"] == "partial"
    assert "I could not turn over: it did not end within 1 s." in state["answer"]
    (thread,) = left_behind()
    hang.over.set()
    thread.join(10)
    assert left_behind() == []


@pytest.mark.parametrize(
    ("limits", "cancel", "cause"),
    [
        pytest.param(Limits(), True, "cancelled", id="cancelled"),
        pytest.param(Limits(seconds=3), False, "deadline", id="out of time", marks=pytest.mark.slow),
    ],
)
def test_a_request_stops_within_a_second_and_keeps_what_it_has(
    limits: Limits,
    cancel: bool,
    cause: str,
    hang: _Hang,
    pool: ModelPool,
    store: ImageStore,
    photo: Callable[[str], Image.Image],
    tmp_path: Path,
) -> None:
    log, cancelled, ended = tmp_path / "log", set[str](), list[float]()
    tools = [logging_tool("hang", log, hang)]
    graph = graph_of(
        GREY_AND_HANG,
        pool=pool,
        store=store,
        saver=InMemorySaver(),
        tools=tools,
        limits=limits,
        cancelled=cancelled.__contains__,
    )
    if cancel:

        def call_off() -> None:
            wait_for(log.exists)
            time.sleep(0.8)
            cancelled.add("talk")
            ended.append(time.monotonic())

        threading.Thread(target=call_off).start()
    else:
        ended.append(time.monotonic() + limits.seconds)

    state = graph.invoke(asking(store, photo("rocket")), CONFIG)

    assert time.monotonic() - ended[0] < 1
    assert [(step["verdict"], step["cause"]) for step in state["steps"]] == [
        ("accepted", ""),
        ("failed", cause),
        ("skipped", cause),
    ]
    assert state["status"] == "partial"
    hang.over.set()


def test_a_cancelled_request_is_not_even_planned(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image]
) -> None:
    graph = graph_of(GREY_AND_HANG, pool=pool, store=store, saver=InMemorySaver(), cancelled=lambda _: True)

    state = graph.invoke(asking(store, photo("rocket")), CONFIG)

    assert state["status"] == "failed"
    assert state["steps"] == []
    assert "the request was cancelled" in state["answer"]


@pytest.mark.parametrize("fault", [MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")])
def test_memory_that_runs_out_fails_that_step_alone(
    fault: Exception, pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    def run_out() -> None:
        raise fault

    tools = [logging_tool("hang", tmp_path / "log", run_out)]
    graph = graph_of(GREY_AND_HANG, pool=pool, store=store, tools=tools, limits=Limits(rounds=1))

    state = graph.invoke(asking(store, photo("rocket")))

    assert [(step["verdict"], step["cause"]) for step in state["steps"]] == [
        ("accepted", ""),
        ("failed", "memory"),
        ("skipped", "needs"),
    ]
    assert "the memory ran out" in state["answer"]


def test_no_more_steps_run_side_by_side_than_allowed(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    busy, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.05)
        with lock:
            busy -= 1

    plan = "\n".join(f"#{n} = work(image=$1)" for n in range(1, 7))
    tools = [logging_tool("work", tmp_path / "log", work)]
    graph = graph_of(plan, pool=pool, store=store, tools=tools, limits=Limits(workers=2))

    state = graph.invoke(asking(store, photo("rocket")))

    assert [step["verdict"] for step in state["steps"]] == ["accepted"] * 6
    assert most == 2
