from __future__ import annotations

import numpy as np
import pytest

from visiongpt_agent.pictures.tiles import Window, starts, windows


@pytest.mark.parametrize("size", [(100, 100), (640, 480), (333, 1000), (12000, 900), (1, 1)])
@pytest.mark.parametrize("side", [64.0, 480.0])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5])
def test_every_pixel_is_covered_and_neighbours_overlap(size: tuple[int, int], side: float, overlap: float) -> None:
    for length in size:
        places = starts(length, side, overlap)
        assert min(places) <= 0
        assert max(places) + side >= length
        assert (np.diff(places) <= side * (1 - overlap) + 1e-6).all()
    assert len(windows(size, side, overlap)) == len(starts(size[0], side, overlap)) * len(
        starts(size[1], side, overlap)
    )


def test_a_window_that_is_larger_than_the_picture_has_it_in_the_middle() -> None:
    assert windows((100, 60), 100, 0.5) == [Window(0, -20, 100)]


def test_a_window_round_a_box() -> None:
    assert Window.around((10, 20, 30, 30), 2) == Window(0, 5, 40)
