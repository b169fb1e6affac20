from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._closer_looks import (
    detect_in,
    each_once,
    look_closely,
    quarters,
    seen_closely,
    smallest_seen,
    tiles,
)


def regions(size: tuple[int, int], *rows: tuple[str, float, tuple[float, float, float, float]]) -> Regions:
    labels, scores, boxes = zip(*rows, strict=True)
    return Regions(size, np.array(boxes, np.float32), labels, np.array(scores, np.float32))


def bright(view: Image.Image) -> Regions:
    """A detector of what is white: one box round all of it."""
    mask = np.asarray(view.convert("L")) > 200
    found = Regions.from_masks(mask[None], ["cat"], [0.6])
    return Regions(view.size, found.boxes, found.labels, found.confidence)


@pytest.mark.parametrize("size", [(416, 416), (640, 480), (1280, 720), (810, 1080), (600, 100)])
def test_everyday_pictures_are_seen_whole(size: tuple[int, int]) -> None:
    assert tiles(size) == []


@pytest.mark.parametrize("size", [(4000, 800), (12000, 900), (900, 12000), (6000, 4000), (20000, 15000), (2500, 300)])
def test_tiles_of_a_large_picture_cover_it_and_are_bounded(size: tuple[int, int]) -> None:
    frames = tiles(size)
    assert 0 < len(frames) <= 72
    seen = np.zeros((size[1] // 100, size[0] // 100), np.bool_)
    for left, top, right, bottom in frames:
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        seen[-(-top // 100) : bottom // 100, -(-left // 100) : right // 100] = True
    assert seen.all()


def test_a_thing_that_the_side_of_a_tile_cuts_is_left_to_the_next() -> None:
    picture = Image.new("RGB", (300, 100))
    picture.paste("white", (90, 20, 150, 80))
    assert len(detect_in(picture, [(0, 0, 120, 100)], bright)) == 0
    (found,) = detect_in(picture, [(0, 0, 120, 100), (60, 0, 200, 100)], bright).boxes.tolist()
    assert found == [90, 20, 150, 80]


def test_each_thing_once() -> None:
    found = regions(
        (500, 500),
        ("cat", 0.6, (100, 100, 300, 300)),
        ("cat", 0.55, (105, 95, 305, 300)),  # again
        ("cat", 0.65, (120, 110, 200, 200)),  # its head, taken for a cat
        ("dog", 0.5, (100, 100, 300, 302)),  # under another name
        ("cat", 0.5, (350, 350, 450, 450)),
    )
    assert sorted(map(tuple, each_once(found).boxes.tolist())) == [(100, 100, 300, 300), (350, 350, 450, 450)]


def test_a_closer_look_gives_the_better_box_and_halves_what_it_does_not_see() -> None:
    picture = Image.new("RGB", (400, 300))
    picture.paste("white", (100, 100, 160, 160))
    found = regions((400, 300), ("cat", 0.5, (95, 95, 180, 170)), ("dog", 0.4, (250, 50, 300, 100)))
    closer = look_closely(picture, found, bright)
    assert closer.boxes[0].tolist() == [100, 100, 160, 160]
    assert closer.confidence.tolist() == pytest.approx([0.6, 0.2])
    assert seen_closely(picture, found.boxes[1], "dog", bright, 1)[1] == 0


def test_quarters_overlap_and_lie_in_the_picture() -> None:
    assert quarters((100, 50)) == [
        (0, 0, 60, 30),
        (40, 0, 100, 30),
        (0, 20, 60, 50),
        (40, 20, 100, 50),
        (20, 10, 80, 40),
    ]


def test_what_is_too_small_to_be_seen() -> None:
    assert smallest_seen((416, 416)) == 25
    assert smallest_seen((6000, 4000)) == 60
