"""A plan works on the image that its request names."""

from __future__ import annotations

import pytest

from tests.graphs.planning.scored import requests_with_plans
from visiongpt_agent.graphs.planning.named_images import image_named, on_named_image
from visiongpt_agent.plan import parse_plan

IMAGES = ["$1 user cat.jpg 640x480", "$2 result of remove_background", "$3 result of upscale_image"]


@pytest.mark.parametrize(
    ("request_", "number"),
    [
        ("make the original brighter", 1),
        ("go back to the very first image and count the cats", 1),
        ("flip the first result", 2),
        ("blur the faces in the second result", 3),
        ("sharpen the latest version", 3),
        ("crop $2 to the cat", 2),
        ("compare $1 with $2", 0),
        ("compare the original with the first result", 0),
        ("flip the fourth result", 0),
        ("restore the original colours", 0),
        ("flip it", 0),
        ("it costs $40", 0),
    ],
)
def test_which_image_is_named(request_: str, number: int) -> None:
    assert image_named(request_, IMAGES) == number


def test_of_two_pictures_none_is_the_original() -> None:
    assert image_named("make the original brighter", ["$1 user a.jpg 8x8", "$2 user b.jpg 8x8"]) == 0


def test_a_plan_on_another_image_is_led_to_it() -> None:
    plan = parse_plan('#1 = detect_objects(image=$3, query="cat")\n#2 = crop_regions(image=$3, regions=#1)')
    led = parse_plan('#1 = detect_objects(image=$2, query="cat")\n#2 = crop_regions(image=$2, regions=#1)')
    two = parse_plan("#1 = compare_images(image=$1, other=$3)")

    assert on_named_image(plan, "crop the first result to the cat", IMAGES) == led
    assert on_named_image(two, "how does the first result differ?", IMAGES) == two


def test_no_plan_that_is_right_is_changed() -> None:
    changed = [
        request for request, images, plan in requests_with_plans() if on_named_image(plan, request, images) != plan
    ]

    assert changed == []
