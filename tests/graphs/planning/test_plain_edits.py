"""Chains of plain edits are read without a model, and nothing else is."""

from __future__ import annotations

import pytest

from tests.graphs.planning.scored import requests_with_plans
from tests.graphs.planning.tool_sets import TRAINED, WHOLE
from visiongpt_agent.graphs.planning.numbers import in_digits
from visiongpt_agent.graphs.planning.plain_edits import read_plainly
from visiongpt_agent.plan_scores import normalised

ONE = ["$1 user photo.jpg 1600x1200"]
TWO = [*ONE, "$2 user photo.jpg 800x600"]


def calls(plan: object) -> list[str]:
    """The calls of a plan without their numbers and images, to read them at a glance."""
    return [
        line.partition(" = ")[2].replace("image=$1, ", "").replace("image=$1", "") for line in str(plan).splitlines()
    ]


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        (
            "make it black and white, then flip it horizontally, then vertically, then horizontally",
            '#1 = adjust_image(image=$1, saturation=0)\n#2 = transform_image(image=#1, flip="horizontal")\n'
            '#3 = transform_image(image=#2, flip="vertical")\n#4 = transform_image(image=#3, flip="horizontal")',
        ),
        (
            "Could you rotate it by 90 degrees counterclockwise, upscale it 2x and remove the background please?",
            "#1 = transform_image(image=$1, rotate=-90)\n#2 = upscale_image(image=#1, scale=2)\n"
            "#3 = remove_background(image=#2)",
        ),
        (
            "first grayscale, next a horizontal flip, next a 90 degree rotation",
            '#1 = adjust_image(image=$1, saturation=0)\n#2 = transform_image(image=#1, flip="horizontal")\n'
            "#3 = transform_image(image=#2, rotate=90)",
        ),
        ("upscale it by 2, then by 3", "#1 = upscale_image(image=$1, scale=2)\n#2 = upscale_image(image=#1, scale=3)"),
        ("resize it to 640 by 480", "#1 = transform_image(image=$1, width=640, height=480)"),
        ("increase the brightness by 20 percent", "#1 = adjust_image(image=$1, brightness=1.2)"),
        ("decrease its contrast by 50%", "#1 = adjust_image(image=$1, contrast=0.5)"),
    ],
)
@pytest.mark.parametrize("tools", [TRAINED, WHOLE], ids=["trained", "whole"])
def test_chains(request_: str, plan: str, tools: dict[str, object]) -> None:
    made = read_plainly(request_, ONE, tools)  # type: ignore[arg-type]

    assert str(made) == plan


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("give me a version at half the size", ["transform_image(scale=0.5)"]),
        ("shrink it to 50%", ["transform_image(scale=0.5)"]),
        ("reduce it by 75 %", ["transform_image(scale=0.25)"]),
        ("make it sepia", ['adjust_image(look="sepia")']),
        ("make the picture warmer", ['adjust_image(look="warm")']),
        ("turn it into a negative", ['adjust_image(look="negative")']),
        ("invert the colours", ['adjust_image(look="negative")']),
        ("crop it to a square", ['transform_image(aspect="1:1")']),
        ("crop to 16:9", ['transform_image(aspect="16:9")']),
        ("crop each parrot separately", ['detect_objects(query="parrot")', "crop_regions(regions=#1, each=true)"]),
        ("find the heron and highlight it", ['detect_objects(query="heron")', "highlight_regions(regions=#1)"]),
        ("highlight the exit signs", ['detect_objects(query="exit sign")', "highlight_regions(regions=#1)"]),
        (
            "keep only the kettle",
            ['detect_objects(query="kettle")', "segment_objects(regions=#1)", "remove_background(regions=#2)"],
        ),
        (
            "I want the violin and nothing else",
            ['detect_objects(query="violin")', "segment_objects(regions=#1)", "remove_background(regions=#2)"],
        ),
        (
            "black out the number plates",
            ['detect_objects(query="number plate")', 'blur_regions(regions=#1, method="black")'],
        ),
        ("pixelate the faces", ["detect_faces()", 'blur_regions(regions=#1, method="pixelate")']),
        ("black out the faces", ["detect_faces()", 'blur_regions(regions=#1, method="black")']),
        ("write 'HELLO' on it", ['add_text(text="HELLO")']),
        ('write "Happy Birthday, Tom" at the top', ['add_text(text="Happy Birthday, Tom", position="top")']),
        ("what else is there besides the dog?", ["detect_objects()"]),
    ],
)
def test_what_came_after_the_training(request_: str, expected: list[str]) -> None:
    made = read_plainly(request_, ONE, WHOLE)

    assert made is not None
    made.check(WHOLE, 1)
    assert calls(made) == expected


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        ("put them side by side", "#1 = combine_images(image=$1, other=$2)"),
        ("stack the two pictures", '#1 = combine_images(image=$1, other=$2, layout="stacked")'),
    ],
)
def test_two_pictures_in_one(request_: str, plan: str) -> None:
    assert str(read_plainly(request_, TWO, WHOLE)) == plan
    assert read_plainly(request_, ONE, WHOLE) is None
    assert read_plainly(request_, TWO, TRAINED) is None


def test_without_a_factor_the_size_is_in_pixels() -> None:
    assert str(read_plainly("half the size", ONE, TRAINED)) == "#1 = transform_image(image=$1, width=800)"
    assert read_plainly("half the size", [*ONE, "$2 result of inpaint"], TRAINED) is None


def test_a_follow_up_works_on_the_newest_image() -> None:
    made = read_plainly("flip it vertically", [*ONE, "$2 result of inpaint"], TRAINED)

    assert str(made) == '#1 = transform_image(image=$2, flip="vertical")'


@pytest.mark.parametrize(
    "request_",
    [
        *(
            "flip the car vertically",
            "make the wall black and white",
            "make it brighter and sharpen it",
            "remove the dog",
        ),
        *("flip it, then find the dog", "upscale it by 20", "rotate", "", "then", "shrink it to 150%", "keep only it"),
        *(
            *("highlight the difference", "pixelate the picture", "black out this photo", "keep only the image"),
            "mark the scratches",
            "flip it if it is upside down",
            "crop it to the square table",
            "crop each cup separately, then flip it",
        ),
    ],
)
def test_what_may_mean_something_else_goes_to_the_model(request_: str) -> None:
    assert read_plainly(request_, ONE, WHOLE) is None


def test_of_several_pictures_none_is_guessed() -> None:
    assert read_plainly("flip it", TWO, WHOLE) is None
    assert read_plainly("flip it", [], WHOLE) is None


def test_what_is_read_is_what_was_written_for_it() -> None:
    read = [
        (request, normalised(made, TRAINED), normalised(plan, TRAINED))
        for request, images, plan in requests_with_plans()
        if (made := read_plainly(in_digits(request), images, TRAINED))
    ]

    assert len(read) >= 10
    assert [request for request, made, plan in read if made != plan] == []
