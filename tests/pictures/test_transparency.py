"""Transparent pictures: what a person sees of them, and what is no part of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.pictures.images import ImageStore, decode
from visiongpt_agent.pictures.transparency import (
    WHITE,
    alpha_of,
    continued,
    edit_colors,
    flatten,
    ground_for,
    visible,
    weighted,
    with_alpha,
)
from visiongpt_agent.regions import FloatArray

BLACK, GREY = (0, 0, 0), (128, 128, 128)


def letters(*colors: tuple[int, int, int], alpha: int = 255) -> Image.Image:
    """A word in each colour, on a transparent ground of the opposite colour."""
    image = Image.new("RGBA", (300, 60 * len(colors)), (*(255 - channel for channel in colors[0]), 0))
    font = ImageFont.load_default(size=40)
    for row, color in enumerate(colors):
        ImageDraw.Draw(image).text((10, 60 * row + 5), "Invoice", font=font, fill=(*color, alpha))
    return image


def disc(color: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGBA", (100, 100), (1, 2, 3, 0))
    ImageDraw.Draw(image).ellipse((20, 20, 80, 80), fill=(*color, 255))
    return image


def page() -> Image.Image:
    """A white page with a black line of text, its lower half erased."""
    image = Image.new("RGBA", (300, 120), (*WHITE, 255))
    ImageDraw.Draw(image).text((10, 10), "Invoice", font=ImageFont.load_default(size=30), fill=(*BLACK, 255))
    pixels = np.array(image)
    pixels[60:, :, 3] = 0
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("image", "ground"),
    [
        (letters(BLACK), WHITE),
        (letters((200, 30, 30)), WHITE),
        (letters(WHITE), BLACK),
        (letters(WHITE, alpha=200), BLACK),
        (letters(WHITE, BLACK), GREY),
        (disc(WHITE), BLACK),
        (disc((90, 90, 90)), WHITE),
        (page(), WHITE),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), WHITE),
        (Image.new("RGB", (8, 8), "white"), WHITE),
    ],
)
def test_what_a_picture_shows_stands_out_from_its_ground(image: Image.Image, ground: tuple[int, int, int]) -> None:
    assert ground_for(image) == ground
    assert visible(image).tobytes() == flatten(image, ground).tobytes()


def test_pictures_that_are_compared_lie_on_one_ground() -> None:
    assert ground_for(letters(BLACK), letters(WHITE)) == GREY


def test_flatten_lays_transparency_over_a_ground() -> None:
    half = Image.new("RGBA", (2, 2), (255, 0, 0, 128))
    assert flatten(half).getpixel((0, 0)) == pytest.approx((255, 127, 127), abs=1)
    assert flatten(half, BLACK).getpixel((0, 0)) == pytest.approx((128, 0, 0), abs=1)
    assert flatten(Image.new("L", (2, 2), 9)).mode == "RGB"


def test_erased_colours_are_no_part_of_a_picture(store: ImageStore) -> None:
    secret = disc((10, 200, 30))
    pixels = np.asarray(decode(secret))
    hidden = pixels[..., 3] == 0
    assert (pixels[hidden, :3] == 255).all()
    assert (pixels[~hidden] == (10, 200, 30, 255)).all()
    other = np.array(secret)
    other[other[..., 3] == 0, :3] = 77
    assert store.add(other) == store.add(secret)  # nobody can tell the two apart


def test_colours_go_on_where_nothing_shows() -> None:
    image = Image.new("RGBA", (90, 10), (7, 7, 7, 0))
    image.paste((200, 0, 0, 255), (20, 0, 30, 10))
    image.paste((0, 0, 200, 255), (60, 0, 70, 10))
    image.paste((0, 90, 0, 9), (70, 0, 72, 10))  # hardly shows: its colour stays, and does not go on
    row = np.asarray(continued(image))[5]
    assert (row[:44] == (200, 0, 0)).all()
    assert (row[46:70] == (0, 0, 200)).all()
    assert (row[70:72] == (0, 90, 0)).all()
    assert (row[72:] == (0, 0, 200)).all()
    assert continued(Image.new("RGBA", (3, 3), (9, 9, 9, 0))).getpixel((1, 1)) == WHITE


def test_an_edit_of_colours_sees_none_that_are_hidden_and_keeps_alpha() -> None:
    image = disc((200, 100, 50))
    seen: list[Image.Image] = []

    def invert(rgb: Image.Image) -> Image.Image:
        seen.append(rgb)
        return rgb.point(lambda value: 255 - value)

    made = edit_colors(image, invert)
    assert seen[0].getextrema() == ((200, 200), (100, 100), (50, 50))
    assert (alpha_of(made) == alpha_of(image)).all()
    assert made.getpixel((50, 50)) == (55, 155, 205, 255)
    assert made.getpixel((0, 0)) == (255, 255, 255, 0)


def test_smoothing_weighs_pixels_by_how_much_they_show() -> None:
    colors = np.array([[[0.0], [100.0], [200.0], [250.0]]], np.float32)
    alpha = np.array([[1.0, 0.5, 0.0, 0.0]], np.float32)

    def halves(values: FloatArray) -> FloatArray:
        return np.asarray((values[:, ::2] + values[:, 1::2]) / 2, np.float32)

    smooth = weighted(colors, alpha, halves)[0, :, 0]
    assert smooth[0] == pytest.approx(100 * 0.5 / 1.5)
    assert smooth[1] == 225  # nothing shows there: any colour will do


def test_opaque_pixels_need_no_alpha() -> None:
    assert with_alpha(Image.new("RGB", (4, 4), "red"), np.ones((4, 4), np.float32)).mode == "RGB"
