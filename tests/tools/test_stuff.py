"""Stuff, such as sky and grass, through the tools: found, outlined, edited, and looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.bench.gallery import StandIns
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.models import jobs
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.grabcut import GrabCut
from visiongpt_agent.models.nanodet import NanoDet
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.telea import Telea
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.detect_objects import detect_objects
from visiongpt_agent.tools.inpaint import inpaint
from visiongpt_agent.tools.segment_objects import segment_objects

SIZE = (320, 240)
COLOURS = {"sky": (90, 150, 230), "grass": (60, 140, 50), "dog": (120, 60, 30)}
RIDGE = [(0, 150), (60, 90), (110, 140), (190, 60), (250, 130), (320, 100)]
DOG = (140, 170, 200, 220)


def landscape() -> tuple[Image.Image, BoolArray]:
    """Sky over jagged hills with a dog on them, noise over it all; and which pixels are sky."""
    canvas, shape = Image.new("RGB", SIZE, COLOURS["sky"]), Image.new("1", SIZE, 1)
    ImageDraw.Draw(canvas).polygon([(0, 240), *RIDGE, (320, 240)], fill=COLOURS["grass"])
    ImageDraw.Draw(canvas).ellipse(DOG, fill=COLOURS["dog"])
    ImageDraw.Draw(shape).polygon([(0, 240), *RIDGE, (320, 240)], fill=0)
    noise = np.random.default_rng(0).integers(-12, 13, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(np.clip(np.asarray(canvas) + noise, 0, 255).astype(np.uint8)), np.asarray(shape)


class ByColour:
    """A segmenter for any words: what has the colour of the last of them."""

    threshold = 0.4

    def knows(self, word: str) -> bool:
        return True

    def segment(self, image: Image.Image, words: Sequence[str], *, threshold: float) -> Regions:
        pixels = np.asarray(image, np.int16)
        masks = [np.abs(pixels - COLOURS.get(word.split()[-1], (255, 0, 255))).max(axis=2) < 40 for word in words]
        return Regions.from_masks(np.stack(masks), list(words), np.full(len(words), max(0.8, threshold)))


class ClosedByColour(ByColour):
    def knows(self, word: str) -> bool:
        return word in COLOURS


class SeesDogs:
    classes, threshold = ("dog",), 0.4

    def detect(self, image: Image.Image, *, threshold: float) -> Regions:
        brown = np.abs(np.asarray(image, np.int16) - COLOURS["dog"]).max(axis=2) < 30
        found = Regions.from_masks(brown[None], ["dog"], [0.9])
        return Regions(found.size, found.boxes, found.labels, found.confidence)


class PaintsPink:
    def replace(self, image: Image.Image, mask: BoolArray, prompt: str, *, seed: int) -> Image.Image:
        pixels, noise = np.array(image), np.random.default_rng(seed).integers(0, 60, (image.height, image.width, 3))
        pixels[mask] = (np.array([180, 60, 120]) + noise)[mask]
        return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def plain() -> Iterator[ModelPool]:
    with ModelPool(Registry(models=[GrabCut, NanoDet, Telea])) as pool:
        yield pool


@pytest.fixture
def models(plain: ModelPool) -> StandIns:
    others: Mapping[str, Callable[[], Any]] = {
        jobs.SEGMENTATION_SEMANTIC: ByColour,
        jobs.DETECTION_CLOSED: SeesDogs,
        jobs.INPAINT_REPLACE: PaintsPink,
    }
    return StandIns(plain, others)


def find(models: StandIns | ModelPool, image: Image.Image, query: str) -> ToolOutput:
    output = detect_objects(image, query, models=models)
    assert detect_objects.review({"image": image, "query": query}, output, models) == ((), ())
    return output


def outline(models: StandIns, image: Image.Image, regions: Regions) -> ToolOutput:
    output = segment_objects(image, regions, models=models)
    assert segment_objects.problems({"image": image, "regions": regions}, output, models) == []
    return output


def regions(output: ToolOutput) -> Regions:
    assert isinstance(output.value, Regions)
    return output.value


def fit(one: BoolArray, other: BoolArray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_stuff_is_found_with_its_outline(models: StandIns) -> None:
    image, sky = landscape()
    output = find(models, image, "the blue sky")
    assert output.summary == "The blue sky is at the top of the picture."
    assert output.models == ("stand-in",)
    assert output.facts["stuff"] == ["blue sky"]
    assert output.facts["unsupported"] == []
    assert regions(output).labels == ("blue sky",)
    masks = regions(output).masks
    assert masks is not None
    assert fit(masks[0], sky) > 0.97


def test_replacing_the_sky_leaves_the_rest_as_it_was(models: StandIns) -> None:
    image, sky = landscape()
    outlined = outline(models, image, regions(find(models, image, "sky")))
    assert outlined.summary == "I kept the outlines of the sky."
    after = inpaint(image, regions(outlined), "a pink sunset", models=models)
    assert after.summary == 'I replaced the sky with "a pink sunset".'
    assert isinstance(after.value, Image.Image)
    changed = (np.asarray(after.value) != np.asarray(image)).any(axis=2)
    assert changed[sky].mean() > 0.99
    assert changed[~sky].mean() < 0.05  # the rim that an inpainted hole has
    assert not changed[DOG[1] : DOG[3], DOG[0] : DOG[2]].any()
    args = {"image": image, "regions": regions(outlined), "prompt": "a pink sunset"}
    assert inpaint.problems(args, after, models) == []


def test_stuff_and_things_in_one_query(models: StandIns) -> None:
    image, sky = landscape()
    output = find(models, image, "dog, sky")
    assert output.summary == "There is one dog, at the bottom of the picture. The sky is at the top of the picture."
    assert regions(output).labels == ("dog", "sky")
    assert regions(output).outlined.tolist() == [False, True], "the sky keeps its mask beside a box"

    outlined = outline(models, image, regions(output))
    assert outlined.models == ("grabcut",), "only the dog is left to be outlined"
    assert outlined.facts["stuff"] == ["sky"]
    masks, before = regions(outlined).masks, regions(output).masks
    assert masks is not None
    assert before is not None
    assert fit(masks[1], sky) > 0.97
    assert np.array_equal(masks[1], before[1])
    down, across = np.mgrid[: SIZE[1], : SIZE[0]]
    disc = ((across - 170) / 30) ** 2 + ((down - 195) / 25) ** 2 <= 1
    assert fit(masks[0], disc) > 0.9


def test_stuff_that_is_not_there(models: StandIns) -> None:
    image, _ = landscape()
    output = find(models, image, "water, grass")
    assert output.summary == "The grass is at the bottom of the picture. I found no water."
    assert output.missing == ("water",)
    assert output.facts["stuff"] == ["grass"]


def test_a_speck_is_no_stuff(models: StandIns) -> None:
    image = Image.new("RGB", SIZE, COLOURS["grass"])
    image.paste(COLOURS["sky"], (10, 10, 20, 20))
    assert find(models, image, "sky").missing == ("sky",)


def test_stuff_may_fill_its_box(models: StandIns) -> None:
    image = Image.new("RGB", SIZE, COLOURS["grass"])
    image.paste(COLOURS["sky"], (0, 0, 320, 100))
    outlined = outline(models, image, Regions(SIZE, np.array([[0, 0, 320, 100]], np.float32), ("sky",)))
    assert outlined.facts["shares"] == [1.0]
    assert outlined.uncertain == ()


def test_several_of_it_are_taken_as_one(models: StandIns) -> None:
    image, _ = landscape()
    output = detect_objects(image, "lawns", models=StandIns(models, {jobs.SEGMENTATION_SEMANTIC: OnlyGrass}))
    assert output.summary == "The lawn is at the bottom of the picture."
    assert output.uncertain == ("I took all lawns together as one region.",)


class OnlyGrass(ByColour):
    def segment(self, image: Image.Image, words: Sequence[str], *, threshold: float) -> Regions:
        found = super().segment(image, ["grass"], threshold=threshold)
        return Regions(found.size, found.boxes, (words[0],), found.confidence, found.masks)


def test_a_closed_list_is_asked_for_what_it_knows(plain: ModelPool) -> None:
    image, _ = landscape()
    closed = StandIns(plain, {jobs.SEGMENTATION_SEMANTIC: ClosedByColour, jobs.DETECTION_CLOSED: SeesDogs})
    output = detect_objects(image, "blue sky, fog", models=closed)
    assert regions(output).labels == ("sky",)
    assert output.uncertain == ("The model here does not tell blue sky from other sky.",)
    assert output.missing == ("fog",)
    assert output.facts["unsupported"] == ["fog"]
    assert 'I cannot look for "fog": the detector here' in output.summary
    assert detect_objects.problems({"image": image, "query": "blue sky, fog"}, output, closed) == []


def test_without_a_segmenter_the_remedy_is_named(tmp_path: Path) -> None:
    image, _ = landscape()
    with ModelPool(Registry(Settings(home=tmp_path))) as pool:
        output = find(pool, image, "sky")
    assert output.models == ("nanodet-g-416",)
    assert output.summary == (
        'I cannot look for "sky": the detector here knows 80 everyday things, and this is none of them. '
        "Another model looks for it: visiongpt models pull clipseg-rd64-refined."
    )
    assert output.facts["unsupported"] == ["sky"]
    assert "stuff" not in output.facts


def test_without_a_segmenter_boxes_of_stuff_are_outlined_as_ever(plain: ModelPool) -> None:
    image, _ = landscape()
    given = Regions(SIZE, np.array([[0, 0, 320, 152]], np.float32), ("sky",))
    output = segment_objects(image, given, models=plain)
    assert output.models == ("grabcut",)
    assert "stuff" not in output.facts


class SegmentsByColour(ByColour, Model):
    card: ClassVar[ModelCard] = ModelCard(
        "by-colour", "By colour", (jobs.SEGMENTATION_SEMANTIC,), "MIT", "https://example.org", 1
    )

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()


class Painter(PaintsPink, Model):
    card: ClassVar[ModelCard] = ModelCard("pink", "Pink", (jobs.INPAINT_REPLACE,), "MIT", "https://example.org", 1)

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()


def test_the_agent_replaces_the_sky() -> None:
    image, sky = landscape()
    plan = """#1 = detect_objects(image=$1, query="sky")
#2 = segment_objects(image=$1, regions=#1)
#3 = inpaint(image=$1, regions=#2, prompt="a pink sunset")"""
    chat = ScriptedChat(script=[plan, "Done."])
    with ModelPool(Registry(models=[GrabCut, NanoDet, Telea, SegmentsByColour, Painter])) as pool:
        agent = VisionGPT(chat, pool=pool)
        result = agent.run("replace the sky with a pink sunset", image)
        made = result.picture().convert("RGB")
        agent.close()
    assert [(step.tool, step.verdict) for step in result.steps] == [
        ("detect_objects", "accepted"),
        ("segment_objects", "accepted"),
        ("inpaint", "uncertain"),
    ]
    assert result.warnings == ("Whether the new content shows what the prompt says was not checked.",)
    changed = (np.asarray(made) != np.asarray(image)).any(axis=2)
    assert changed[sky].mean() > 0.99
    assert changed[~sky].mean() < 0.05


# --------------------------------------------------------------------------------------------------- postconditions


def upside_down(output: ToolOutput) -> ToolOutput:
    found = regions(output)
    assert found.masks is not None
    return replace(output, value=Regions.from_masks(found.masks[:, ::-1], found.labels, found.confidence))


def test_an_outline_at_the_wrong_place_is_noticed(models: StandIns) -> None:
    image, _ = landscape()
    wrong = upside_down(outline(models, image, regions(find(models, image, "sky"))))
    problems = segment_objects.problems({"image": image, "regions": regions(wrong)}, wrong, models)
    assert problems == ["a second look does not see sky where it was outlined"]

    found = upside_down(find(models, image, "sky"))
    told = replace(found, summary="The sky is at the bottom of the picture.", facts={**found.facts, "places": {
        "sky": ["at the bottom"]
    }})  # fmt: skip
    assert detect_objects.problems({"image": image, "query": "sky"}, told, models) == [
        "a second look does not see sky where it was found"
    ]


def test_stuff_that_was_missed_is_noticed(models: StandIns) -> None:
    image, _ = landscape()
    facts = {"counts": {}, "places": {}, "threshold": 0.4, "unsupported": []}
    output = ToolOutput(Regions(SIZE), "I found no sky.", missing=("sky",), facts=facts)
    assert detect_objects.problems({"image": image, "query": "sky"}, output, models) == [
        "a second look sees sky where none was found"
    ]


def test_a_shifted_outline_is_a_doubt(models: StandIns) -> None:
    image, _ = landscape()
    output = outline(models, image, regions(find(models, image, "sky")))
    found = regions(output)
    assert found.masks is not None
    moved = np.roll(found.masks, 25, axis=2)
    shifted = replace(output, value=Regions.from_masks(moved, found.labels, found.confidence))
    review = segment_objects.review({"image": image}, shifted, models)
    assert review.doubts == ("The outline of the sky does not follow the edges in the picture.",)


def test_the_second_look_is_in_the_frame_of_the_picture(models: StandIns) -> None:
    from visiongpt_agent.tools._second_look import mask_overlap, segment_again

    image, sky = landscape()
    seen = segment_again(image, lambda view: ByColour().segment(view, ["sky"], threshold=0.4))
    assert seen.size == SIZE
    assert mask_overlap(Regions.from_masks(sky[None]), seen) > 0.97
    assert mask_overlap(Regions.from_masks(sky[None, :, ::-1]), seen) < 0.9


PLACES = "the counts or places that are told are not those of what was found"


def _halved(mask: BoolArray) -> BoolArray:
    half = mask.copy()
    half[:, SIZE[0] // 2 :] = False
    return half


def _filled(mask: BoolArray) -> BoolArray:
    full = np.zeros_like(mask)
    full[: int(np.flatnonzero(mask.any(axis=1))[-1]) + 1] = True
    return full


@pytest.mark.parametrize(
    ("fault", "problems", "doubts"),
    [
        (_halved, (PLACES, "a box is not that of its outline"), ("A second look puts the sky elsewhere.",)),
        (_filled, (), ("The outline of the sky does not follow the edges in the picture.",)),
        (np.fliplr, (), ("The outline of the sky does not follow the edges in the picture.",)),
        (np.zeros_like, ("a box is not that of its outline",), ()),  # no mask: only the box is known
    ],
)
def test_a_wrong_outline_of_what_was_found_is_noticed(
    models: StandIns, fault: Callable[[BoolArray], BoolArray], problems: tuple[str, ...], doubts: tuple[str, ...]
) -> None:
    image, _ = landscape()
    output = find(models, image, "sky")
    found = regions(output)
    assert found.masks is not None
    wrong = Regions(SIZE, found.boxes, found.labels, found.confidence, fault(found.masks[0])[None])
    review = detect_objects.review({"image": image, "query": "sky"}, replace(output, value=wrong), models)
    assert review.problems == problems
    assert review.doubts == doubts
