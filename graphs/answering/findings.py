"""What accepted steps read, said and measured, as the data of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from visiongpt_agent.result import Code, Corners, Measurement, ScoredLabel, TextLine, ToolAnswer

if TYPE_CHECKING:
    from visiongpt_agent.graphs.state import Step

F = TypeVar("F")

_READ: Final = ("lines", "unsure", "codes")
"""Facts that have a form of their own in a result."""


class Place(NamedTuple):
    """The image that a step looked at: ``$1``, or ``""`` where it has no name; and its page in the file."""

    name: str
    page: int


class Findings(NamedTuple):
    """What the steps of a request read, said and measured; each thing once, in the order of the steps."""

    lines: tuple[TextLine, ...]
    codes: tuple[Code, ...]
    labels: tuple[ScoredLabel, ...]
    answers: tuple[ToolAnswer, ...]
    measurements: tuple[Measurement, ...]


def gathered(steps: Sequence[Step], place_of: Callable[[Step], Place]) -> Findings:
    """The findings of accepted steps; ``place_of`` says which image a step looked at."""
    looked = [(step["artifact"], step, place_of(step)) for step in steps]
    return Findings(
        lines=_once(line for artifact, _, place in looked for line in _lines(artifact.get("facts", {}), place)),
        codes=_once(code for artifact, _, place in looked for code in _codes(artifact.get("facts", {}), place)),
        labels=_once(
            ScoredLabel(place.name, label["name"], label["score"])
            for artifact, _, place in looked
            for label in artifact.get("labels", ())
        ),
        answers=_once(
            ToolAnswer(place.name, step["tool"], str(step["args"].get("question", "")), artifact["text"])
            for artifact, step, place in looked
            if "text" in artifact and not any(name in artifact.get("facts", {}) for name in _READ)
        ),
        measurements=_once(
            Measurement(place.name, step["tool"], values)
            for artifact, step, place in looked
            if (values := {name: value for name, value in artifact.get("facts", {}).items() if name not in _READ})
        ),
    )


def _lines(facts: Mapping[str, Any], place: Place) -> list[TextLine]:
    """The lines of one reading, those of which the reader is not sure at their places among the others."""
    read = [(line, True) for line in facts.get("lines", ())] + [(line, False) for line in facts.get("unsure", ())]
    placed = enumerate(read, 1)
    by_order = sorted(placed, key=lambda entry: entry[1][0].get("order", entry[0]))
    return [
        TextLine(place.name, line["text"], line["score"], _corners(line), number, place.page, sure)
        for number, (_, (line, sure)) in enumerate(by_order, 1)
    ]


def _codes(facts: Mapping[str, Any], place: Place) -> list[Code]:
    return [
        Code(place.name, code["format"], code["text"], _corners(code), place.page) for code in facts.get("codes", ())
    ]


def _corners(entry: Mapping[str, Any]) -> Corners:
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in entry.get("corners", ()))


def _once(entries: Iterable[F]) -> tuple[F, ...]:
    """The entries without repetition: a step that a later plan took up again stands in both."""
    unique: list[F] = []
    for entry in entries:
        if entry not in unique:
            unique.append(entry)
    return tuple(unique)
