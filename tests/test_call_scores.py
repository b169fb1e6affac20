"""Scores of calls on files in the formats of BFCL."""

from __future__ import annotations

from typing import Any

import pytest

from visiongpt_agent.call_scores import CallScores, Case
from visiongpt_agent.errors import InputError

TOOL = {"name": "pay", "description": "", "parameters": {"type": "dict", "properties": {}}}


def case(truth: Any = None, identity: str = "multiple_1") -> Case:
    record: dict[str, Any] = {"id": identity, "question": [[{"role": "user", "content": "pay"}]], "function": [TOOL]}
    return Case.of(record, {} if truth is None else {identity: truth}, "questions line 1")


@pytest.mark.parametrize(
    ("right", "made", "is_met"),
    [
        ({"sum": [5, 5.0], "to": ["New York", "NYC"]}, {"sum": 5, "to": "new york"}, True),
        ({"sum": [5]}, {"sum": 6}, False),
        ({"sum": [5]}, {"sum": 5, "to": "Ada"}, False),
        ({"sum": [5], "to": ["", "Ada"]}, {"sum": 5}, True),
        ({"sum": [5], "to": ["Ada"]}, {"sum": 5}, False),
        ({"when": ["2024-02-29"]}, {"when": "2024/02/29"}, True),
        ({"urgent": [True]}, {"urgent": 1}, False),
        ({"sums": [[1, 2], [2, 1]]}, {"sums": [2, 1]}, True),
        ({"sums": [[1, 2]]}, {"sums": [1, 2, 3]}, False),
        ({"box": [{"x": [1, 2], "y": ["", 0]}]}, {"box": {"x": 2}}, True),
        ({"box": [{"x": [1, 2]}]}, {"box": {"x": 2, "z": 1}}, False),
        ({"box": [{"x": [1, 2]}]}, {"box": {}}, False),
    ],
)
def test_a_call_is_right_by_any_of_the_values(right: dict[str, Any], made: dict[str, Any], is_met: bool) -> None:
    assert case([{"pay": right}]).is_met([("pay", made)]) is is_met


def test_several_calls_are_right_in_any_order_and_each_once() -> None:
    wanted = case([{"pay": {"sum": [1]}}, {"pay": {"sum": [2]}}])

    assert wanted.kind == "parallel"
    assert wanted.is_met([("pay", {"sum": 2}), ("pay", {"sum": 1})])
    assert not wanted.is_met([("pay", {"sum": 1})])
    assert not wanted.is_met([("pay", {"sum": 1}), ("pay", {"sum": 1})])
    assert wanted.has_tools([("pay", {"sum": 1}), ("pay", {"sum": 1})])


def test_what_wants_no_call_and_what_wants_any() -> None:
    none, live, any_call = case(identity="irrelevance_1"), case([], "live_1"), case(identity="live_relevance_1")

    assert (none.kind, live.kind, any_call.kind) == ("none fits", "none fits", "one fits")
    assert none.is_met([])
    assert live.is_met([])
    assert any_call.is_met([("pay", {})])
    assert not none.is_met([("pay", {})])
    assert not any_call.is_met([])


def test_scores_by_kind() -> None:
    cases = [case([{"pay": {"sum": [1]}}]), case([{"pay": {"sum": [1]}}]), case(identity="irrelevance_1")]

    scores = CallScores.of(cases, [[("pay", {"sum": 1})], [("pay", {"sum": 2})], None], [1.0, 3.0, 2.0])

    assert scores == CallScores(3, 1, 2.0, {"single": (1, 2, 2), "none fits": (0, 0, 1)})


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "multiple_1", "question": [], "function": []}, "there is no answer to multiple_1"),
        ({"id": "irrelevance_1", "question": [], "function": []}, "no message or no function"),
        ({"id": "irrelevance_1", "question": "x", "function": []}, 'must have "id", "question" and "function"'),
        ([], 'must have "id"'),
    ],
)
def test_a_line_that_is_not_so_is_refused(record: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"questions line 1.*{message}"):
        Case.of(record, {}, "questions line 1")
