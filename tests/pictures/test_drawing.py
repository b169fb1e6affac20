"""Regions drawn on pictures: the marks are where the regions are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.drawing import PALETTE, draw_heat, draw_regions, side_by_side
from visiongpt_agent.regions import Regions

GREY = (128, 128, 128)


def rgb(code: str) -> tuple[int, ...]:
    return tuple(int(code[i : i + 2], 16) for i in (1, 3, 5))


def drawn(regions: Regions) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(draw_regions(Image.new("RGB", regions.size, GREY), regions))


def test_heat_is_laid_over_the_picture_by_degrees() -> None:
    heat = Image.new("L", (80, 60))
    heat.paste(255, (40, 0, 80, 60))
    heat.paste(128, (40, 30, 80, 60))
    made = draw_heat(Image.new("RGBA", (160, 120), (*GREY, 255)), heat)
    assert (made.mode, made.size) == ("RGB", (160, 120))
    assert made.getpixel((20, 60)) == GREY
    hot, warm = np.array(made.getpixel((120, 20))), np.array(made.getpixel((120, 100)))
    assert hot[0] > 180 > hot[2]  # yellow
    assert warm[0] > warm[1]  # red
    assert hot.sum() > warm.sum()


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


DEFICIENCIES = {
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9688]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
"""What full dichromats see, on linear RGB (Machado, Oliveira and Fernandes, 2009)."""


@pytest.mark.parametrize("deficiency", [*DEFICIENCIES, "none"])
def test_any_two_colours_can_be_told_apart(deficiency: str) -> None:
    """At least 15 in CIELAB, where 2.3 is just noticeable."""
    import cv2

    codes = np.array([rgb(code) for code in PALETTE]) / 255
    linear = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(DEFICIENCIES.get(deficiency, np.eye(3))).T, 0, 1)
    screen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055).astype(np.float32)
    lab = cv2.cvtColor(screen[None], cv2.COLOR_RGB2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 1e3 * np.eye(len(PALETTE))

    assert distances.min() > 15


def test_the_eighth_label_has_the_first_colour_and_dashed_lines() -> None:
    boxes = np.array([[10 + 48 * i, 200, 50 + 48 * i, 390] for i in range(8)], np.float32)
    picture = drawn(Regions((400, 400), boxes, tuple("abcdefgh")))
    edges = [{tuple(int(v) for v in p) for p in picture[230:380, 10 + 48 * i]} for i in (0, 7)]
    assert edges[0] == {rgb(PALETTE[0])}
    assert edges[1] == {rgb(PALETTE[0]), (0, 0, 0)}


def test_a_mask_is_striped() -> None:
    mask = np.zeros((1, 300, 400), np.bool_)
    mask[0, 50:250, 50:350] = True
    inside = drawn(Regions.from_masks(mask, ("dog",)))[120:200, 150:250].reshape(-1, 3)
    assert len(np.unique(inside, axis=0)) == 2


@pytest.mark.parametrize(("size", "count"), [((200, 150), 4), ((1000, 800), 40), ((3000, 2000), 40)])
def test_labels_are_large_enough_inside_the_picture_and_off_each_other(size: tuple[int, int], count: int) -> None:
    """Above every box of a grid there is a label: rows where a fifth of the cell or more is not ground."""
    columns = int(np.ceil(np.sqrt(count)))
    width, height = size[0] / columns, size[1] / columns
    corners = [(i % columns * width, i // columns * height) for i in range(count)]
    boxes = np.array([[x + 2, y + height / 2, x + width - 2, y + height - 2] for x, y in corners], np.float32)
    picture = drawn(Regions(size, boxes, ("dog",) * count))
    marked = (picture != 128).any(axis=2)
    for (left, top), (_, y, _, _) in zip(corners, boxes, strict=True):
        above = marked[round(top) : int(y) - 4, round(left) + 2 : round(left + width) - 2]
        assert (above.mean(axis=1) > 0.2).sum() >= max(8, min(size) / 70) - 2


def test_before_and_after_stand_side_by_side() -> None:
    before, after = Image.new("RGB", (300, 200), "red"), Image.new("RGBA", (300, 200), (0, 0, 255, 0))
    pixels = np.asarray(side_by_side(before, after))
    assert pixels.shape[0] == 200
    assert tuple(pixels[100, 10]) == (255, 0, 0)
    assert {tuple(int(v) for v in p) for p in pixels[100, -290:]} == {(205, 205, 205), (255, 255, 255)}


@pytest.mark.parametrize("sizes", [((4000, 3000), (300, 200)), ((1, 1), (500, 3)), ((100, 4000), (4000, 100))])
def test_pictures_of_any_shape_can_be_compared(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    both = side_by_side(Image.new("L", sizes[0]), Image.new("RGBA", sizes[1]))
    assert max(both.size) <= 2 * 1024 + 64
