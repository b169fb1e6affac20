"""Conversations with a name: gone on with by another agent, asked about, called off, listed, forgotten."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

from tests.cli.conftest import Ran, visiongpt
from tests.scripted import ScriptedChat
from visiongpt_agent import Conversation, InputError, StateError, VisionGPT, sample_photo
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.base import ToolOutput, ToolSpec, vision_tool

PLAN = "#1 = adjust_image(image=$1, saturation=0)\n#2 = transform_image(image=#1, rotate=90)"

__all__ = ["visiongpt"]  # the fixture


@pytest.fixture
def make(pool: ModelPool) -> Callable[..., VisionGPT]:
    return lambda **settings: VisionGPT(ScriptedChat(script=[PLAN, "It is done."] * 4), pool=pool, **settings)


@pytest.fixture(params=["sqlite", "postgres"])
def lasting(
    request: pytest.FixtureRequest, state: Path, make: Callable[..., VisionGPT]
) -> Iterator[Callable[..., VisionGPT]]:
    """Makes agents whose conversations with a name are kept in one of the two ways."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    settings = replace(Settings.load(), state=state, database=url)
    yield lambda **given: make(settings=settings, **given)
    with closing(make(settings=settings)) as agent:
        for thread in agent.threads():
            agent.forget(thread.thread_id)


def verdicts(result: Any) -> list[tuple[str, str]]:
    return [(step.tool, step.verdict) for step in result.steps]


def test_another_agent_goes_on_with_the_conversation(lasting: Callable[..., VisionGPT]) -> None:
    with closing(lasting()) as agent:
        first = agent.run("grey and turned", sample_photo("rocket"), thread_id="a")
    with closing(lasting()) as agent:
        again = agent.resume("a")
        assert (again.to_dict(), again.images) == (first.to_dict(), first.images)
        assert again.picture().size == (first.images[0].width, first.images[0].height)
        assert len(agent.run("once more", thread_id="a").steps) == 2
        kept = agent.threads()
    assert [(c.thread_id, c.request, c.status, c.requests, c.images) for c in kept] == [
        ("a", "once more", "done", 2, 5)
    ]


@pytest.mark.parametrize(
    ("approve", "status", "second"),
    [(True, "done", "accepted"), (False, "partial", "skipped"), (None, "waiting", None)],
)
def test_a_step_waits_for_approval_that_another_agent_brings(
    approve: bool | None, status: str, second: str | None, lasting: Callable[..., VisionGPT]
) -> None:
    with closing(lasting(ask_before=["transform_image"])) as agent:
        asked = agent.run("grey and turned", sample_photo("rocket"), thread_id="a")
    assert (asked.status, asked.pending) == ("waiting", ("#2 = transform_image(image=#1, rotate=90)",))
    assert json.loads(asked.to_json())["pending"] == list(asked.pending)

    with closing(lasting()) as agent:
        assert agent.threads()[0].status == "waiting"
        result = agent.resume("a", approve)

    assert result.status == status
    assert verdicts(result)[1:] == ([("transform_image", second)] if second else [])


def test_what_is_asked_before_stays_with_the_request(make: Callable[..., VisionGPT]) -> None:
    with closing(make(ask_before=["adjust_image", "transform_image"])) as agent:
        agent.run("grey and turned", sample_photo("rocket"), thread_id="a")

    with closing(make()) as agent:
        result = agent.resume("a", approve=True)

    assert (result.status, result.pending) == ("waiting", ("#2 = transform_image(image=#1, rotate=90)",))


def test_a_request_without_a_name_waits_too_and_leaves_nothing(make: Callable[..., VisionGPT], state: Path) -> None:
    with closing(make(ask_before=["transform_image"])) as agent:
        asked = agent.run("grey and turned", sample_photo("rocket"))
        assert agent.resume(asked.thread_id, approve=True).status == "done"
    assert not state.exists()


def test_in_memory_leaves_nothing(make: Callable[..., VisionGPT], state: Path) -> None:
    with closing(make(checkpointer=InMemorySaver())) as agent:
        agent.run("grey and turned", sample_photo("rocket"), thread_id="a")
        assert [c.thread_id for c in agent.threads()] == ["a"]
    assert not state.exists()


def test_forgetting(make: Callable[..., VisionGPT], state: Path) -> None:
    with closing(make()) as agent:
        agent.run("grey and turned", sample_photo("rocket"), thread_id="a")
        agent.forget("a")
        assert agent.threads() == []
        assert not list((state / "pictures").iterdir())
        for call in (agent.forget, agent.resume):
            with pytest.raises(StateError, match="there is no conversation 'a'"):
                call("a")


def test_state_of_another_version_is_told(make: Callable[..., VisionGPT], state: Path) -> None:
    with closing(make()) as agent:
        agent.run("grey and turned", sample_photo("rocket"), thread_id="a")
    with closing(sqlite3.connect(state / "conversations.sqlite")) as database, database:
        database.execute(
            """UPDATE checkpoints SET metadata = json_set(CAST(metadata AS TEXT), '$.visiongpt_state', 99)"""
        )

    with closing(make()) as agent:
        assert agent.threads() == [Conversation("a")]
        for call in (agent.resume, lambda name: agent.run("more", thread_id=name)):
            with pytest.raises(StateError, match=r"another version of visiongpt-agent.*state 99"):
                call("a")
        agent.forget("a")


def waiting_tool(begun: threading.Event, go: threading.Event) -> ToolSpec:
    @vision_tool("wait", returns=Kind.IMAGE)
    def dawdle(image: Image.Image) -> ToolOutput:
        """Wait."""
        begun.set()
        go.wait(20)
        return ToolOutput(image, "I waited.")

    return dawdle


async def test_cancelling_the_task_cancels_the_request(pool: ModelPool) -> None:
    begun, go = threading.Event(), threading.Event()
    chat = ScriptedChat(script=["#1 = dawdle(image=$1)\n#2 = transform_image(image=#1, rotate=90)", "Done."])
    with closing(VisionGPT(chat, pool=pool, tools=[waiting_tool(begun, go)])) as agent:
        config: Any = {"configurable": {"thread_id": "a"}}
        task = asyncio.create_task(agent.ainvoke({"request": "x", "images": [sample_photo("rocket")]}, config))
        await asyncio.to_thread(begun.wait, 20)

        with pytest.raises(StateError, match="'a' is still going on"):
            await asyncio.to_thread(agent.run, "y", thread_id="a")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with asyncio.timeout(5):
            while agent.threads()[0].status == "unfinished":
                await asyncio.sleep(0.05)
        steps = agent.graph.get_state(config).values["steps"]
        assert [(step["verdict"], step["cause"]) for step in steps] == [
            ("failed", "cancelled"),
            ("skipped", "cancelled"),
        ]
        go.set()
        async with asyncio.timeout(20):
            while (resumed := await asyncio.to_thread(resumed_if_free, agent)) is None:
                await asyncio.sleep(0.05)
        assert verdicts(resumed) == [("dawdle", "accepted"), ("transform_image", "accepted")]


def resumed_if_free(agent: VisionGPT) -> Any:
    """The result; None while the request is still being let go, which is after its answer is kept."""
    try:
        return agent.resume("a")
    except StateError:
        return None


def test_cancel_says_whether_there_was_anything(make: Callable[..., VisionGPT]) -> None:
    with closing(make()) as agent:
        assert agent.cancel("a") is False


def test_an_unknown_tool_to_ask_before_is_refused(make: Callable[..., VisionGPT]) -> None:
    with pytest.raises(InputError, match="no tool 'paint'"):
        make(ask_before=["paint"])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--resume", "a"), "there is no conversation 'a'"),
        (("turn it", "--resume", "a"), "give no other"),
        ((), "there is no REQUEST"),
        (("turn it", "--approve"), "name it with --resume"),
        (("turn it", "--ask-before", "paint"), "there is no tool 'paint'"),
    ],
)
def test_the_command_line_refuses(arguments: tuple[str, ...], fault: str, visiongpt: Callable[..., Ran]) -> None:
    ran = visiongpt("run", *arguments)

    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert fault in ran.err


@pytest.mark.slow
def test_the_command_line_resumes_lists_and_forgets(
    make: Callable[..., VisionGPT], visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)
    with closing(make(ask_before=["transform_image"])) as agent:
        agent.run("grey and turned", sample_photo("rocket"), thread_id="a b")

    waits = visiongpt("run", "--resume", "a b")
    done = visiongpt("run", "--resume", "a b", "--approve", "--out", "made")
    listed = json.loads(visiongpt("threads", "list", "--json").out)

    assert waits.code == 3
    assert waits.err == "visiongpt: approve it with: visiongpt run --resume 'a b' --approve, or --deny\n"
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "made" / "rocket-transform_image.png").is_file()
    assert [(thread["thread_id"], thread["status"]) for thread in listed] == [("a b", "done")]
    assert visiongpt("threads", "forget", "a b").code == 0
    assert "no conversations are kept" in visiongpt("threads").out
