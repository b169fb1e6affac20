"""What a cause from outside kept from a result is tried anew on resume, by another agent; nothing else is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import ToolError, VisionGPT, sample_photo
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput, ToolSpec, vision_tool

PLAN = "#1 = adjust_image(image=$1, saturation=0)\n#2 = grow(image=#1)\n#3 = transform_image(image=#2, rotate=90)"
SIZE = 1200
"""Width and height of a picture of noise, which no PNG makes smaller than 3 MB."""


def growing_tool(log: Path, act: Callable[[], None] = lambda: None) -> ToolSpec:
    @vision_tool("grow", returns=Kind.IMAGE)
    def grow(image: Image.Image) -> ToolOutput:
        """Make a large picture, and write down that it was made."""
        with log.open("a") as file:
            file.write("grow\n")
        act()
        noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        return ToolOutput(Image.fromarray(noise), "It is large.")

    return grow


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Files of this process cannot become larger, as on a disk that is full."""
    import resource

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def make(pool: ModelPool, state: Path) -> Callable[..., VisionGPT]:
    return lambda *script, tools=(): VisionGPT(
        ScriptedChat(script=[*script, "All is done."]), pool=pool, tools=list(tools)
    )


def outcomes(agent: VisionGPT, thread: str = "a") -> list[tuple[str, str]]:
    steps = agent.graph.get_state({"configurable": {"thread_id": thread}}).values["steps"]
    return [(step["verdict"], step["cause"]) for step in steps]


def check_goes_on(make: Callable[..., VisionGPT], log: Path) -> None:
    """Another agent resumes, does what was left, and the conversation tells each thing once."""
    with closing(make(tools=[growing_tool(log)])) as agent:
        result = agent.resume("a")
        assert (result.status, [step.verdict for step in result.steps]) == ("done", ["accepted"] * 3)
        assert (result.images[-1].width, result.images[-1].height) == (SIZE, SIZE)
        state = agent.graph.get_state({"configurable": {"thread_id": "a"}}).values
        assert [entry["origin"] for entry in state["images"]] == ["user", "adjust_image", "grow", "transform_image"]
        calls = [message.tool_call_id for message in state["messages"] if message.type == "tool"]
        assert len(calls) == len(set(calls)) == 3
        assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "tool", "tool", "ai"]
        ran = log.read_text()
        assert agent.resume("a").to_dict() == result.to_dict()
    assert log.read_text() == ran, "a step that had its result was done again"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file size limit of a process")
def test_a_picture_that_could_not_be_written(make: Callable[..., VisionGPT], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with closing(make(PLAN, tools=[growing_tool(log)])) as agent:
        with file_limit(2 * 2**20):
            failed = agent.run("grow it", sample_photo("rocket"), thread_id="a")
            assert failed.status == "partial"
            assert "cannot be written: File too large" in failed.answer
            assert agent.resume("a").status == "partial", "the disk is as full as before"
        assert outcomes(agent) == [("accepted", ""), ("failed", "storage"), ("skipped", "needs")]

    check_goes_on(make, log)


def test_memory_that_ran_out(make: Callable[..., VisionGPT], tmp_path: Path) -> None:
    def run_out() -> None:
        raise MemoryError

    log = tmp_path / "log"
    with closing(make(PLAN, tools=[growing_tool(log, run_out)])) as agent:
        agent.run("grow it", sample_photo("rocket"), thread_id="a")
        assert outcomes(agent) == [("accepted", ""), ("failed", "memory"), ("skipped", "needs")]

    check_goes_on(make, log)


def cancel(agent: VisionGPT) -> None:
    assert agent.cancel("a")


def test_a_request_that_was_cancelled(make: Callable[..., VisionGPT], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with closing(make(PLAN, tools=[growing_tool(log, lambda: cancel(agent))])) as agent:
        agent.run("grow it", sample_photo("rocket"), thread_id="a")
        assert ("skipped", "cancelled") in outcomes(agent)

    check_goes_on(make, log)


def test_a_plan_that_was_never_made(make: Callable[..., VisionGPT], pool: ModelPool, tmp_path: Path) -> None:
    with closing(VisionGPT(ScriptedChat(script=[]), pool=pool)) as agent:  # fails when it is asked
        failed = agent.run("grow it", sample_photo("rocket"), thread_id="a")
        assert (failed.status, list(failed.steps)) == ("failed", [])

    with closing(make(PLAN, tools=[growing_tool(tmp_path / "log")])) as agent:
        result = agent.resume("a")
        messages = agent.graph.get_state({"configurable": {"thread_id": "a"}}).values["messages"]
    assert (result.status, len(result.steps)) == ("done", 3)
    assert [message.type for message in messages] == ["human", "ai", "tool", "tool", "tool", "ai"]


def test_what_the_tool_itself_refuses_is_its_result(make: Callable[..., VisionGPT], tmp_path: Path) -> None:
    def refuse() -> None:
        raise ToolError("it cannot grow")

    log = tmp_path / "log"
    with closing(make(PLAN, tools=[growing_tool(log, refuse)])) as agent:
        first = agent.run("grow it", sample_photo("rocket"), thread_id="a")
        assert agent.resume("a").to_dict() == first.to_dict()
    assert log.read_text() == "grow\n"
