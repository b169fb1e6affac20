"""How well calls of foreign tools meet the calls that were wanted, on files in the formats of BFCL.

The Berkeley Function Calling Leaderboard (https://gorilla.cs.berkeley.edu/leaderboard.html) has one JSON object a line.
A question has ``id``, ``question`` (turns, each a list of chat messages) and ``function`` (tools with their JSON
schemas, ``dict`` for ``object``). An answer, in a file of its own or in the question's line, has ``id`` and
``ground_truth``: calls as ``{name: {argument: [values that are right]}}``, where ``""`` among the values says that the
argument may be left out. A question without an answer wants no call where its id says ``irrelevance``, and some call
where it says ``relevance``.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from visiongpt_agent.errors import InputError

Call = tuple[str, Mapping[str, Any]]
"""A tool's name and its arguments."""

KINDS: Final = ("single", "parallel", "none fits", "one fits")
"""What is wanted: one call, several, none, or any at all."""


@dataclass(frozen=True)
class Case:
    """A question.

    Attributes:
        id: Its id.
        kind: One of :data:`KINDS`.
        messages: What was said, ``(role, words)`` each.
        tools: The tools as JSON schemas.
        wanted: For each call that is wanted its name with the right values of each argument.
    """

    id: str
    kind: Literal["single", "parallel", "none fits", "one fits"]
    messages: tuple[tuple[str, str], ...]
    tools: tuple[Mapping[str, Any], ...]
    wanted: tuple[tuple[str, Mapping[str, Sequence[Any]]], ...] = ()

    @classmethod
    def of(cls, record: Any, answers: Mapping[str, Any], where: str) -> Case:
        """Read a question.

        Args:
            record: The question's line.
            answers: The ``ground_truth`` of other lines by their ids.
            where: Its place, for errors.

        Raises:
            InputError: If it is not as the module says; begins with ``where``.
        """
        try:
            identity, functions = str(record["id"]), record["function"]
            turns = [turn if isinstance(turn, list) else [turn] for turn in record["question"]]
            messages = tuple((str(one["role"]), str(one["content"])) for turn in turns for one in turn)
            tools = tuple(functions if isinstance(functions, list) else [functions])
            truth = record.get("ground_truth", answers.get(identity))
            wanted = tuple((name, dict(args)) for call in truth or () for name, args in call.items())
            names = [str(tool["name"]) for tool in tools]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f'{where} must have "id", "question" and "function" as BFCL has them') from None
        if truth is None and "relevance" not in identity:
            raise InputError(f"{where}: there is no answer to {identity}: name the file of answers with --answers")
        if not messages or not names:
            raise InputError(f"{where}: it has no message or no function")
        if truth is not None:
            kind = "parallel" if len(wanted) > 1 else "single" if wanted else "none fits"
        else:
            kind = "none fits" if "irrelevance" in identity else "one fits"
        return cls(identity, kind, messages, tools, wanted)  # type: ignore[arg-type]  # kind is one of KINDS

    def is_met(self, calls: Sequence[Call]) -> bool:
        """Whether calls are those that are wanted, in any order."""
        if self.kind in ("none fits", "one fits"):
            return bool(calls) is (self.kind == "one fits")
        left = list(self.wanted)
        for call in calls:
            match = next((one for one in left if _is_same(call, *one)), None)
            if match is None:
                return False
            left.remove(match)
        return not left

    def has_tools(self, calls: Sequence[Call]) -> bool:
        """Whether the tools called are the wanted ones."""
        if self.kind in ("none fits", "one fits"):
            return self.is_met(calls)
        return Counter(name for name, _ in calls) == Counter(name for name, _ in self.wanted)


@dataclass(frozen=True)
class CallScores:
    """Many cases.

    Attributes:
        requests: How many.
        refused: How many lists of tools none of which could be called, or requests for which no plan could be made.
        seconds: The median for a request.
        kinds: By kind the number of cases met, of those with the right tools, and of all.
    """

    requests: int
    refused: int
    seconds: float
    kinds: Mapping[str, tuple[int, int, int]]

    @classmethod
    def of(cls, cases: Sequence[Case], made: Sequence[Sequence[Call] | None], seconds: Sequence[float]) -> CallScores:
        """Sum up; the three sequences are of one length, and not empty; None stands for a refusal."""
        kinds = {}
        for kind in KINDS:
            pairs = [(case, calls) for case, calls in zip(cases, made, strict=True) if case.kind == kind]
            met = sum(calls is not None and case.is_met(calls) for case, calls in pairs)
            right = sum(calls is not None and case.has_tools(calls) for case, calls in pairs)
            if pairs:
                kinds[kind] = (met, right, len(pairs))
        return cls(len(cases), sum(calls is None for calls in made), statistics.median(seconds), kinds)


def _is_same(call: Call, name: str, right: Mapping[str, Sequence[Any]]) -> bool:
    made = call[1]
    return (
        call[0] == name
        and made.keys() <= right.keys()
        and all(_is_among(made[key], values) if key in made else "" in values for key, values in right.items())
    )


def _is_among(value: Any, right: Any) -> bool:
    """Whether a value is one of the right ones; within objects each property has a list of its own."""
    options = right if isinstance(right, list) else [right]
    return any(_is_equal(value, option) for option in options)


def _is_equal(value: Any, right: Any) -> bool:
    if isinstance(value, dict) and isinstance(right, dict):
        return value.keys() <= right.keys() and all(
            _is_among(value[key], values) if key in value else isinstance(values, list) and "" in values
            for key, values in right.items()
        )
    if isinstance(value, list) and isinstance(right, list):
        return len(value) == len(right) and all(_is_equal(*pair) for pair in zip(value, right, strict=True))
    if isinstance(value, str) and isinstance(right, str):
        return _plain(value) == _plain(right)
    return bool(value == right) and isinstance(value, bool) is isinstance(right, bool)


def _plain(text: str) -> str:
    """A string without what makes no difference: case, spaces, punctuation."""
    return re.sub(r"[ ,./\-_*^]", "", text.casefold()).replace("'", '"')
