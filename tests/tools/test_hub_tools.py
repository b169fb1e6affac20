"""Postconditions of the tools whose models come from a hub, and what they refuse before any model is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import sentence
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.generate_with_control import edges, skeletons

Photo = Callable[[str], Image.Image]
JOBS = {
    "estimate_depth": "depth",
    "estimate_pose": "pose",
    "generate_image": "generation.text_to_image",
    "generate_with_control": "generation.control",
    "edit_image": "editing.instruct",
}


@pytest.mark.parametrize(("tool", "job"), JOBS.items())
def test_hidden_where_no_model_is_here(pool: ModelPool, tool: str, job: str) -> None:
    spec = catalog()[tool]
    assert spec.usable(pool) == pool.has(job)
    assert (job in spec.lacks(pool) or "pull" in spec.lacks(pool)) != pool.has(job)


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("answer_question", {"question": " "}),
        ("generate_image", {"prompt": ""}),
        ("generate_with_control", {"prompt": " \n"}),
        ("edit_image", {"instruction": ""}),
    ],
)
def test_empty_words_are_refused(pool: ModelPool, photo: Photo, tool: str, args: dict[str, Any]) -> None:
    if tool != "generate_image":
        args = {"image": photo("coffee"), **args}
    with pytest.raises(ToolError, match=r"say what|no question"):
        catalog()[tool](**args, models=pool)


def grey_ramp(image: Image.Image) -> Image.Image:
    return Image.linear_gradient("L").resize(image.size).convert("RGB")


def flat(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size, "grey")


def tiny(image: Image.Image) -> Image.Image:
    return image.resize((10, 10))


def same(image: Image.Image) -> Image.Image:
    return image


def brighter(image: Image.Image) -> Image.Image:
    return image.point(lambda value: min(255, value + 40))


@pytest.mark.parametrize(
    ("tool", "make", "message"),
    [
        ("estimate_depth", grey_ramp, ""),
        ("estimate_depth", flat, "equally far"),
        ("estimate_depth", same, "not grey"),
        ("estimate_depth", tiny, "10x10"),
        ("generate_image", same, ""),
        ("generate_image", flat, "flat"),
        ("generate_with_control", brighter, ""),
        ("generate_with_control", same, "as it did before"),
        ("generate_with_control", flat, "flat"),
        ("generate_with_control", grey_ramp, "edges of the picture are not kept"),
        ("generate_with_control", tiny, "10x10"),
        ("edit_image", brighter, ""),
        ("edit_image", same, "as it did before"),
        ("edit_image", flat, "flat"),
        ("edit_image", tiny, "10x10"),
    ],
)
def test_pictures(photo: Photo, tool: str, make: Callable[[Image.Image], Image.Image], message: str) -> None:
    image = photo("astronaut")
    found = catalog()[tool].problems({"image": image}, ToolOutput(make(image), ""))
    assert any(message in problem for problem in found) if message else found == []


@pytest.mark.parametrize(
    ("tool", "value", "message"),
    [
        ("caption_image", "A cat on a sofa.", ""),
        ("caption_image", " . ", "empty"),
        ("caption_image", "a cat a cat a cat a cat", "repeats itself"),
        ("answer_question", "red", ""),
        ("answer_question", "", "empty"),
        ("answer_question", "What is this?", "only repeats the question"),
    ],
)
def test_words(tool: str, value: str, message: str) -> None:
    told = f"The picture shows this: {value}" if tool == "caption_image" else sentence(value)
    found = catalog()[tool].problems({"question": "what is this?"}, ToolOutput(value, told))
    assert any(message in problem for problem in found) if message else found == []


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        ([[{"name": "nose", "x": 50, "y": 30, "score": 0.9}]], ""),
        ([], "joints of 0"),
        ([[{"name": "nose", "x": 300, "y": 200, "score": 0.9}]], "outside the person"),
    ],
)
def test_poses(keypoints: list[list[dict[str, Any]]], message: str) -> None:
    image = Image.new("RGB", (400, 300))
    person = Regions(image.size, np.array([[10, 10, 110, 210]], np.float32), ("person",))
    found = catalog()["estimate_pose"].problems(
        {"image": image}, ToolOutput(person, "I found those of one person.", facts={"keypoints": keypoints})
    )
    assert any(message in problem for problem in found) if message else found == []


def test_edges_are_thin_white_lines(photo: Photo) -> None:
    drawn = np.asarray(edges(photo("astronaut")))
    assert set(np.unique(drawn)) == {0, 255}
    assert 0.02 < (drawn > 0).mean() < 0.3
    assert not np.asarray(edges(Image.new("RGB", (40, 40), "teal"))).any()


def test_edges_of_a_large_picture_survive_reduction(photo: Photo) -> None:
    large = photo("astronaut").resize((3000, 3000))
    drawn = edges(large)
    assert drawn.size == large.size
    assert (np.asarray(drawn.resize((512, 512)).convert("L")) > 128).mean() > 0.02


def test_skeletons_have_the_colours_of_openpose() -> None:
    places = {"left shoulder": (300, 100), "right shoulder": (100, 100), "right elbow": (100, 300), "nose": (200, 20)}
    person: list[dict[str, float | str]] = [{"name": name, "x": x, "y": y} for name, (x, y) in places.items()]
    drawn = skeletons([person], (512, 512))
    assert drawn.getpixel((150, 100)) == (153, 0, 0)  # neck to right shoulder, the first bone: red at 60 %
    assert drawn.getpixel((100, 200)) == (153, 102, 0)  # right shoulder to elbow, the third
    assert drawn.getpixel((200, 20)) == (255, 0, 0)  # the nose, the first joint
    assert drawn.getpixel((200, 100)) == (255, 85, 0)  # the neck, the second, midway between the shoulders
    assert drawn.getpixel((400, 400)) == (0, 0, 0)
