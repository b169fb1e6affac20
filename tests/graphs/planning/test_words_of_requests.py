"""What is read out of a request's words before a model: digits, file names, questions about files, what cannot be."""

from __future__ import annotations

import pytest

from tests.graphs.planning.scored import requests_with_plans
from visiongpt_agent.graphs.planning.file_facts import asks_about_file
from visiongpt_agent.graphs.planning.file_names import without_paths
from visiongpt_agent.graphs.planning.numbers import in_digits
from visiongpt_agent.graphs.planning.unworkable import unworkable


@pytest.mark.parametrize(
    ("request_", "digits"),
    [
        ("resize to 1,920 by 1,080", "resize to 1920 by 1080"),
        ("a loan of 1,500,000 over 25 years", "a loan of 1500000 over 25 years"),
        ("turn it forty-five degrees", "turn it 45 degrees"),
        ("a hundred and eighty degrees", "180 degrees"),
        ("two hundred percent", "200 percent"),
        ("ninety degrees clockwise", "90 degrees clockwise"),
        ("rotate 1,5 degrees", "rotate 1,5 degrees"),
        ("the points 10,20 and 1,234,5", "the points 10,20 and 1,234,5"),
        ("three times", "three times"),
        ("twenty dogs", "twenty dogs"),
    ],
)
def test_digits(request_: str, digits: str) -> None:
    assert in_digits(request_) == digits


@pytest.mark.parametrize(
    ("request_", "names", "plain"),
    [
        ("segment the objects in resources/x.png", ["x.png"], "segment the objects in the picture"),
        ("compare /home/me/a.png and 'C:\\b\\b.png'", ["a.png", "b.png"], "compare $1 and $2"),
        ("count the dogs in the file photos/dog.jpg, please", ["dog.jpg"], "count the dogs in the picture, please"),
        ("is it 1/2 full?", ["photo.jpg"], "is it 1/2 full?"),
        ("crop other/x.png.bak", ["x.png"], "crop other/x.png.bak"),
        ("crop other/y.png", ["x.png"], "crop other/y.png"),
    ],
)
def test_file_names(request_: str, names: list[str], plain: str) -> None:
    images = [f"${k} user {name} 640x480" for k, name in enumerate(names, 1)]

    assert without_paths(request_, images) == plain


@pytest.mark.parametrize(
    "request_",
    [
        *(
            "what are the dimensions of this image?",
            "What format is it?",
            "how many pixels does it have",
            "how wide is it",
        ),
        *(
            "is this a png or a jpeg?",
            "what's the resolution of the photo",
            "tell me the file type",
            "aspect ratio of $1",
        ),
    ],
)
def test_questions_about_the_file(request_: str) -> None:
    assert asks_about_file(request_) is (request_ != "aspect ratio of $1")


@pytest.mark.parametrize(
    "request_",
    ["how big is the dog?", "what size is the shoe", "is this a dog?", "resize it to its format", "how many dogs"],
)
def test_questions_about_what_it_shows(request_: str) -> None:
    assert not asks_about_file(request_)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ("upscale it by -2", "nothing can be scaled by -2"),
        ("enlarge by minus 3", "nothing can be scaled by -3"),
        ("resize it to 0 by 0", "nothing can be scaled by 0"),
        ("aaaaaaaaaaaa", "no words"),
        ("[[]] (((", "no words"),
        ("?????", "no words"),
        ("4x", ""),
        ("b&w", ""),
        ("放大", ""),
        ("scale it to 0.5", ""),
        ("upscale it by 2-4 times", ""),
        ("rotate it by -2 degrees", ""),
    ],
)
def test_what_cannot_be(request_: str, why: str) -> None:
    assert why in unworkable(request_)
    assert bool(unworkable(request_)) is bool(why)


def test_no_request_that_can_be_carried_out_is_refused() -> None:
    refused = [r for r, _, plan in requests_with_plans() if not plan.control and (unworkable(r) or asks_about_file(r))]

    assert refused == []
