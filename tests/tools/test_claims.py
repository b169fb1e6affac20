"""Postconditions judge what a result claims: what is right is not refused for looking unusual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.adjust_image import adjust_image
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.detect_faces import detect_faces
from visiongpt_agent.tools.detect_objects import detect_objects
from visiongpt_agent.tools.segment_objects import segment_objects

Photo = Callable[[str], Image.Image]


@pytest.mark.parametrize(
    ("picture", "query", "labels", "told"),
    [
        ("astronaut", "man, woman", ("person",), "There is one person, in the middle of the picture."),
        ("astronaut", "adult, child", ("person",), "There is one person, in the middle of the picture."),
        ("chelsea", "cat, kitten", ("cat",), "There is one cat, in the middle of the picture."),
        ("chelsea", "cat, animal", ("cat",), "There is one cat, in the middle of the picture."),
        ("chelsea", "animal, cat", ("cat",), "There is one cat, in the middle of the picture."),
    ],
)
def test_two_words_for_one_thing_are_one_thing(
    picture: str, query: str, labels: tuple[str, ...], told: str, pool: ModelPool, photo: Photo
) -> None:
    output = detect_objects(photo(picture), query, models=pool)
    assert isinstance(output.value, Regions)

    assert output.value.labels == labels
    assert output.summary == told
    assert output.missing == ()
    assert detect_objects.problems({"image": photo(picture), "query": query}, output, pool) == []


def test_people_under_two_words_are_counted_once(pool: ModelPool, bus: Image.Image) -> None:
    output = detect_objects(bus, "men, women, bus", models=pool)

    assert output.facts["counts"] == {"person": 4, "bus": 1}
    assert detect_objects.problems({"image": bus, "query": "men, women, bus"}, output, pool) == []


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("grey", "The picture is black and white already, so it stays as it is."),
        ("clear", "The picture is black and white already, so it stays as it is."),
    ],
)
def test_a_grey_picture_may_be_made_grey(mode: str, told: str, photo: Photo) -> None:
    grey = photo("chelsea").convert("L").convert("RGB")
    if mode == "clear":
        grey.putalpha(Image.linear_gradient("L").resize(grey.size).point(lambda alpha: max(1, alpha)))
    output = adjust_image(grey, saturation=0)

    assert output.summary == told
    assert adjust_image.problems({"image": grey, "saturation": 0.0}, output) == []


def test_more_light_on_black_changes_nothing_and_says_so() -> None:
    black = Image.new("RGB", (40, 30))
    output = adjust_image(black, brightness=2)

    assert output.summary == "I made the picture 100 % brighter, which changes nothing in it."
    assert adjust_image.problems({"image": black, "brightness": 2.0}, output) == []


def test_a_change_that_was_not_made_is_still_found(photo: Photo) -> None:
    image = photo("chelsea")
    lie = ToolOutput(image, "I made the picture 1 % brighter.", facts={"brightness": 1.01})

    assert adjust_image.problems({"image": image, "brightness": 1.01}, lie) == ["nothing changed"]


def test_outlines_that_were_handed_in_are_judged_as_those(pool: ModelPool, photo: Photo) -> None:
    image, mask = photo("chelsea"), np.zeros((300, 451), np.bool_)
    mask[40:90, 60:140] = True  # beside every edge of the picture
    anomaly = Regions.from_masks(mask[None], ["anomaly"])
    output = segment_objects(image, anomaly, models=pool)

    assert segment_objects.problems({"image": image, "regions": anomaly}, output, pool) == []
    other = Regions.from_masks(np.roll(mask, 3, axis=0)[None], ["anomaly"])
    moved = replace(output, value=Regions(other.size, anomaly.boxes, ("anomaly",), None, other.masks))
    assert "the outlines are not those that were given" in segment_objects.problems(
        {"image": image, "regions": anomaly}, moved, pool
    )


@pytest.mark.slow
def test_people_without_a_face_are_counted(pool: ModelPool, photo: Photo) -> None:
    facts = detect_faces(photo("astronaut"), models=pool).facts
    assert (facts["people"], facts["faceless"]) == (1, 0)

    headless = photo("astronaut").copy()
    headless.paste((90, 90, 90), (140, 0, 320, 200))
    output = detect_faces(headless, models=pool)
    assert output.facts["count"] == 0
    assert output.facts["faceless"] == output.facts["people"]
