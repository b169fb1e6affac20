"""Adjustments: each factor moves its own property the right way."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.tools.adjust_image import Look, adjust_image
from visiongpt_agent.tools.base import ToolOutput, one_picture

Photo = Callable[[str], Image.Image]


def brightness(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L"), np.float32).mean())


def contrast(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L"), np.float32).std())


def saturation(image: Image.Image) -> float:
    return float(np.asarray(image.convert("HSV"), np.float32)[..., 1].mean())


def sharpness(image: Image.Image) -> float:
    return float(cv2.Laplacian(np.asarray(image.convert("L"), np.float32), cv2.CV_32F).std())


MEASURES = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "sharpness": sharpness}


@pytest.mark.parametrize("name", list(MEASURES))
@pytest.mark.parametrize("factor", [0.4, 1.5])
@pytest.mark.parametrize("picture", ["astronaut", "chelsea", "coffee"])
def test_each_factor_moves_its_property(photo: Photo, name: str, factor: float, picture: str) -> None:
    image = photo(picture)
    output = adjust_image(image, **{name: factor})
    assert isinstance(output.value, Image.Image)
    before, after = MEASURES[name](image), MEASURES[name](output.value)
    assert after > 1.02 * before if factor > 1 else after < 0.98 * before
    assert adjust_image.problems({"image": image, name: factor}, output) == []
    share = "50 %" if factor > 1 else "60 %"
    words = {"brightness": "the picture", "contrast": "the contrast", "saturation": "the colours", "sharpness": "ened"}
    assert words[name] in output.summary
    assert share in output.summary


def test_black_and_white(photo: Photo) -> None:
    output = adjust_image(photo("coffee"), saturation=0)
    assert isinstance(output.value, Image.Image)
    pixels = np.asarray(output.value, np.int16)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() == 0
    assert output.summary == "I made the picture black and white."


def test_two_at_once_are_both_told(photo: Photo) -> None:
    output = adjust_image(photo("coffee"), brightness=1.3, contrast=0.8)
    assert output.summary == "I made the picture 30 % brighter and lowered the contrast by 20 %."


def test_transparency_stays(photo: Photo) -> None:
    image = photo("coffee").convert("RGBA")
    image.putalpha(50)
    after = adjust_image(image, brightness=0).value
    assert isinstance(after, Image.Image)
    assert after.getchannel("A").getextrema() == (50, 50)


def channels(image: Image.Image) -> tuple[float, float, float]:
    """Mean red, green and blue."""
    red, green, blue = np.asarray(image.convert("RGB"), np.float32).reshape(-1, 3).mean(axis=0)
    return float(red), float(green), float(blue)


@pytest.mark.parametrize(
    ("look", "told"),
    [
        ("sepia", "I gave the picture a sepia tone."),
        ("warm", "I made the colours warmer."),
        ("cool", "I made the colours cooler."),
        ("negative", "I inverted the colours."),
    ],
)
@pytest.mark.parametrize("picture", ["astronaut", "chelsea", "coffee"])
def test_looks(photo: Photo, look: Look, told: str, picture: str) -> None:
    image = photo(picture)
    output = adjust_image(image, look=look)
    made = one_picture(output.value)
    before, after = channels(image), channels(made)
    if look == "negative":
        assert np.array_equal(np.asarray(made), 255 - np.asarray(image))
    elif look == "sepia":
        red, green, blue = np.moveaxis(np.asarray(made, np.int16), 2, 0)
        assert ((red >= green) & (green >= blue)).all()  # from brown to a pale yellow
        assert (red - blue)[np.asarray(image.convert("L")) > 60].min() > 15
    else:
        warmth = (after[0] - after[2]) - (before[0] - before[2])
        assert warmth > 10 if look == "warm" else warmth < -10
        assert abs(brightness(made) - brightness(image)) < 6
    assert output.summary == told
    assert adjust_image.problems({"image": image, "look": look}, output) == []


def test_a_look_comes_after_the_factors(photo: Photo) -> None:
    image = photo("coffee")
    output = adjust_image(image, saturation=0, look="sepia")
    bright = adjust_image(image, brightness=1.3, look="cool")

    assert np.ptp(np.asarray(output.value, np.int16), axis=2).max() > 20
    assert output.summary == "I took out all colour and gave the picture a sepia tone."
    assert bright.summary == "I made the picture 30 % brighter and made the colours cooler."
    assert bright.facts == {"brightness": 1.3, "look": "cool"}
    assert adjust_image.problems({"image": image, "saturation": 0.0, "look": "sepia"}, output) == []
    assert adjust_image.problems({"image": image, "brightness": 1.3, "look": "cool"}, bright) == []


def test_a_look_keeps_what_shows(photo: Photo) -> None:
    image = photo("coffee").convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    output = adjust_image(image, look="warm")

    assert one_picture(output.value).getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert adjust_image.problems({"image": image, "look": "warm"}, output) == []


def test_a_look_of_black_that_changes_nothing_says_so() -> None:
    black = Image.new("RGB", (40, 30))
    output = adjust_image(black, look="warm")

    assert output.summary == "I made the colours warmer, which changes nothing in it."
    assert adjust_image.problems({"image": black, "look": "warm"}, output) == []


def test_another_look_is_caught(photo: Photo) -> None:
    image = photo("coffee")
    for asked in ("sepia", "warm", "cool", "negative"):
        for other in ("sepia", "warm", "cool", "negative"):
            found = adjust_image.problems({"image": image, "look": asked}, adjust_image(image, look=other))
            assert found == ([] if asked == other else ["the result is not the picture adjusted as asked"])
        assert adjust_image.problems({"image": image, "look": asked}, ToolOutput(image, "")) == ["nothing changed"]


def test_a_look_that_there_is_not(photo: Photo) -> None:
    with pytest.raises(ToolError, match="no such look: choose one of sepia, warm, cool, negative"):
        adjust_image(photo("coffee"), look="vintage")


@pytest.mark.parametrize("factor", [-0.1, 4.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", list(MEASURES))
def test_out_of_range(name: str, factor: float) -> None:
    with pytest.raises(ToolError, match=f"{name} is .*: give a factor from 0 to 4"):
        adjust_image(Image.new("RGB", (8, 8)), **{name: factor})


def test_nothing_asked() -> None:
    with pytest.raises(ToolError, match="nothing to adjust"):
        adjust_image(Image.new("RGB", (8, 8)))


@pytest.mark.parametrize(
    ("args", "wrong", "message"),
    [
        ({"brightness": 1.5}, {"brightness": 0.5}, "brightness went from"),
        ({"brightness": 0.5}, {"brightness": 1.5}, "brightness went from"),
        ({"saturation": 2.0}, {"saturation": 0.5}, "saturation went from"),
        ({"saturation": 0.0}, {"saturation": 0.5}, "still colour"),
    ],
)
def test_faults_are_caught(photo: Photo, args: dict[str, float], wrong: dict[str, float], message: str) -> None:
    image = photo("coffee")
    assert message in "; ".join(adjust_image.problems({"image": image, **args}, adjust_image(image, **wrong)))
    assert "nothing changed" in adjust_image.problems({"image": image, **args}, ToolOutput(image, ""))
    small = ToolOutput(image.resize((60, 40)), "")
    assert "60x40 pixels instead of 600x400" in adjust_image.problems({"image": image, **args}, small)[0]
