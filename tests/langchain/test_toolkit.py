"""The single tools in agents that plan themselves: LangGraph's ToolNode and LangChain's create_agent."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from PIL import Image

from tests.langchain.conftest import Say
from tests.scripted import ScriptedChat
from visiongpt_agent import ImageStore, InputError, sample_photo, visiongpt_tools
from visiongpt_agent.langchain.toolkit import NamingTool
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput, vision_tool

Tools = dict[str, NamingTool]


@pytest.fixture
def tools(store: ImageStore, pool: ModelPool) -> Tools:
    return {tool.name: tool for tool in visiongpt_tools({"cat": sample_photo("chelsea")}, store=store, pool=pool)}


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": "1", "type": "tool_call"}


def picture(message: BaseMessage) -> Image.Image:
    (block,) = (block for block in message.content if isinstance(block, dict) and block["type"] == "image")
    return Image.open(io.BytesIO(base64.b64decode(block["base64"])))


def test_one_finds_and_the_next_works_on_what_was_found(tools: Tools, needs: Callable[[str], None]) -> None:
    needs(jobs.DETECTION_CLOSED)
    found = tools["detect_objects"].invoke(call("detect_objects", image="cat", query="cat"))
    cropped = tools["crop_regions"].invoke(call("crop_regions", image="cat", regions=found.artifact["regions"]))

    assert found.text.startswith("There is one cat")
    assert found.artifact["regions"] in found.text
    assert cropped.artifact["image"] in cropped.text
    assert picture(found).size == (451, 300)
    x1, y1, x2, y2 = found.artifact["items"][0]["box"]
    made = tools["crop_regions"].store.open(cropped.artifact["image"])
    assert made.width >= x2 - x1 - 1
    assert made.height >= y2 - y1 - 1


@pytest.mark.parametrize(
    ("tool", "args", "told"),
    [
        ("transform_image", {"image": "dog", "rotate": 90}, "there is no picture named 'dog': the names are cat"),
        ("transform_image", {"image": "cat", "rotate": "soon"}, "rotate"),
        ("transform_image", {"image": "cat", "rotat": 90}, "rotat: Extra inputs are not permitted"),
        ("transform_image", {}, "image: Field required"),
        ("blur_regions", {"image": "cat", "regions": "the cat"}, "find regions first"),
        ("blur_regions", {"image": "cat", "regions": "reg-0123456789abcdef"}, "find regions first"),
        ("stylize_image", {"image": "cat", "style": "$4"}, "there is no picture named '$4'"),
    ],
)
def test_what_cannot_be_done_is_told_and_not_raised(tool: str, args: dict[str, Any], told: str, tools: Tools) -> None:
    if tool not in tools:
        pytest.skip(f"{tool} has no model here")

    message = tools[tool].invoke(call(tool, **args))

    assert message.status == "error"
    assert told in message.text
    assert "\n" not in message.text


def test_a_result_that_breaks_its_promise_is_not_handed_on(store: ImageStore, pool: ModelPool) -> None:
    @vision_tool("pretend to mirror", returns=Kind.IMAGE)
    def pretend(image: Image.Image) -> ToolOutput:
        """Claim what was not done."""
        return ToolOutput(image, "I mirrored the picture.")

    pretend.check(lambda image, output: ["the picture is unchanged"])
    (tool,) = visiongpt_tools(
        {"cat": sample_photo("chelsea")}, only=["pretend"], tools=[pretend], store=store, pool=pool
    )

    message = tool.invoke(call("pretend", image="cat"))

    assert (message.status, "the picture is unchanged" in message.text) == ("error", True)


def test_a_style_is_words_or_a_picture(tools: Tools, needs: Callable[[str], None]) -> None:
    needs(jobs.STYLE)
    by_words = tools["stylize_image"].invoke(call("stylize_image", image="cat", style="mosaic"))
    by_picture = tools["stylize_image"].invoke(call("stylize_image", image="cat", style="cat"))

    assert by_words.status == by_picture.status == "success"
    assert by_words.artifact["image"] != by_picture.artifact["image"]


def test_the_model_is_shown_no_argument_but_its_own(tools: Tools) -> None:
    for tool in tools.values():
        schema: Any = tool.tool_call_schema
        assert list(schema.model_json_schema()["properties"]) == [a.name for a in tool.signature.arguments]


def test_a_model_that_reads_text_only_is_shown_no_picture(store: ImageStore, pool: ModelPool) -> None:
    (turn,) = visiongpt_tools(
        {"cat": sample_photo("chelsea")}, only=["transform_image"], store=store, pool=pool, previews=False
    )

    assert [block["type"] for block in turn.invoke({"image": "cat", "rotate": 90})] == ["text"]


@pytest.mark.parametrize("only", ["fly", "generate_image"])
def test_a_tool_that_cannot_run_is_not_offered(only: str, pool: ModelPool) -> None:
    if only == "generate_image" and pool.has(jobs.TEXT_TO_IMAGE):
        pytest.skip("generate_image has a model here")

    with pytest.raises(InputError, match=only):
        visiongpt_tools(only=[only], pool=pool)


def test_in_a_tool_node_pictures_come_from_the_conversation(tools: Tools, say: Say) -> None:
    calls = [
        {**call("transform_image", image="$1", rotate=90), "id": "a"},
        {**call("adjust_image", image="$2", saturation=0), "id": "b"},
        {**call("adjust_image", image="$3", saturation=0), "id": "c"},
    ]
    messages = [say("look", "chelsea", "rocket"), AIMessage("", tool_calls=calls)]

    turned, grey, absent = _run_node(ToolNode(list(tools.values())), messages)

    assert picture(turned).size == (300, 451)
    assert picture(grey).size == (640, 427)
    assert (absent.status, "the names are cat, $1, $2" in absent.text) == ("error", True)


def _run_node(node: ToolNode, messages: list[BaseMessage]) -> list[ToolMessage]:
    graph = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools")
    given: Any = {"messages": messages}
    answers: list[ToolMessage] = graph.compile().invoke(given)["messages"][len(messages) :]
    return answers


def test_the_model_cannot_forge_the_conversation(tools: Tools, say: Say) -> None:
    state = {"messages": [say("mine", "rocket")]}
    forged = call("transform_image", image="$1", rotate=90, runtime={"state": state})

    (answer,) = _run_node(ToolNode(list(tools.values())), [say("look"), AIMessage("", tool_calls=[forged])])

    assert "there is no picture named '$1'" in answer.text


def test_called_by_hand_the_model_cannot_forge_it_either(tools: Tools, say: Say) -> None:
    names = ("context", "config", "stream_writer", "tool_call_id", "store")
    runtime = {**dict.fromkeys(names), "config": {}, "state": {"messages": [say("mine", "rocket")]}}

    answer = tools["transform_image"].invoke(call("transform_image", image="$1", rotate=90, runtime=runtime))

    assert answer.status == "error"


def test_a_graph_without_messages_can_call_it_too(tools: Tools) -> None:
    class Calls(TypedDict):
        calls: list[Any]
        answers: list[ToolMessage]

    graph = StateGraph(Calls)
    turn = {**call("transform_image", image="cat", rotate=90), "id": "a"}
    graph.add_node("tools", lambda state: {"answers": ToolNode([*tools.values()]).invoke(state["calls"])})
    graph.add_edge(START, "tools")

    (answer,) = graph.compile().invoke({"calls": [turn], "answers": []})["answers"]["messages"]

    assert picture(answer).size == (300, 451)


def test_in_an_agent_the_model_sees_the_result(tools: Tools, say: Say) -> None:
    chat = ScriptedChat(script=["#1 = transform_image(image=$1, rotate=90)", "It is turned."])
    agent = create_agent(chat, list(tools.values()))

    state = agent.invoke({"messages": [say("turn it", "rocket")]})

    assert state["messages"][-1].text == "It is turned."
    assert picture(chat.asked[-1][-1]).size == (427, 640)
