"""What is refused whichever tool made it, and how postconditions doubt, refuse and fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._soundness import unsound
from visiongpt_agent.tools.base import Doubt, Label, Models, ToolOutput, ToolSpec, vision_tool

PICTURE = Image.new("RGB", (60, 40), "teal")
BOX = Regions((60, 40), np.array([[5, 5, 30, 20]], np.float32), ("cup",))


def tampered(**arrays: Any) -> Regions:
    """Regions whose arrays were written to after they were checked."""
    regions = replace(BOX)
    for name, value in arrays.items():
        object.__setattr__(regions, name, value)
    return regions


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Kind.IMAGE, PICTURE, ""),
        (Kind.IMAGE, PICTURE.convert("RGBA"), ""),
        (Kind.IMAGE, None, "a NoneType, not a picture"),
        (Kind.IMAGE, Image.fromarray(np.full((40, 60), np.nan, np.float32)), "of mode F"),
        (Kind.REGIONS, BOX, ""),
        (Kind.REGIONS, Regions((60, 40)), ""),
        (Kind.REGIONS, "a box", "a str, not regions"),
        (Kind.REGIONS, Regions((416, 416)), "a picture of 416x416 pixels, not 60x40"),
        (Kind.REGIONS, tampered(boxes=np.full((1, 4), np.nan, np.float32)), "finite"),
        (Kind.REGIONS, tampered(boxes=np.array([[5, 5, 300, 20]], np.float32)), "outside the 60x40 image"),
        (Kind.REGIONS, tampered(boxes=np.array([[5, 5, 5, 5]], np.float32)), "is empty"),
        (Kind.REGIONS, tampered(scores=np.array([np.inf], np.float32)), "finite"),
        (Kind.TEXT, "words", ""),
        (Kind.TEXT, 7, "an int, not a text"),
        (Kind.LABELS, (Label("cat", 0.9),), ""),
        (Kind.LABELS, (Label("cat", float("nan")),), "not from 0 to 1"),
        (Kind.LABELS, (Label("cat", 90),), "not from 0 to 1"),
        (Kind.LABELS, (Label(" ", 0.9),), "no name"),
        (Kind.LABELS, "cat", "a str, not labels"),
    ],
)
def test_values(kind: Kind, value: Any, message: str) -> None:
    found = list(unsound(kind, {"image": PICTURE}, ToolOutput(value, "")))
    assert any(message.replace("an int", "a int") in one for one in found) if message else found == []


@pytest.mark.parametrize(
    ("facts", "sound"),
    [({"share": 0.5, "places": [[1.0, 2]]}, True), ({"places": [{"x": float("nan")}]}, False), ({"a": -np.inf}, False)],
)
def test_figures(facts: dict[str, Any], sound: bool) -> None:
    assert (list(unsound(Kind.TEXT, {}, ToolOutput("", "", facts=facts))) == []) is sound


@pytest.fixture
def greyed() -> ToolSpec:
    @vision_tool("make it grey", returns=Kind.IMAGE)
    def grey(image: Image.Image, depth: int = 1) -> ToolOutput:
        """Make a picture grey."""
        return ToolOutput(image.convert("L").convert("RGB"), "It is grey.", uncertain=("It was teal.",))

    return grey


def test_a_doubt_is_told_and_does_not_refuse(greyed: ToolSpec, store: ImageStore, pool: ModelPool) -> None:
    @greyed.check
    def looks_odd(output: ToolOutput) -> Iterator[str]:
        yield Doubt("It looks odd.")
        yield Doubt("It looks odd.")

    call = {"name": "grey", "args": {"image": store.add(PICTURE).id}, "id": "1", "type": "tool_call"}
    artifact = greyed.bind(store, pool).invoke(call).artifact
    assert artifact["problems"] == []
    assert artifact["uncertain"] == ["It was teal.", "It looks odd."]


def test_a_postcondition_that_fails_is_a_doubt(greyed: ToolSpec) -> None:
    @greyed.check
    def fails_half_way(output: ToolOutput) -> Iterator[str]:
        yield "it is too grey"
        raise MemoryError

    review = greyed.review({"image": PICTURE}, greyed(PICTURE))
    assert review.problems == ("it is too grey",)
    assert review.doubts == ("A check of this result could not be carried out (MemoryError).",)


def test_models_are_handed_to_those_that_ask(greyed: ToolSpec, pool: ModelPool) -> None:
    seen: list[Models] = []

    @greyed.check
    def asks(output: ToolOutput, depth: int, models: Models) -> Iterator[str]:
        seen.append(models)
        yield from ["deep"] * depth

    assert greyed.problems({"image": PICTURE}, greyed(PICTURE)) == []
    assert seen == []
    assert greyed.problems({"image": PICTURE}, greyed(PICTURE), pool) == ["deep"]
    assert seen == [pool]


def test_unsound_values_are_not_shown_to_postconditions(greyed: ToolSpec) -> None:
    @greyed.check
    def never(output: ToolOutput) -> Iterator[str]:
        raise AssertionError("asked about a value that is none")

    assert greyed.problems({"image": PICTURE}, ToolOutput("grey", "")) == ["the tool handed back a str, not a picture"]
