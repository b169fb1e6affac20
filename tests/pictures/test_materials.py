from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.pictures.materials import hue_spread, painted_share, to_lab_picture
from visiongpt_agent.regions import BoolArray, FloatArray

SIZE = (200, 200)


def thing(*discs: tuple[int, tuple[int, int, int]]) -> tuple[FloatArray, BoolArray]:
    """Discs in each other by radius and colour, slightly noisy, as CIELAB; and the mask of the first."""
    image, outline = Image.new("RGB", SIZE, "grey"), Image.new("L", SIZE)
    for radius, colour in discs:
        ImageDraw.Draw(image).ellipse((100 - radius, 100 - radius, 100 + radius, 100 + radius), fill=colour)
    radius = discs[0][0]
    ImageDraw.Draw(outline).ellipse((100 - radius, 100 - radius, 100 + radius, 100 + radius), fill=255)
    noise = np.random.default_rng(0).integers(-4, 5, (200, 200, 3))
    pixels = np.clip(np.asarray(image, np.int16) + noise, 0, 255).astype(np.uint8)
    return to_lab_picture(pixels), np.asarray(np.asarray(outline) > 0, np.bool_)


def ring(inner: int, outer: int) -> BoolArray:
    rows, columns = np.mgrid[:200, :200]
    radius = np.hypot(rows - 100, columns - 100)
    return np.asarray((radius > inner + 3) & (radius < outer - 3), np.bool_)


def test_white_on_a_red_thing_and_the_coffee_in_it_are_not_its_colour() -> None:
    lab, mask = thing((90, (160, 30, 30)), (60, (245, 245, 240)), (35, (210, 140, 50)))
    share = painted_share(lab, mask)
    assert share[ring(60, 90)].mean() > 0.95
    assert share[ring(35, 60)].mean() < 0.05
    assert share[ring(0, 35)].mean() < 0.05
    assert not share[~mask].any()


def test_shades_that_pass_into_each_other_are_one_colour() -> None:
    lab, mask = thing((90, (240, 190, 110)), (70, (235, 160, 80)), (45, (225, 120, 50)), (25, (200, 80, 30)))
    assert painted_share(lab, mask)[mask].mean() > 0.9


@pytest.mark.parametrize("colour", [(240, 240, 240), (128, 128, 128), (20, 20, 22)])
def test_a_thing_without_a_hue_is_all_its_own_colour(colour: tuple[int, int, int]) -> None:
    lab, mask = thing((90, colour))
    assert painted_share(lab, mask)[mask].mean() > 0.99


def test_a_speck_is_its_own_colour() -> None:
    lab, mask = thing((90, (160, 30, 30)))
    speck = np.zeros_like(mask)
    speck[100, 100:103] = True
    assert painted_share(lab, speck)[speck].tolist() == [1, 1, 1]


def test_dark_and_pale_of_one_hue_do_not_spread_but_red_and_blue_do() -> None:
    shades = np.array([[20, 20, 10], [50, 60, 30], [80, 30, 15]], np.float32)
    assert hue_spread(shades) < 1
    assert hue_spread(np.array([[50, 60, 0], [50, 0, -60]], np.float32)) > 40
