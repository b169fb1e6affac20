"""The whole agent as a tool of a larger agent."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

from tests.langchain.conftest import Say
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, sample_photo
from visiongpt_agent.pool import ModelPool

TURN = "#1 = transform_image(image=$1, rotate=90)"
TURNED = "I turned the picture 90 degrees clockwise."
CALL = '#1 = visiongpt(request="turn it", images=["$1"])'


@pytest.fixture
def vision(pool: ModelPool) -> VisionGPT:
    return VisionGPT(ScriptedChat(script=[TURN, TURNED] * 4), pool=pool)


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()], ids=["forgets", "remembers"])
def test_it_works_on_a_picture_of_the_conversation(
    checkpointer: InMemorySaver | None, vision: VisionGPT, say: Say
) -> None:
    chat = ScriptedChat(script=[CALL, "There you are."])
    agent = create_agent(chat, [vision.as_tool()], checkpointer=checkpointer)
    thread: Any = {"configurable": {"thread_id": "outer"}}

    state = agent.invoke({"messages": [say("turn it", "rocket")]}, thread)

    answer = next(m for m in state["messages"] if isinstance(m, ToolMessage))
    assert answer.text.startswith(TURNED)
    assert answer.artifact["status"] == "done"
    made = answer.artifact["images"][0]["id"]
    assert made in answer.text
    assert vision.store.open(made).size == (427, 640)
    assert vision.graph.get_state(thread).values == {}  # the conversation of the larger agent is not its own


def test_a_result_can_be_worked_on_again(vision: VisionGPT) -> None:
    tool = vision.as_tool({"rocket": sample_photo("rocket")})
    call = {"name": "visiongpt", "id": "1", "type": "tool_call"}

    once = tool.invoke({**call, "args": {"request": "turn it", "images": ["rocket"]}})
    made = once.artifact["images"][0]["id"]
    twice = tool.invoke({**call, "args": {"request": "turn it", "images": [made]}})

    assert vision.store.open(twice.artifact["images"][0]["id"]).size == (640, 427)
    assert twice.artifact["images"][0]["id"] != made


async def test_events_reach_the_stream_of_the_larger_agent(vision: VisionGPT, say: Say) -> None:
    agent = create_agent(ScriptedChat(script=[CALL, "There you are."]), [vision.as_tool()])

    events = [e async for e in agent.astream({"messages": [say("turn it", "rocket")]}, stream_mode="custom")]

    assert [next(iter(event)) for event in events] == ["plan", "started", "finished"]
    assert events[0]["plan"] == TURN


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"request": "  ", "images": []}, "the request is empty"),
        ({"request": "turn it", "images": ["/etc/hostname"]}, "there is no picture named '/etc/hostname'"),
        ({"request": "turn $2", "images": ["square"]}, "there is no image $2"),
        ({"request": "turn it", "images": "square"}, "images: "),
        ({"request": "turn it", "image": ["square"]}, "image: Extra inputs are not permitted"),
        ({}, "request: Field required"),
    ],
)
def test_what_cannot_be_done_is_told_and_not_raised(args: dict[str, Any], told: str, vision: VisionGPT) -> None:
    tool = vision.as_tool({"square": Image.new("RGB", (9, 9))})

    message = tool.invoke({"name": "visiongpt", "args": args, "id": "1", "type": "tool_call"})

    assert (message.status, told in message.text) == ("error", True)
