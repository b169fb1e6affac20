"""Two pictures in one: both whole, with their proportions, each in its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pictures.likeness import mean_difference
from visiongpt_agent.tools.base import ToolOutput, one_picture
from visiongpt_agent.tools.combine_images import combine_images

Photo = Callable[[str], Image.Image]
RED, BLUE = Image.new("RGB", (60, 40), "red"), Image.new("RGB", (20, 80), "blue")


def test_side_by_side() -> None:
    output = combine_images(RED, BLUE)
    made = one_picture(output.value)

    assert made.size == (120 + 1 + 20, 80)  # the red one is enlarged to the height of the blue one
    assert [made.getpixel(place) for place in ((0, 0), (119, 79), (120, 40), (121, 0), (140, 79))] == [
        *((255, 0, 0), (255, 0, 0), (255, 255, 255), (0, 0, 255), (0, 0, 255))
    ]
    assert output.summary == "I put the two pictures side by side: 141x80 pixels."
    assert combine_images.problems({"image": RED, "other": BLUE}, output) == []


def test_stacked() -> None:
    output = combine_images(RED, BLUE, "stacked")
    made = one_picture(output.value)

    assert made.size == (60, 40 + 1 + 240)
    assert [made.getpixel(place) for place in ((0, 0), (59, 39), (30, 40), (30, 41), (59, 280))] == [
        *((255, 0, 0), (255, 0, 0), (255, 255, 255), (0, 0, 255), (0, 0, 255))
    ]
    assert output.summary == "I put the two pictures one above the other: 60x281 pixels."
    assert combine_images.problems({"image": RED, "other": BLUE, "layout": "stacked"}, output) == []


def test_photos_of_one_height_stay_as_they_are(photo: Photo) -> None:
    one, other = photo("coffee"), photo("chelsea").resize((300, 400))
    made = one_picture(combine_images(one, other).value)

    assert made.crop((0, 0, 600, 400)).tobytes() == one.tobytes()
    assert made.crop((made.width - 300, 0, made.width, 400)).tobytes() == other.tobytes()


def test_what_is_too_large_is_made_smaller(photo: Photo) -> None:
    wide, small = photo("coffee").resize((7000, 700)), photo("chelsea")
    output = combine_images(wide, small)
    made = one_picture(output.value)

    assert 7990 <= made.width <= 8000
    assert abs(made.height - 700) <= 10
    assert combine_images.problems({"image": wide, "other": small}, output) == []


def test_transparency_stays(photo: Photo) -> None:
    clear = photo("coffee").convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    output = combine_images(clear, photo("coffee"))
    alpha = np.asarray(one_picture(output.value).getchannel("A"))

    assert np.array_equal(alpha[:, :600], np.asarray(clear.getchannel("A")))
    assert (alpha[:, 600:604] == 0).all()
    assert (alpha[:, 604:] == 255).all()
    assert combine_images.problems({"image": clear, "other": photo("coffee")}, output) == []


def test_pictures_that_cannot_be_one() -> None:
    with pytest.raises(ToolError, match="too long and narrow"):
        combine_images(Image.new("RGB", (1, 8000)), Image.new("RGB", (8000, 1)))


def test_faults_are_caught(photo: Photo) -> None:
    one, other = photo("coffee"), photo("chelsea")
    args = {"image": one, "other": other}
    made = one_picture(combine_images(one, other).value)
    swapped = one_picture(combine_images(other, one).value).resize(made.size)
    twice = one_picture(combine_images(one, one).value).resize(made.size)

    assert mean_difference(swapped, made) > 10
    assert len(combine_images.problems(args, ToolOutput(swapped, ""))) == 2
    assert "the second picture is not whole in it" in combine_images.problems(args, ToolOutput(twice, ""))
    assert "pixels instead of" in combine_images.problems(args, ToolOutput(one, ""))[0]
