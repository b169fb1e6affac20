"""LangChain's own middleware around the whole agent as a tool, and around the single tools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from packaging.requirements import Requirement

from tests.langchain.bounds import PACKAGES, bounds
from tests.langchain.conftest import Say
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, visiongpt_tools
from visiongpt_agent.pool import ModelPool

TURN = "#1 = transform_image(image=$1, rotate=90)"
WHOLE = '#1 = visiongpt(request="turn it", images=["$1"])'
THREAD: Any = {"configurable": {"thread_id": "1"}}
Door = tuple[BaseTool, str]
"""A tool, and a call of it that turns the first picture of the conversation."""


@pytest.fixture(params=["the whole agent", "a single tool"])
def door(request: pytest.FixtureRequest, pool: ModelPool) -> Iterator[Door]:
    with closing(VisionGPT(ScriptedChat(script=[TURN, "Done."] * 4), pool=pool)) as vision:
        if request.param == "the whole agent":
            yield vision.as_tool(), WHOLE
        else:
            (turn,) = visiongpt_tools(only=["transform_image"], store=vision.store, pool=pool)
            yield turn, TURN


def larger_agent(tool: BaseTool, script: list[str], *middleware: AgentMiddleware[Any, Any]) -> Any:
    chat = ScriptedChat(script=script)
    return create_agent(chat, [tool], middleware=middleware, checkpointer=InMemorySaver())


def answers(state: dict[str, Any]) -> list[ToolMessage]:
    return [message for message in state["messages"] if isinstance(message, ToolMessage)]


@pytest.mark.parametrize(("decision", "status"), [("approve", "success"), ("reject", "error")])
def test_a_person_approves_or_rejects_a_call(decision: str, status: str, door: Door, say: Say) -> None:
    tool, call = door
    agent = larger_agent(tool, [call, "Done."], HumanInTheLoopMiddleware({tool.name: True}))

    paused = agent.invoke({"messages": [say("turn it", "rocket")]}, THREAD)
    assert paused["__interrupt__"][0].value["action_requests"][0]["name"] == tool.name
    state = agent.invoke(Command(resume={"decisions": [{"type": decision}]}), THREAD)

    assert [message.status for message in answers(state)] == [status]


def test_a_person_edits_a_call(door: Door, say: Say) -> None:
    tool, call = door
    agent = larger_agent(tool, [call, "Done."], HumanInTheLoopMiddleware({tool.name: True}))

    paused = agent.invoke({"messages": [say("turn it", "rocket"), say("or this", "chelsea")]}, THREAD)
    (action,) = paused["__interrupt__"][0].value["action_requests"]
    args = {name: {"$1": "$2"}.get(value, value) for name, value in action["args"].items() if name != "images"}
    edited = {"name": tool.name, "args": {**args, **({"images": ["$2"]} if "images" in action["args"] else {})}}
    state = agent.invoke(Command(resume={"decisions": [{"type": "edit", "edited_action": edited}]}), THREAD)

    assert "300x451 pixels" in answers(state)[0].text  # the second picture, of 451x300, on its side


def test_a_failing_call_is_tried_again(door: Door, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, call = door
    tool.handle_tool_error = False
    run, tried = type(tool)._run, list[int]()

    def fails_once(self: Any, *args: Any, **kwargs: Any) -> Any:
        tried.append(1)
        if len(tried) == 1:
            raise ToolException("the model was busy: try again")
        return run(self, *args, **kwargs)

    fails_once.__annotations__, fails_once.__wrapped__ = run.__annotations__, run  # type: ignore[attr-defined]
    monkeypatch.setattr(type(tool), "_run", fails_once)
    retry = ToolRetryMiddleware(retry_on=(ToolException,), initial_delay=0)
    state = larger_agent(tool, [call, "Done."], retry).invoke({"messages": [say("turn it", "rocket")]}, THREAD)

    assert answers(state)[0].text.startswith("I turned the picture 90 degrees clockwise.")
    assert len(tried) == 2


@pytest.mark.parametrize("limit", [ToolCallLimitMiddleware(run_limit=1), ModelCallLimitMiddleware(run_limit=2)])
def test_calls_can_be_limited(limit: AgentMiddleware[Any, Any], door: Door, say: Say) -> None:
    tool, call = door
    state = larger_agent(tool, [call, call, "Enough."], limit).invoke({"messages": [say("turn", "rocket")]}, THREAD)

    assert [message.status for message in answers(state)].count("success") == (
        1 if isinstance(limit, ToolCallLimitMiddleware) else 2
    )
    assert isinstance(state["messages"][-1], AIMessage)


def test_results_outlive_a_summary_of_the_conversation(door: Door, say: Say) -> None:
    """Summed up, the messages with the pictures are gone; what was made is still there under the id in the summary."""
    tool, call = door
    chat = ScriptedChat(script=[call, "It is turned."])
    kept = InMemorySaver()
    first = create_agent(chat, [tool], checkpointer=kept).invoke({"messages": [say("turn it", "rocket")]}, THREAD)
    made = next(word.strip(":,") for word in answers(first)[0].text.split() if word.startswith("img-"))

    summary = SummarizationMiddleware(
        ScriptedChat(script=[f"The picture {made} was made."]), trigger=("messages", 3), keep=("messages", 1)
    )
    further = call.replace('"$1"', f'"{made}"').replace("$1", f'"{made}"')
    chat = ScriptedChat(script=[further, "Again."])
    state = create_agent(chat, [tool], middleware=[summary], checkpointer=kept).invoke(
        {"messages": [HumanMessage("turn it once more")]}, THREAD
    )

    assert f"The picture {made} was made." in state["messages"][0].text
    assert not any(message.id == first["messages"][0].id for message in state["messages"])
    assert "640x427 pixels" in answers(state)[-1].text


def test_both_ends_of_the_allowed_versions_can_be_tested() -> None:
    for oldest, newest in zip(bounds("oldest"), bounds("newest"), strict=True):
        pinned, allowed = Requirement(oldest), Requirement(newest)
        (one,) = pinned.specifier
        assert one.operator == "=="
        assert allowed.specifier.contains(one.version)
        assert allowed.specifier.contains(version(allowed.name))
    assert [Requirement(one).name for one in bounds("oldest")] == list(PACKAGES)
