"""Images that are named and not there are told from those that are, and from pictures within a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visiongpt_agent.graphs.planning.missing_images import missing_image
from visiongpt_agent.plan import parse_plan
from visiongpt_agent.training.examples import written_examples

PLANNING = Path(__file__).parents[2] / "planning"


@pytest.mark.parametrize(
    ("request_", "images", "missing"),
    [
        ("crop the puppy in the third picture", 2, "third"),
        ("Blur the plate in the 4th photo, please.", 3, "fourth"),
        ("the third and fifth photos, side by side", 4, "fifth"),
        ("in picture six there's a marshal", 2, "sixth"),
        ("take photo number 3 and crop it", 2, "third"),
        ("third pic: where is teddy", 2, "third"),
        ("use picture 2 as the backdrop", 1, "second"),
        ("photo no. 12: brighter", 2, "12th"),
        ("sharpen the 22nd photo", 2, "22nd"),
        ("what does it say in image 2?", 1, "second"),
        ("compare the second scan with the first", 1, "second"),
    ],
)
def test_an_image_that_is_not_there(request_: str, images: int, missing: str) -> None:
    assert missing_image(request_, images) == missing


@pytest.mark.parametrize(
    ("request_", "images"),
    [
        ("crop the puppy in the third picture", 3),
        ("crop the puppy in the third picture", 0),
        ("count the chairs in the third row", 1),
        ("straighten the third picture from the left", 1),
        ("is the third picture on the wall crooked?", 1),
        ("the second picture frame, recolour it", 1),
        ("make a second picture of a fox", 1),
        ("picture 3 dogs on a beach", 1),
        ("in the picture 3 cats sit on a wall", 1),
        ("this cost $40, crop to the $5.99 label", 1),
        ("the third one, please", 1),
        ("a photo for the second edition", 1),
        ("image no background", 1),
        ("turn the photo 9 degrees, then the photo 90 clockwise", 1),
        ("scale the image 2x and the photo 4 times", 1),
        ("", 1),
    ],
)
def test_nothing_is_missed(request_: str, images: int) -> None:
    assert missing_image(request_, images) == ""


def test_requests_that_can_be_carried_out_miss_none() -> None:
    written = [(example.request, len(example.images), example.plan) for example in written_examples()]
    lines = [json.loads(line) for path in PLANNING.glob("*_requests.jsonl") for line in path.read_text().splitlines()]
    asked = [(line["request"], len(line["images"]), parse_plan(line["plan"])) for line in lines]

    wrong = [
        request for request, images, plan in [*written, *asked] if missing_image(request, images) and not plan.control
    ]

    assert wrong == []
