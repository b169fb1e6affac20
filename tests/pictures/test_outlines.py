"""Outlines of masks: what a reader of polygons gets back, by two ways of filling them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.pictures.outlines import Part, Polygon, parts, single_path
from visiongpt_agent.regions import BoolArray

H, W = 300, 400
ROWS, COLUMNS = np.mgrid[:H, :W]
AWAY = np.hypot(ROWS - 150, COLUMNS - 250)


def blank() -> BoolArray:
    return np.zeros((H, W), np.bool_)


def halves() -> BoolArray:
    mask = blank()
    mask[50:250, 20:60] = mask[50:250, 80:120] = True
    return mask


def corner() -> BoolArray:
    """A quarter of a disc that lies in the lower right corner, with a hole that opens to the border."""
    mask = np.asarray(np.hypot(ROWS - H, COLUMNS - W) < 150)
    mask[280:, 360:380] = False
    return mask


def speckled() -> BoolArray:
    mask = np.asarray(AWAY < 80)
    mask[::7, ::7] = False
    return mask


SHAPES: dict[str, Callable[[], BoolArray]] = {
    "ring": lambda: (AWAY < 80) & (AWAY > 40),
    "two parts": halves,
    "at the border": corner,
    "all": lambda: np.ones((H, W), np.bool_),
    "rings in a ring": lambda: ((AWAY < 140) & (AWAY > 110)) | ((AWAY < 80) & (AWAY > 50)) | (AWAY < 20),
    "many holes": speckled,
}


def likeness(one: BoolArray, other: BoolArray) -> float:
    return float((one & other).sum() / (one | other).sum())


def filled(path: Polygon, whole: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.float64]]], object]) -> BoolArray:
    canvas = np.zeros((H, W), np.uint8)
    cv2.fillPoly(canvas, [np.asarray(whole(np.array(path)), np.int32)], 1)
    return canvas.astype(np.bool_)


def inside(part: Part) -> BoolArray:
    """The pixels whose centres lie in a part: rasterised eight times as large, looked up at the centres."""
    canvas = Image.new("1", (W * 8, H * 8))
    for polygon in (part.outline, *part.holes):
        ImageDraw.Draw(canvas).polygon([(x * 8, y * 8) for x, y in polygon], fill=int(polygon is part.outline))
    return np.asarray(canvas)[4::8, 4::8]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("whole", [np.round, np.trunc], ids=["rounded", "truncated"])
def test_one_path_holds_every_part_and_hole(
    name: str, whole: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.float64]]], object]
) -> None:
    mask = SHAPES[name]()
    assert likeness(filled(single_path(mask), whole), mask) > 0.98


@pytest.mark.parametrize("name", SHAPES)
def test_parts_and_their_holes_are_the_mask(name: str) -> None:
    mask, seen = SHAPES[name](), blank()
    for part in parts(mask):
        seen |= inside(part)
    assert likeness(seen, mask) > 0.98


def test_parts_are_ordered_by_their_size_and_told_apart() -> None:
    mask = halves()
    mask[50:250, 100:120] = False
    first, second = parts(mask)
    assert max(x for x, _ in first.outline) < 60 < 80 < min(x for x, _ in second.outline)
    assert parts(blank()) == []
    assert single_path(blank()) == []


def test_round_things_take_few_corners_within_the_tolerance() -> None:
    disc = AWAY < 120
    (every,), (few,), (fewer,) = parts(disc, 0), parts(disc), parts(disc, 3)
    assert len(fewer.outline) < len(few.outline) < 70 < 400 < len(every.outline)
    for x, y in few.outline:
        assert np.hypot(x - 250.5, y - 150.5) == pytest.approx(120, abs=1.5)


def test_the_smallest_things_have_an_outline_too() -> None:
    for size in ((1, 1), (1, 20), (2, 2)):
        mask = blank()
        mask[7 : 7 + size[0], 9 : 9 + size[1]] = True
        (part,) = parts(mask)
        assert len(part.outline) >= 3
        assert np.array_equal(inside(part), mask)
        assert len(single_path(mask)) >= 3
        assert np.array_equal(filled(single_path(mask), np.round), mask)


def test_a_speck_far_away_is_not_worth_a_line_to_it() -> None:
    mask = blank()
    mask[100:200, 100:200] = mask[10, 390] = True
    assert np.array_equal(filled(single_path(mask), np.round), mask & (COLUMNS < 300))
    assert len(parts(mask)) == 2
