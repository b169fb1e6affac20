from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.pictures.cutting import (
    fit,
    outline_from_edges,
    outline_from_matte,
    padded,
    spread,
    tidied,
    without_others,
)
from visiongpt_agent.regions import BoolArray

SIZE = (300, 200)


def disc(x: int, y: int, radius: int) -> BoolArray:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2, np.bool_)


def iou(one: BoolArray, other: BoolArray) -> float:
    return float((one & other).sum() / (one | other).sum())


def box(*sides: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(sides, np.float32)


def test_a_box_is_padded_within_the_picture() -> None:
    assert padded(box(10, 20, 110, 60), SIZE, 0.3) == (0, 8, 140, 72)


def test_a_thing_reaches_out_of_a_box_that_is_too_small() -> None:
    thing = disc(150, 100, 60)
    frame = (60, 20, 240, 200)
    matte = thing[20:200, 60:240].astype(np.float32)
    mask = outline_from_matte(matte, frame, box(100, 50, 195, 150), SIZE)
    assert iou(mask, thing) == 1


def test_grey_noise_round_a_thing_is_not_the_thing() -> None:
    thing = disc(150, 100, 50)
    noise = np.random.default_rng(0).uniform(0, 0.6, (SIZE[1], SIZE[0])).astype(np.float32)
    mask = outline_from_matte(np.where(thing, 1, noise).astype(np.float32), (0, 0, *SIZE), box(98, 48, 202, 152), SIZE)
    assert iou(mask, thing) > 0.95


def test_another_thing_beside_the_box_is_left_out() -> None:
    thing, other = disc(80, 100, 40), disc(230, 100, 40)
    mask = outline_from_matte((thing | other).astype(np.float32), (0, 0, *SIZE), box(38, 58, 122, 142), SIZE)
    assert iou(mask, thing) == 1


def test_islands_go_and_small_holes_close() -> None:
    thing = disc(100, 100, 60)
    mask = thing.copy()
    mask[95:100, 95:100] = False
    mask[10:14, 280:284] = True
    assert (tidied(mask) == thing).all()


def test_a_cup_on_a_saucer_of_its_colour_is_bounded_by_the_edge_between_them() -> None:
    image = Image.new("RGB", SIZE, (90, 60, 40))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 10, 260, 190), fill=(170, 40, 30))
    draw.ellipse((95, 45, 205, 155), fill=(170, 40, 30), outline=(90, 15, 10), width=3)
    mask = outline_from_edges(image, box(92, 42, 208, 158))
    assert iou(mask, disc(150, 100, 55)) > 0.9  # the edge is three pixels wide


@pytest.mark.parametrize("sides", [(10, 10, 12, 11), (0, 0, 1, 1)])
def test_a_speck_has_no_edges(sides: tuple[int, ...]) -> None:
    assert not outline_from_edges(Image.new("RGB", SIZE), box(*sides)).any()


def test_two_things_whose_boxes_overlap_are_told_apart() -> None:
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 20, 149, 180), fill=(60, 60, 70))
    draw.rectangle((150, 20, 260, 180), fill=(110, 100, 90))
    both = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    both[20:181, 40:261] = True
    left, right = box(38, 18, 180, 182), box(120, 18, 262, 182)
    mask = without_others(image, both, left, np.stack([left, right]))
    truth = both.copy()
    truth[:, 150:] = False
    assert iou(mask, truth) > 0.95


def test_a_part_takes_nothing_from_the_whole() -> None:
    whole, part = box(40, 20, 260, 180), box(100, 60, 160, 120)
    mask = disc(150, 100, 70)
    assert (without_others(Image.new("RGB", SIZE), mask, whole, part[None]) == mask).all()


def test_fit_and_spread() -> None:
    mask = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask[50:100, 100:200] = True
    assert fit(mask, box(100, 50, 200, 100)) == 1
    assert fit(mask, box(100, 50, 150, 100)) == pytest.approx(0.5)
    assert spread(mask, box(100, 50, 150, 100)) == pytest.approx(0.45)  # the box and a tenth of its side more
    assert fit(np.zeros_like(mask), box(0, 0, 5, 5)) == spread(np.zeros_like(mask), box(0, 0, 5, 5)) == 0
