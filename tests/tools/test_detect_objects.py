from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.nanodet import NanoDet
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.detect_objects import _counted, detect_objects

Photo = Callable[[str], Image.Image]


def ask(pool: ModelPool, image: Image.Image, query: str = "") -> ToolOutput:
    output = detect_objects(image, query, models=pool)
    assert detect_objects.problems({"image": image, "query": query}, output) == []
    return output


def regions(output: ToolOutput) -> Regions:
    assert isinstance(output.value, Regions)
    return output.value


def test_the_catalogue_line() -> None:
    line = 'detect_objects(image, query="") -> regions: find, locate or count named objects'
    assert str(detect_objects.signature) == line


@pytest.mark.parametrize(
    ("query", "summary", "missing"),
    [
        ("people", "There are four people.", ()),
        ("bus", "There is one bus, in the middle of the picture.", ()),
        ("person, bus", "There are four people and one bus.", ()),
        ("", "There are four people and one bus.", ()),
        ("dog", "I found no dog.", ("dog",)),
        ("bus and dog", "There is one bus, in the middle of the picture. I found no dog.", ("dog",)),
        ("leftmost person", "There is one person, in the lower left of the picture.", ()),
        ("person on the right", "There is one person, on the right of the picture.", ()),
        ("vehicle", "There is one vehicle, in the middle of the picture.", ()),
    ],
)
def test_what_is_told_of_the_bus(
    pool: ModelPool, bus: Image.Image, query: str, summary: str, missing: tuple[str, ...]
) -> None:
    output = ask(pool, bus, query)
    assert (output.summary, output.missing) == (summary, missing)


@pytest.mark.parametrize(("query", "label"), [("cat", "cat"), ("cats", "cat"), ("animal", "animal"), ("kitten", "cat")])
def test_labels_say_what_is_known(pool: ModelPool, photo: Photo, query: str, label: str) -> None:
    assert regions(ask(pool, photo("chelsea"), query)).labels == (label,)


def test_a_kind_is_not_claimed(pool: ModelPool, bus: Image.Image) -> None:
    output = ask(pool, bus, "women in the red dress")
    assert output.summary == "There are four people."
    assert output.uncertain == ("The detector here does not tell women in the red dress from other people.",)


@pytest.mark.parametrize("query", ["lemon", "wheel of the bus", "bus stop", "license plate", "toy bus"])
def test_what_it_cannot_look_for_is_told(pool: ModelPool, bus: Image.Image, query: str) -> None:
    output = ask(pool, bus, query)
    assert len(regions(output)) == 0
    assert output.missing == (query,)
    told = f'I cannot look for "{query}": the detector here knows 80 everyday things, and this is none of them.'
    assert told in output.summary
    remedy = pool.remedy(DETECTION_OPEN_VOCABULARY)
    assert remedy.startswith("visiongpt models pull ")
    assert f"Another model looks for it: {remedy}." in output.summary


def test_a_weak_sight_is_told_and_not_counted(pool: ModelPool, bus: Image.Image) -> None:
    output = ask(pool, bus, "skateboard")
    assert output.missing == ("skateboard",)
    assert output.uncertain[0].startswith("There may be a skateboard, but I am too unsure of it")


@pytest.mark.parametrize(("query", "upper"), [("red motorcycle", True), ("blue motorbike", False)])
def test_a_colour_picks_one_of_two(pool: ModelPool, query: str, upper: bool) -> None:
    motorcycle = Image.open(_skimage("motorcycle_left.png")).convert("RGB")
    red, green, blue = motorcycle.split()
    pair = Image.new("RGB", (motorcycle.width, 2 * motorcycle.height))
    pair.paste(motorcycle, (0, 0))
    pair.paste(Image.merge("RGB", (blue, green, red)), (0, motorcycle.height))
    assert len(regions(ask(pool, pair, "motorcycles"))) == 2
    output = ask(pool, pair, query)
    assert regions(output).labels == (query,)
    assert bool(regions(output).boxes[0][1] < motorcycle.height / 2) is upper
    assert output.uncertain == ()


def _skimage(name: str) -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{name} comes with scikit-image")
    return Path(spec.submodule_search_locations[0]) / "data" / name


def test_counts_and_places_are_facts(pool: ModelPool, bus: Image.Image) -> None:
    facts = ask(pool, bus, "person, bus").facts
    assert facts["counts"] == {"person": 4, "bus": 1}
    assert facts["places"]["bus"] == ["in the middle"]


@pytest.mark.parametrize(
    "image",
    [Image.new("RGB", (1, 1)), Image.new("RGBA", (30, 900)), Image.new("L", (4000, 3000), 200)],
    ids=["tiny", "transparent", "large grey"],
)
def test_empty_pictures_hold_nothing(pool: ModelPool, image: Image.Image) -> None:
    assert ask(pool, image).summary == "I found nothing that the detector here knows."
    assert ask(pool, image, "dog").missing == ("dog",)


def test_a_grey_photo(pool: ModelPool, bus: Image.Image) -> None:
    assert ask(pool, bus.convert("L"), "bus").facts["counts"] == {"bus": 1}


class WordsByNanoDet(NanoDet):
    """An open-vocabulary detector: NanoDet, told the class by the last word of a phrase."""

    card: ClassVar[ModelCard] = replace(
        NanoDet.card, name="words-by-nanodet", jobs=(DETECTION_OPEN_VOCABULARY,), rank=0
    )

    def detect(self, image: Image.Image, nouns: Sequence[str], *, threshold: float) -> Regions:  # type: ignore[override]
        found = super().detect(image, threshold=threshold)
        phrases = {noun.split()[-1]: noun for noun in nouns}
        known = found.select(np.array([label in phrases for label in found.labels], np.bool_))
        return Regions(found.size, known.boxes, tuple(phrases[n] for n in known.labels), known.confidence)


def test_a_detector_of_words_is_asked_for_the_words_as_they_are(bus: Image.Image) -> None:
    pool = ModelPool(Registry(models=[NanoDet, WordsByNanoDet]))
    output = ask(pool, bus, "blue bus in the middle, wheels, the people in the picture")
    assert output.models == ("words-by-nanodet",)
    assert output.summary == "There is one blue bus and four people. I found no wheels."
    assert output.missing == ("wheels",)
    assert output.uncertain == ()
    assert ask(pool, bus).models == ("nanodet-g-416",)
    pool.close()


def test_what_is_wrong_is_noticed() -> None:
    size, box = (100, 100), np.array([[10, 10, 50, 50]], np.float32)
    twice = Regions(size, np.repeat(box, 2, axis=0), ("dog", "dog"), np.array([0.9, 0.2], np.float32))
    output = ToolOutput(twice, "There are two dogs.", facts={"threshold": 0.4})
    problems = detect_objects.problems({"image": Image.new("RGB", size), "query": "cat"}, output)
    assert problems == [
        '"dog" was found, which the query "cat" does not name',
        '"cat" was neither found nor told as missing',
        "a dog was counted twice",
        "a dog has a score below the threshold of 0.40",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "width", "at"), [((4000, 800), 800, (1700, 150)), ((12000, 900), 500, (7300, 300))])
def test_a_cat_in_a_long_picture_is_found(
    pool: ModelPool, photo: Callable[[str], Image.Image], size: tuple[int, int], width: int, at: tuple[int, int]
) -> None:
    cat = photo("chelsea")
    picture = photo("rocket").resize(size)
    picture.paste(cat.resize((width, round(cat.height * width / cat.width))), at)
    found = detect_objects(picture, "cat", models=pool)
    assert isinstance(found.value, Regions)
    assert detect_objects.problems({"image": picture, "query": "cat"}, found, pool) == []
    (box,) = found.value.boxes
    assert abs(box[0] - at[0]) < 0.2 * width
    assert abs(box[2] - at[0] - width) < 0.2 * width


def test_a_large_picture_is_not_said_to_hold_nothing(pool: ModelPool) -> None:
    found = detect_objects(Image.new("RGB", (1700, 900), "grey"), "cat", models=pool)
    assert found.missing == ("cat",)
    assert found.uncertain == ("In so large a picture I may have missed a cat of less than about 54 pixels.",)


@pytest.mark.parametrize(
    "sentence",
    [
        "There is one cup, on the left of the picture.",
        "There are three cups, one on the left and two in the lower right of the picture.",
        "There are two cups, one on the right and one in the lower right of the picture.",
        "There are two cups, both on the left of the picture.",
        "There are two dogs, one on the left and one in the lower right of the picture.",
        "There are two cups and one dog.",
        "I found no cup.",
    ],
)
def test_a_sentence_that_says_otherwise_is_noticed(sentence: str) -> None:
    cups = Regions((90, 90), np.array([[0, 30, 20, 60], [70, 70, 88, 88]]), ("cup", "cup"))
    places = {"cup": ["on the left", "in the lower right"]}
    facts = {"counts": {"cup": 2}, "places": places, "threshold": 0.5, "unsupported": []}
    right = "There are two cups, one on the left and one in the lower right of the picture."
    for told, problems in ((right, []), (sentence, ["the sentence about what was found does not fit it"])):
        output = ToolOutput(cups, told, facts=facts)
        assert detect_objects.problems({"image": Image.new("RGB", (90, 90)), "query": "cup"}, output) == problems


def test_several_at_one_place_are_counted_by_number_alone() -> None:
    counted = _counted({"cup": 3}, {"cup": ["on the left", "on the left", "at the bottom"]})

    assert counted == ["There are three cups, two on the left and one at the bottom of the picture."]


@pytest.mark.parametrize("query", ["bike", "bikes", "red bike"])
def test_the_surer_of_two_things_that_one_word_means_is_told(pool: ModelPool, query: str) -> None:
    """A clear motorcycle is the bike, not the faint bicycle in the dark behind it."""
    photo = Image.open(_skimage("motorcycle_left.png")).convert("RGB")
    found = regions(ask(pool, photo, query))
    motorcycle = regions(ask(pool, photo, "motorcycle"))
    assert len(regions(ask(pool, photo, "bicycle"))) == 1
    assert np.abs(found.boxes - motorcycle.boxes).max() < 1
    assert len(found) == 1
