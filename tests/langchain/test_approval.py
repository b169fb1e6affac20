"""Steps that wait for a person's approval, where the agent works inside another graph: that graph is interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from tests.langchain.conftest import Say
from tests.scripted import ScriptedChat
from visiongpt_agent import InputError, VisionGPT, message_graph, sample_photo
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool

TURN = "#1 = transform_image(image=$1, rotate=90)\n#2 = adjust_image(image=#1, saturation=0)"
TURN_CALL, GREY_CALL = TURN.splitlines()
TURNED, GREY = "I turned the picture 90 degrees clockwise.", "I made the picture less colourful"
CALL = '#1 = visiongpt(request="turn it", images=["$1"])'
Invoke = Callable[[Any], dict[str, Any]]


@pytest.fixture
def planner() -> ScriptedChat:
    return ScriptedChat(script=[TURN, "Done."])


@pytest.fixture
def vision(planner: ScriptedChat, pool: ModelPool) -> Iterator[VisionGPT]:
    with closing(VisionGPT(planner, pool=pool, ask_before=["transform_image", "adjust_image"])) as agent:
        yield agent


@pytest.fixture(params=["as a tool", "as a graph"])
def invoke(request: pytest.FixtureRequest, vision: VisionGPT) -> Invoke:
    graph: Any = message_graph(vision, checkpointer=InMemorySaver())
    if request.param == "as a tool":
        chat = ScriptedChat(script=[CALL, "There you are."])
        graph = create_agent(chat, [vision.as_tool()], checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "outer"}}
    return lambda given: graph.invoke(given, thread)


def waits(state: dict[str, Any]) -> list[str]:
    (asked,) = state["__interrupt__"]
    calls: list[str] = asked.value["approve"]
    return calls


def answer(state: dict[str, Any]) -> tuple[str, int]:
    """What the agent said, and how many pictures it made."""
    told = [m for m in state["messages"] if isinstance(m, ToolMessage) or (isinstance(m, AIMessage) and m.name)][-1]
    made = told.artifact["images"] if isinstance(told, ToolMessage) else told.response_metadata["images"]
    return told.text, len(made)


def test_each_step_waits_and_goes_on_where_it_waited(invoke: Invoke, planner: ScriptedChat, say: Say) -> None:
    assert waits(invoke({"messages": [say("turn it", "rocket")]})) == [TURN_CALL]
    assert waits(invoke(Command(resume=True))) == [GREY_CALL]
    text, made = answer(invoke(Command(resume=True)))

    assert text.startswith(TURNED)
    assert made == 1
    assert len(planner.asked) == 2, "it was planned, and worded, more than once"


def test_what_is_denied_is_left_out(invoke: Invoke, say: Say) -> None:
    assert waits(invoke({"messages": [say("turn it", "rocket")]})) == [TURN_CALL]
    text, made = answer(invoke(Command(resume=False)))

    assert TURNED not in text
    assert made == 0


def test_any_other_answer_is_asked_again(invoke: Invoke, say: Say) -> None:
    invoke({"messages": [say("turn it", "rocket")]})
    assert waits(invoke(Command(resume="go ahead"))) == [TURN_CALL]
    assert waits(invoke(Command(resume=True))) == [GREY_CALL]


def test_two_requests_at_once_wait_for_themselves(vision: VisionGPT, planner: ScriptedChat, say: Say) -> None:
    planner.script[:] = [TURN_CALL]
    graph = message_graph(vision, checkpointer=InMemorySaver())
    threads: list[Any] = [{"configurable": {"thread_id": name}} for name in "ab"]
    for thread, name in zip(threads, ["rocket", "coffee"], strict=True):
        assert waits(graph.invoke({"messages": [say("turn it", name)]}, thread)) == [TURN_CALL]
    sizes = []
    for thread in reversed(threads):
        state = graph.invoke(Command(resume=True), thread)
        sizes.append(vision.store.open(state["messages"][-1].response_metadata["images"][0]).size)
    assert sizes == [(400, 600), (427, 640)]


def test_another_agent_goes_on_by_carrying_it_out_anew(pool: ModelPool, store: ImageStore, say: Say) -> None:
    """As in another process, where what was done before the pause is gone; what was approved is not asked again."""
    kept, thread = InMemorySaver(), {"configurable": {"thread_id": "outer"}}

    def graph() -> Any:
        asks = ["transform_image", "adjust_image"]
        agent = VisionGPT(ScriptedChat(script=[TURN, "Done."]), pool=pool, store=store, ask_before=asks)
        return message_graph(agent, checkpointer=kept)

    assert waits(graph().invoke({"messages": [say("turn it", "rocket")]}, thread)) == [TURN_CALL]
    assert waits(graph().invoke(Command(resume=True), thread)) == [GREY_CALL]


def test_called_outside_any_graph_it_says_what_waits(vision: VisionGPT) -> None:
    tool = vision.as_tool({"rocket": sample_photo("rocket")})
    call = {"name": "visiongpt", "id": "1", "type": "tool_call"}
    told = tool.invoke({**call, "args": {"request": "turn it", "images": ["rocket"]}})
    assert told.text.startswith(f"This waits for your approval: {TURN_CALL}")
    assert told.artifact["pending"] == [TURN_CALL]


def test_it_is_asked_in_the_form_of_langchain(invoke: Invoke, say: Say) -> None:
    (asked,) = invoke({"messages": [say("turn it", "rocket")]})["__interrupt__"]
    (action,) = asked.value["action_requests"]

    assert action == {"name": "transform_image", "args": {"image": "$1", "rotate": 90}, "description": TURN_CALL}
    (review,) = asked.value["review_configs"]
    assert review == {"action_name": "transform_image", "allowed_decisions": ["approve", "edit", "reject"]}


def decided(*decisions: dict[str, Any]) -> Command[Any]:
    return Command(resume={"decisions": list(decisions)})


def edit(name: str = "transform_image", **args: Any) -> Any:
    return {"type": "edit", "edited_action": {"name": name, "args": args}}


def test_a_person_edits_a_step_and_the_rest_goes_on_from_it(invoke: Invoke, say: Say) -> None:
    invoke({"messages": [say("turn it", "rocket")]})
    assert waits(invoke(decided(edit(image="$1", rotate=180)))) == [GREY_CALL]
    text, made = answer(invoke(decided({"type": "approve"})))

    assert "180 degrees" in text
    assert "90 degrees clockwise" not in text
    assert made == 1


def test_a_rejection_may_say_why(invoke: Invoke, say: Say) -> None:
    invoke({"messages": [say("turn it", "rocket")]})
    text, made = answer(invoke(decided({"type": "reject", "message": "it is upright"})))

    assert "it was not approved (it is upright)" in text
    assert made == 0


@pytest.mark.parametrize(
    ("decisions", "why"),
    [
        ([], "the decisions are 0, the steps that wait 1"),
        ([{"type": "respond", "message": "no"}], "a decision is"),
        ([edit(image="$2", rotate=90)], "there is no image $2"),
        ([edit(image="$1", rotate="soon")], "transform_image.rotate takes"),
        ([edit(image="#2", rotate=90)], "#2 in proposal #1 is not an earlier proposal"),
        ([edit("adjust_image", image="$1", saturation=0)], "not the tool"),
        ([{"type": "edit"}], "edited_action"),
    ],
)
def test_a_decision_that_does_not_fit_is_asked_again_and_says_why(
    decisions: list[dict[str, Any]], why: str, invoke: Invoke, say: Say
) -> None:
    invoke({"messages": [say("turn it", "rocket")]})
    (asked,) = invoke(decided(*decisions))["__interrupt__"]

    assert why in asked.value["action_requests"][0]["description"]
    assert waits(invoke(decided({"type": "approve"}))) == [GREY_CALL]


def test_what_a_person_edits_is_what_the_result_tells(pool: ModelPool) -> None:
    with closing(VisionGPT(ScriptedChat(script=[TURN, "Done."]), pool=pool, ask_before=["adjust_image"])) as agent:
        waiting = agent.run("turn it", sample_photo("rocket"))
        with pytest.raises(InputError, match="the steps that wait 1"):
            agent.resume(waiting.thread_id, approve=[])
        result = agent.resume(waiting.thread_id, approve=[edit("adjust_image", image="#1", brightness=1.5)])

    assert result.plan == f"{TURN_CALL}\n#2 = adjust_image(image=#1, brightness=1.5)"
    assert [step.args for step in result.steps][1] == {"image": "#1", "brightness": 1.5}
    assert result.status == "done"
