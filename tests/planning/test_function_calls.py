"""Tools that the planner has never seen: it picks the right one of several, or none where none does it.

The cases are written after two categories of the Berkeley Function Calling Leaderboard
(https://gorilla.cs.berkeley.edu/leaderboard.html), "multiple" and "irrelevance".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import one_thread
from visiongpt_agent.llm.local_chat import LocalChat
from visiongpt_agent.llm.plans import plan_of
from visiongpt_agent.llm.signatures import signature_of
from visiongpt_agent.plan import CONTROL
from visiongpt_agent.plan_scores import Gold, score_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.prompts import planner_user
from visiongpt_agent.training.catalogues import invented

__all__ = ["one_thread"]  # a fixture

CASES = Path(__file__).parent / "function_calls.jsonl"


def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def test_the_cases_check_and_none_of_their_tools_is_trained_on() -> None:
    trained = {tool.signature.tool for tool in invented()}
    for case in cases():
        signatures = {tool["name"]: signature_of(tool) for tool in case["tools"]}
        for plan in Gold.of(case, case["id"]).plans:
            plan.check({**signatures, **CONTROL}, images=0)
        assert not trained & signatures.keys()


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_embedded_planner_calls_tools_it_has_never_seen(
    pool: ModelPool, needs: Callable[[str], None], record_property: Callable[[str, object], None]
) -> None:
    needs("llm")
    from visiongpt_agent.models.smollm2_planner import SmolLM2Planner

    right: dict[str, list[bool]] = {"multiple": [], "irrelevance": [], "the right tool": []}
    with pool.use("llm", SmolLM2Planner) as model:
        for case in cases():
            plan = planned(model.chat, case)
            signatures: Mapping[str, Any] = {tool["name"]: signature_of(tool) for tool in case["tools"]}
            score = score_plan(str(plan), Gold.of(case, case["id"]), signatures, images=0)
            assert score.valid, case["request"]
            right[case["kind"]].append(score.exact)
            if case["kind"] == "multiple":
                right["the right tool"].append(score.same_tools)
    rates = {kind: sum(found) / len(found) for kind, found in right.items()}
    record_property("rates", rates)
    print(rates)

    assert rates["the right tool"] >= FLOORS["the right tool"]
    assert rates["multiple"] >= FLOORS["multiple"]
    assert rates["irrelevance"] >= FLOORS["irrelevance"]


STAY: dict[str, Any] = {
    "name": "hotels.book-room",
    "description": "Book a room in a hotel.",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string", "description": "where the hotel is"},
            "stay": {
                "type": "dict",
                "properties": {"nights": {"type": "integer"}, "guests": {"type": "integer"}},
                "required": ["nights"],
            },
            "extras": {"type": "array", "items": {"type": "string", "enum": ["breakfast", "parking"]}},
        },
        "required": ["city", "stay"],
    },
}


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_what_a_tool_requires_is_asked_for(pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs("llm")
    from visiongpt_agent.models.smollm2_planner import SmolLM2Planner

    with pool.use("llm", SmolLM2Planner) as model:
        chat = model.chat.bind_tools([STAY])
        whole = chat.invoke("book a hotel room in Oslo for 3 nights")
        lacking = chat.invoke("book a hotel room in Oslo")
        request = planner_user([], "book a hotel room in Oslo")
        planned = model.chat.bind_tools([STAY], images=0).invoke(request)

    (call,) = whole.tool_calls
    assert call["name"] == "hotels.book-room"
    assert (call["args"]["city"], call["args"]["stay"]["nights"]) == ("Oslo", 3)
    assert not lacking.tool_calls
    assert lacking.text.startswith("To call hotels.book-room I need stay")
    assert str(planned.text) == 'decline(reason="hotels.book-room needs stay, which is not given")'


FLOORS = {"the right tool": 0.75, "multiple": 0.7, "irrelevance": 0.85}
"""What was measured of the adapter (0.825, 0.775 and 1.0), less three cases of forty and of twenty."""


def planned(chat: LocalChat, case: dict[str, Any]) -> Any:
    answer = chat.bind_tools(case["tools"], images=0).invoke(planner_user([], case["request"]))
    return plan_of(answer)
