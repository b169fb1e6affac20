"""The requests of the paper's figures, each from a scripted plan to its answer, over the models that are here.

What is planned is written down, so these tell about the tools, the verifier and the answer. Where a tool's weights are
here its result must be true of the picture; where they are not the answer says so with the command that brings them,
and nothing is made in their place. Which of the two it was stands in the report of the test: ``pytest -rP`` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.bench.gallery import code, scratched, surface
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, VisionResult, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools import catalog

pytestmark = pytest.mark.slow

True_ = Callable[[VisionResult], bool]


@dataclass(frozen=True)
class Figure:
    """A request, the names of its pictures, its plan, and what is true of the result where all its tools can run."""

    request: str
    pictures: tuple[str, ...]
    plan: str
    true: True_


def found(label: str, box: tuple[int, int, int, int], size: tuple[int, int]) -> True_:
    """One region of this label, where a person sees it."""
    known = Regions(size, np.array([box], np.float32))

    def check(result: VisionResult) -> bool:
        boxes = [item["box"] for item in items(result) if item["label"] == label]
        seen = Regions(size, np.array(boxes, np.float32).reshape(-1, 4))
        return len(seen) == 1 and bool(known.iou(seen)[0, 0] > 0.6)

    return check


def items(result: VisionResult) -> Iterable[Any]:
    """The regions of the last step that gave any."""
    return result.regions[-1].items if result.regions else ()


def told_as_missing(noun: str) -> True_:
    """It is not in the picture: nothing was found, and the answer says that or that it cannot be looked for."""
    return lambda result: (
        not any(items(result))
        and any(f"{how}{noun}" in result.answer for how in ("found no ", "found no yellow ", 'cannot look for "'))
    )


def changed(result: VisionResult) -> bool:
    """A picture was made that differs from the one that came."""
    assert result.store is not None
    made = result.images[-1]
    before = np.asarray(result.store.open(made.before).convert("RGB").resize((made.width, made.height)), np.float32)
    return float(np.abs(np.asarray(result.picture().convert("RGB"), np.float32) - before).mean()) > 2


def made(result: VisionResult) -> bool:
    return len(result.images) == 1 and float(np.asarray(result.picture().convert("L"), np.float32).std()) > 1


def defect(result: VisionResult) -> bool:
    """Some region lies on the scratch, from (180, 120) over (260, 230) to (300, 240)."""
    scratch = Regions((512, 384), np.array([[177, 117, 303, 243]], np.float32))
    boxes = np.array([item["box"] for item in items(result)], np.float32).reshape(-1, 4)
    return bool((scratch.iou(Regions((512, 384), boxes)) > 0.3).any()) if len(boxes) else False


CUP, CAT = (172, 18, 410, 305), (60, 0, 451, 300)
FIGURES = {
    "dinner table": Figure(
        "find the cups and glasses and outline them",
        ("coffee",),
        '#1 = detect_objects(image=$1, query="cup, glass")\n#2 = segment_objects(image=$1, regions=#1)',
        lambda result: found("cup", CUP, (600, 400))(result) and "I outlined one cup." in result.answer,
    ),
    "guitar": Figure(
        "where is the guitar?",
        ("coffee",),
        '#1 = detect_objects(image=$1, query="guitar")',
        told_as_missing("guitar"),
    ),
    "the yellow one": Figure(
        "which bus is the yellow one?",
        ("chelsea",),
        '#1 = detect_objects(image=$1, query="yellow bus")',
        told_as_missing("bus"),
    ),
    "animals": Figure(
        "find all animals",
        ("chelsea",),
        '#1 = detect_objects(image=$1, query="animal")',
        found("animal", CAT, (451, 300)),
    ),
    "tower": Figure(
        "find the tower", ("chelsea",), '#1 = detect_objects(image=$1, query="tower")', told_as_missing("tower")
    ),
    "frogs": Figure(
        "count the frogs", ("coffee",), '#1 = detect_objects(image=$1, query="frog")', told_as_missing("frog")
    ),
    "sheep": Figure(
        "count the sheep", ("coffee",), '#1 = detect_objects(image=$1, query="sheep")', told_as_missing("sheep")
    ),
    "defects": Figure("is this part scratched?", ("part",), "#1 = detect_anomalies(image=$1)", defect),
    "capacitor": Figure(
        "find the capacitor on the board",
        ("part",),
        '#1 = detect_objects(image=$1, query="capacitor")',
        told_as_missing("capacitor"),
    ),
    "QR code": Figure(
        "what does the code say?",
        ("code",),
        "#1 = read_codes(image=$1)",
        lambda result: '"https://example.org/menu?table=7"' in result.answer,
    ),
    "icy road": Figure(
        "make the road icy", ("bus",), '#1 = edit_image(image=$1, instruction="make the road icy")', changed
    ),
    "sky": Figure(
        "replace the sky with a sunset",
        ("rocket",),
        '#1 = detect_objects(image=$1, query="sky")\n#2 = segment_objects(image=$1, regions=#1)\n'
        '#3 = inpaint(image=$1, regions=#2, prompt="a sunset")',
        changed,
    ),
    "mountains": Figure(
        "put the cat in front of mountains",
        ("chelsea",),
        '#1 = generate_image(prompt="mountains")\n#2 = replace_background(image=$1, background=#1)',
        changed,
    ),
    "car": Figure("generate a car", (), '#1 = generate_image(prompt="a car")', made),
}


@pytest.fixture
def picture(photo: Callable[[str], Image.Image], bus: Image.Image) -> Callable[[str], Image.Image]:
    drawn = {
        "bus": lambda: bus,
        "part": lambda: scratched(surface(3)),
        "code": lambda: code("QRCode", "https://example.org/menu?table=7"),
    }
    return lambda name: drawn[name]() if name in drawn else photo(name)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES.keys())
def test_it_is_true_or_told_what_it_lacks(
    figure: Figure, picture: Callable[[str], Image.Image], pool: ModelPool, record_property: Callable[[str, str], None]
) -> None:
    wanted = [proposal.tool for proposal in parse_plan(figure.plan)]
    lacking = {tool: lacks for tool in wanted if (lacks := catalog()[tool].lacks(pool))}

    with closing(VisionGPT(ScriptedChat(script=[figure.plan]), pool=pool)) as agent:
        result = agent.run(figure.request, *map(picture, figure.pictures))

        ran = [f"{step.tool} ({step.model or 'no model'}): {step.verdict}" for step in result.steps]
        record_property("ran", "; ".join(ran))
        record_property("lacked weights", "; ".join(lacking.values()))
        print(f"{figure.request}\n  ran: {ran}\n  lacked weights: {lacking}\n  answer: {result.answer}")

        if not lacking and not any("visiongpt models pull" in part for part in (result.answer, *result.warnings)):
            assert result.status in ("done", "partial")
            assert all(step.verdict in ("accepted", "uncertain") for step in result.steps)
            assert figure.true(result)
            return
        told = " ".join((result.answer, *result.warnings))
        assert any(lacks in told for lacks in lacking.values()) or not lacking
        assert result.status in ("declined", "partial")
        assert not [image for image in result.images if image.role == "made"]
