"""Plans and chat messages, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.plans import plan_of, tool_calls_of
from visiongpt_agent.plan import Argument, Kind, Signature, parse_plan


def calls(*named: tuple[str, dict[str, Any]]) -> AIMessage:
    """An answer of a model that calls tools natively, with ids of its own."""
    return AIMessage("", tool_calls=[{"name": n, "args": a, "id": f"call_{i:x}"} for i, (n, a) in enumerate(named)])


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            calls(
                ("detect_objects", {"image": "$1", "query": "dog"}), ("blur_regions", {"image": "$1", "regions": "#1"})
            ),
            '#1 = detect_objects(image=$1, query="dog")\n#2 = blur_regions(image=$1, regions=#1)',
        ),
        (
            calls(("f", {"labels": ["a", "b"], "n": 2, "x": 0.5, "b": True})),
            '#1 = f(labels=["a", "b"], n=2, x=0.5, b=true)',
        ),
        (calls(("reply", {})), "reply()"),
        (calls(("decline", {"reason": "no tool for audio"})), 'decline(reason="no tool for audio")'),
        (AIMessage("Hello! How can I help?"), "reply()"),
        (AIMessage(""), "reply()"),
        (AIMessage("#1 = caption_image(image=$1)"), "#1 = caption_image(image=$1)"),
    ],
)
def test_the_plan_of_an_answer(message: AIMessage, text: str) -> None:
    assert plan_of(message) == parse_plan(text)


def test_a_string_stays_one_where_no_reference_is_taken() -> None:
    paint = Signature("paint", (Argument("color", (Kind.STRING,)), Argument("image", (Kind.IMAGE,))), Kind.IMAGE, "")
    (proposal,) = plan_of(calls(("paint", {"color": "#1", "image": "$1"})), {"paint": paint})
    assert proposal.call() == 'paint(color="#1", image=$1)'


def test_an_object_is_a_value() -> None:
    plan = plan_of(calls(("f", {"box": {"x": 1}, "sizes": [1, 2.5]})))

    assert str(plan) == '#1 = f(box={"x": 1}, sizes=[1, 2.5])'
    assert tool_calls_of(plan)[0]["args"] == {"box": {"x": 1}, "sizes": [1, 2.5]}


def test_what_is_no_json_value_is_refused() -> None:
    with pytest.raises(PlanError, match=r"f\.box: .* is no JSON value"):
        plan_of(calls(("f", {"box": {"x": object()}})))


@pytest.mark.parametrize(
    "text",
    ['#1 = f(image=$1, labels=["a"])\n#2 = g(image=#1, n=2, x=0.5, b=false)', "reply()", 'decline(reason="no tool")'],
)
def test_there_and_back(text: str) -> None:
    plan = parse_plan(text)
    assert plan_of(AIMessage(text, tool_calls=tool_calls_of(plan))) == plan
    assert [call["id"] for call in tool_calls_of(plan)] == ([] if plan.control else ["1", "2"])
