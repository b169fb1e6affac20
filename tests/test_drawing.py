"""Regions drawn on pictures: the marks are where the regions are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visiongpt_agent.drawing import PALETTE, draw_regions
from visiongpt_agent.errors import InputError
from visiongpt_agent.regions import Regions

GREY = (128, 128, 128)


def rgb(code: str) -> tuple[int, ...]:
    return tuple(int(code[i : i + 2], 16) for i in (1, 3, 5))


def drawn(regions: Regions) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(draw_regions(Image.new("RGB", regions.size, GREY), regions))


def test_a_box_is_outlined_and_its_inside_stays() -> None:
    picture = drawn(Regions((400, 300), np.array([[100, 80, 300, 220]]), ("dog",)))
    assert tuple(picture[150, 100]) == rgb(PALETTE[0])
    assert tuple(picture[220, 200]) == rgb(PALETTE[0])
    assert tuple(picture[150, 200]) == GREY
    assert tuple(picture[290, 10]) == GREY


def test_one_colour_for_one_label() -> None:
    boxes = np.array([[20, 100, 80, 200], [120, 100, 180, 200], [220, 100, 280, 200]])
    picture = drawn(Regions((400, 300), boxes, ("dog", "cat", "dog")))
    first, second, third = (tuple(picture[150, x]) for x in (20, 120, 220))
    assert first == third != second


def test_a_mask_is_tinted_and_what_is_outside_it_is_not() -> None:
    mask = np.zeros((1, 300, 400), np.bool_)
    mask[0, 100:200, 150:250] = True
    picture = drawn(Regions.from_masks(mask, ("dog",)))
    assert tuple(picture[180, 200]) != GREY
    assert tuple(picture[250, 200]) == GREY


def test_labels_at_one_place_do_not_cover_each_other() -> None:
    """Two labels of two colours at the same corner: both grounds are there in full height."""
    box = [[100, 100, 300, 250]]
    one = drawn(Regions((400, 300), np.array(box), ("aa",)))
    two = drawn(Regions((400, 300), np.array(box * 2), ("aa", "bb")))
    ground = (one == rgb(PALETTE[0])).all(axis=2).sum()
    for colour in PALETTE[:2]:
        assert (two == rgb(colour)).all(axis=2)[:150].sum() > 0.4 * (one == rgb(PALETTE[0])).all(axis=2)[:150].sum()
    assert ground > 0


def test_no_regions_leave_the_picture_as_it_is() -> None:
    assert (drawn(Regions((40, 30))) == 128).all()


def test_the_picture_handed_in_is_not_drawn_on() -> None:
    picture = Image.new("RGB", (100, 100), GREY)
    draw_regions(picture, Regions((100, 100), np.array([[10, 10, 90, 90]])))
    assert picture.getextrema() == ((128, 128),) * 3


def test_regions_of_another_picture_are_refused() -> None:
    with pytest.raises(InputError, match="40x30"):
        draw_regions(Image.new("RGB", (30, 40)), Regions((40, 30)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.lists(st.text(max_size=12), max_size=4))
def test_any_size_and_any_label_can_be_drawn(width: int, height: int, labels: list[str]) -> None:
    boxes = np.tile(np.array([[0, 0, width, height]], np.float32), (len(labels), 1))
    result = draw_regions(Image.new("RGBA", (width, height)), Regions((width, height), boxes, tuple(labels)))
    assert (result.mode, result.size) == ("RGB", (width, height))
