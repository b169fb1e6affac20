"""Frames of an aspect: which words name one, how large it is, and where it lies."""

from __future__ import annotations

import numpy as np
import pytest

from visiongpt_agent.pictures.framing import aspect_ratio, best_frame, size_of_aspect


@pytest.mark.parametrize(
    ("words", "ratio"),
    [("16:9", 16 / 9), ("4x5", 0.8), (" 3 / 2 ", 1.5), ("1.91:1", 1.91), ("16 by 9", 16 / 9), ("Square", 1.0)],
)
def test_words_for_an_aspect(words: str, ratio: float) -> None:
    assert aspect_ratio(words) == pytest.approx(ratio)


@pytest.mark.parametrize("words", ["", "wide", "16", "0:1", "1:0", "30:1", "1:2:3", "-1:2"])
def test_words_for_none(words: str) -> None:
    assert aspect_ratio(words) is None


@pytest.mark.parametrize(
    ("size", "ratio", "expected"),
    [
        ((600, 400), 1.0, (400, 400)),
        ((600, 400), 2.0, (600, 300)),
        ((600, 400), 1.5, (600, 400)),
        ((3, 1), 0.1, (1, 1)),
    ],
)
def test_the_largest_frame(size: tuple[int, int], ratio: float, expected: tuple[int, int]) -> None:
    assert size_of_aspect(size, ratio) == expected


def test_a_frame_lies_around_what_weighs_most() -> None:
    weights = np.zeros((40, 100), np.float32)
    assert best_frame(weights, (40, 40)) == (30, 0, 70, 40)
    weights[10:20, 80:90] = 1
    assert best_frame(weights, (40, 40)) == (60, 0, 100, 40)  # in the middle of the frame as far as the picture goes
    weights[10:20, 5:10] = 0.5
    assert best_frame(weights, (40, 40)) == (50, 0, 90, 40)  # what does not fit in does not count, but draws
