"""Strings of a plan keep to the request's words."""

from __future__ import annotations

import pytest

from visiongpt_agent.llm.copying import RequestWords

REQUEST = (
    "Images: $1 user photo.jpg 10x10\n"
    "Request: How many neutrophils and wine glasses? And the cable's shadow, in sage-green"
)


@pytest.mark.parametrize(
    ("line", "token", "leaves"),
    [
        ('#1 = detect_objects(image=$1, query="neutr', "ophil", False),
        ('#1 = detect_objects(image=$1, query="neutr', "on", True),
        ('#1 = detect_objects(image=$1, query="neutrophil', '")', False),
        ('#1 = detect_objects(image=$1, query="neutro', '")', True),
        ('#1 = detect_objects(image=$1, query="', "wine", False),
        ('#1 = detect_objects(image=$1, query="wine', " glass", False),
        ('#1 = detect_objects(image=$1, query="wine', " rack", True),
        ('#1 = detect_objects(image=$1, query="neutrophil', ", wine", False),
        ('#1 = detect_objects(image=$1, query="cable', "'s", False),
        ('#1 = recolor_regions(image=$1, regions=#1, color="', "green", False),
        ('#1 = edit_image(image=$1, instruction="', "make", False),
        ('#1 = edit_image(image=$1, instruction="', "paint", True),
        ('#1 = detect_objects(image=$1, query="zeb', "ra", False),  # it left with its first letters
        ('#1 = detect_objects(image=$1, query="', "Neutro", False),
    ],
)
def test_a_token_leaves_the_request_or_not(line: str, token: str, leaves: bool) -> None:
    words = RequestWords(REQUEST)

    assert words.leaves(line, token) is leaves
    assert (words.penalty(line, token) > 0) is leaves


@pytest.mark.parametrize(
    "line",
    ['#1 = detect_objects(image=$1, query="dog", ', "#1 = upscale_image(image=$1", 'decline(reason="no'],
)
def test_elsewhere_there_is_nothing_to_copy(line: str) -> None:
    assert RequestWords(REQUEST).penalty(line, "zebra") == 0


def test_arguments_that_quote_keep_to_the_request_more_strictly() -> None:
    words = RequestWords(REQUEST)

    label = words.penalty('#1 = classify_image(image=$1, labels=["wine", "', "zebra")
    instruction = words.penalty('#1 = edit_image(image=$1, instruction="', "zebra")

    assert label > instruction > 0
