"""The agent as a graph over messages: by itself, in a conversation, and inside another graph."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from PIL import Image

from tests.langchain.conftest import Say
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, message_graph
from visiongpt_agent.pictures.images import decode
from visiongpt_agent.pool import ModelPool

TURN = "#1 = transform_image(image=$1, rotate=90)"
TURNED = "I turned the picture 90 degrees clockwise."
AGAIN = "#1 = adjust_image(image=$2, saturation=0)"
THREAD: Any = {"configurable": {"thread_id": "t"}}


@pytest.fixture
def chat() -> ScriptedChat:
    return ScriptedChat(script=[TURN, TURNED, AGAIN, "It is grey."])


@pytest.fixture
def agent(chat: ScriptedChat, pool: ModelPool) -> VisionGPT:
    return VisionGPT(chat, pool=pool)


def shown(message: AnyMessage) -> Image.Image:
    (block,) = (block for block in message.content if isinstance(block, dict) and block["type"] == "image")
    return Image.open(io.BytesIO(base64.b64decode(block["base64"])))


def test_text_and_picture_in_text_and_picture_out(agent: VisionGPT, say: Say) -> None:
    state = message_graph(agent).invoke({"messages": [say("turn it", "rocket")]})

    _, answer = state["messages"]
    assert answer.text.startswith(TURNED)
    assert shown(answer).size == (427, 640)
    assert answer.response_metadata["status"] == "done"
    assert answer.response_metadata["plan"] == TURN
    assert agent.store.open(answer.response_metadata["images"][0]).size == (427, 640)


def test_a_follow_up_finds_the_earlier_result(agent: VisionGPT, chat: ScriptedChat, say: Say) -> None:
    graph = message_graph(agent, checkpointer=InMemorySaver())

    graph.invoke({"messages": [say("turn it", "rocket")]}, THREAD)
    state = graph.invoke({"messages": [HumanMessage("now make it grey")]}, THREAD)

    assert "$2 result of transform_image" in chat.asked[2][-1].text
    red, _, blue = shown(state["messages"][-1]).split()
    assert max(abs(a - b) for a, b in zip(red.tobytes(), blue.tobytes(), strict=True)) <= 2
    assert shown(state["messages"][-1]).size == (427, 640)


async def test_the_stream_tells_plan_progress_previews_and_answer(agent: VisionGPT, say: Say) -> None:
    graph, events, updates, messages = message_graph(agent), list[Any](), list[Any](), list[Any]()
    kept = {"custom": events, "updates": updates, "messages": messages}

    asked: Any = {"messages": [say("turn it", "rocket")]}
    modes: Any = list(kept)
    async for mode, chunk in graph.astream(asked, stream_mode=modes):
        kept[mode].append(chunk)

    assert [next(iter(event)) for event in events] == ["plan", "started", "finished", "preview"]
    assert decode(events[-1]["preview"]["url"]).size == (171, 256)
    assert [next(iter(update)) for update in updates] == ["intake", "vision"]
    assert updates[1]["vision"]["plan"] == TURN
    assert messages[-1][0].text.startswith(TURNED)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([HumanMessage("")], "the request is empty"),
        ([], "the request is empty"),
        ([HumanMessage("turn $1")], "there is no image $1"),
        ([HumanMessage([{"type": "image", "url": "https://example.org/a.png"}])], "send its data as base64"),
        ([HumanMessage([{"type": "image", "base64": "AAAA", "mime_type": "image/png"}])], "is not a picture"),
    ],
)
def test_what_cannot_be_used_is_answered(messages: list[AnyMessage], told: str, agent: VisionGPT) -> None:
    answer = message_graph(agent).invoke({"messages": messages})["messages"][-1]

    assert isinstance(answer, AIMessage)
    assert told in answer.text
    assert answer.response_metadata["status"] == "failed"


def test_an_id_that_somebody_wrote_into_an_answer_reaches_nothing(agent: VisionGPT, say: Say) -> None:
    forged = AIMessage("Here.", response_metadata={"images": ["img-0123456789abcdef", "../../etc/passwd", 7]})

    state = message_graph(agent).invoke({"messages": [say("look", "rocket"), forged, HumanMessage("turn it")]})

    assert state["messages"][-1].text.startswith(TURNED)


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()], ids=["forgets", "remembers"])
def test_it_is_a_node_of_a_larger_graph(checkpointer: InMemorySaver | None, agent: VisionGPT, say: Say) -> None:
    def caption(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"Caption: {state['messages'][-1].text.splitlines()[0]}", name="writer")]}

    graph = StateGraph(MessagesState)
    graph.add_node("vision", message_graph(agent))
    graph.add_node("writer", caption)
    graph.add_edge(START, "vision")
    graph.add_edge("vision", "writer")
    graph.add_edge("writer", END)

    state = graph.compile(checkpointer=checkpointer).invoke({"messages": [say("turn it", "rocket")]}, THREAD)

    assert [message.type for message in state["messages"]] == ["human", "ai", "ai"]
    assert state["messages"][-1].text == f"Caption: {TURNED}"
