"""Greetings and thanks are told from wishes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visiongpt_agent.graphs.planning.pleasantries import is_pleasantry

PLANNING = Path(__file__).parents[2] / "planning"


@pytest.mark.parametrize(
    "request_",
    [
        *("hi", "Hello!", "hello there", "good evening", "Good afternoon to you", "morning!", "hey", "thanks a lot"),
        *("cheers mate", "thank you so much, that's perfect", "bye", "ok thanks", "merci!", "guten Morgen", "HALLO"),
        *("Oh, lovely, thank you very much!", "Thanks for your help", "hola", "that will be all, many thanks"),
    ],
)
def test_a_pleasantry(request_: str) -> None:
    assert is_pleasantry(request_)


@pytest.mark.parametrize(
    "request_",
    [
        *("", "!", "morning", "evening", "night", "again", "perfect", "make it morning", "thanks, now crop it"),
        *("hello kitty", "hi-res", "hello, how many dogs?", "thank you card", "is it all there", "good", "$1 thanks"),
        *("thanks, 2x", "good morning light", "remove the hey", "a day for thanks", "hello " * 11),
    ],
)
def test_a_wish(request_: str) -> None:
    assert not is_pleasantry(request_)


def test_no_request_that_wants_something_is_taken_for_one() -> None:
    for path in PLANNING.glob("*_requests.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            assert record["plan"] == "reply()" or not is_pleasantry(record["request"]), record["request"]
