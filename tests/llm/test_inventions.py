"""What a request does not give is not made up."""

from __future__ import annotations

from typing import Any

import pytest

from visiongpt_agent.llm.inventions import invention, without_inventions
from visiongpt_agent.llm.signatures import signature_of
from visiongpt_agent.plan import parse_plan

HOTEL: dict[str, Any] = {
    "name": "book.hotel",
    "description": "book a hotel",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer", "description": "how long"},
            "guests": {"type": "array", "items": {"type": "string"}},
            "board": {"type": "string", "enum": ["none", "breakfast"]},
            "rooms": {"type": "integer", "default": 1},
            "rate": {"type": "number"},
            "stay": {"type": "object", "properties": {"from": {"type": "string"}, "days": {"type": "integer"}}},
        },
        "required": [],
    },
}


def lacking(request: str, call: str, *required: str) -> str:
    tool = {**HOTEL, "parameters": {**HOTEL["parameters"], "required": list(required)}}
    signature = signature_of(tool)
    plan = parse_plan(f"#1 = {signature.tool}({call})")
    plan.check({signature.tool: signature}, 0)
    return str(invention(plan, {signature.tool: signature}, request) or "")


@pytest.mark.parametrize(
    ("request_", "call", "required"),
    [
        ("a hotel in Oslo", 'city="Bergen"', "city"),
        ("a hotel in Oslo", "nights=12", "nights"),
        ("a hotel in Oslo", 'city="Oslo", nights=300000000', "nights"),
        ("a hotel in Oslo for Ada", 'guests=["Grace"]', "guests"),
        ("a hotel in Oslo at a good rate", "rate=7.25", "rate"),
        ("a hotel in Oslo", 'stay={"from": "Monday", "days": 4}', "stay"),
    ],
)
def test_what_is_required_and_not_said_is_lacking(request_: str, call: str, required: str) -> None:
    assert lacking(request_, call, required).startswith(f"book.hotel needs {required}")


@pytest.mark.parametrize(
    ("request_", "call", "required"),
    [
        ("a hotel in Oslo", 'city="Oslo, Norway"', "city"),
        ("a hotel in New York City", 'city="NYC"', "city"),
        ("a hotel in NYC", 'city="New York City"', "city"),
        ("hotels for 3 nights", "nights=3", "nights"),
        ("hotels for three nights", "nights=3", "nights"),
        ("hotels for two weeks", "nights=14", "nights"),
        ("loans at 5%", "rate=0.05", "rate"),
        ("a hotel for Ada and Grace", 'guests=["Ada", "Grace"]', "guests"),
        ("a hotel in Oslo", 'board="none"', "board"),
        ("four days from Monday", 'stay={"from": "Monday", "days": 4}', "stay"),
        ("a hotel in Oslo", 'city="Oslo", rooms=7', "city"),
        ("for a week", "nights=7", "nights"),
        ("for one night", "nights=1", "nights"),
    ],
)
def test_what_is_said_in_any_way_is_not(request_: str, call: str, required: str) -> None:
    assert not lacking(request_, call, required)


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        ("a hotel in Oslo", 'city="Oslo"'),
        ("a hotel in Oslo with breakfast", 'city="Oslo", board="breakfast"'),
        ("a hotel in Oslo, four rooms", 'city="Oslo", rooms=4'),
    ],
)
def test_what_may_be_left_out_and_is_not_said_is_left_out(request_: str, kept: str) -> None:
    signature = signature_of(HOTEL)
    plan = parse_plan('#1 = book_hotel(city="Oslo", board="breakfast", rooms=4)')

    made = without_inventions(plan, {signature.tool: signature}, request_)

    assert str(made) == f"#1 = book_hotel({kept})"


def test_the_question_says_what_is_lacking() -> None:
    assert lacking("a hotel in Oslo", "nights=9", "nights") == "book.hotel needs nights (how long)"
