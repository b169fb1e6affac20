"""Recolouring: the asked colour arrives, shading stays, nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pictures.colors import color_difference, name_color, parse_color
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.recolor_regions import recolor_regions


@pytest.fixture
def ball() -> tuple[Image.Image, Regions]:
    """A red ball, lit from the upper left, on grey."""
    rows, columns = np.mgrid[0:200, 0:200]
    mask = (rows - 100) ** 2 + (columns - 100) ** 2 < 60**2
    light = 1.0 - 0.5 * np.hypot(rows - 75, columns - 75) / 100
    pixels = np.full((200, 200, 3), 150, np.float32)
    pixels[mask] = (np.array([200, 40, 30])[None] * light[mask][:, None]).astype(np.float32)
    return Image.fromarray(pixels.astype(np.uint8)), Regions.from_masks(mask[None], ("ball",))


@pytest.mark.parametrize(
    ("color", "shown"),
    [
        ("blue", {"blue"}),
        ("green", {"green"}),
        ("yellow", {"yellow"}),
        ("white", {"white", "light grey"}),
        ("black", {"black"}),
        ("grey", {"grey"}),
        ("hot pink", {"pink", "magenta"}),
        ("navy blue", {"dark blue"}),
        ("#8b4513", {"brown"}),
    ],
)
def test_the_colour_arrives(ball: tuple[Image.Image, Regions], color: str, shown: set[str]) -> None:
    image, regions = ball
    output = recolor_regions(image, regions, color)
    assert isinstance(output.value, Image.Image)
    pixels = np.asarray(output.value)
    middle = np.median(pixels[regions.union_mask()], axis=0)
    assert name_color((int(middle[0]), int(middle[1]), int(middle[2]))) in shown
    assert np.array_equal(pixels[~regions.union_mask()], np.asarray(image)[~regions.union_mask()])
    assert recolor_regions.problems({"image": image, "regions": regions, "color": color}, output) == []
    assert output.summary == f"I changed the colour of one ball to {color}."


@pytest.mark.parametrize("color", ["blue", "white", "black", "yellow", "sage green"])
def test_the_shading_stays(ball: tuple[Image.Image, Regions], color: str) -> None:
    image, regions = ball
    after = recolor_regions(image, regions, color).value
    assert isinstance(after, Image.Image)
    core = np.hypot(*(np.mgrid[0:200, 0:200] - 100)) < 50
    before_light, after_light = (np.asarray(i.convert("L"), np.float32)[core] for i in (image, after))
    assert np.corrcoef(before_light, after_light)[0, 1] > 0.85
    assert after_light.std() > 2


def test_each_region_is_shaded_by_itself() -> None:
    """A dark and a light thing both become the colour, not a dark and a light version of it."""
    image = Image.new("RGB", (200, 100), "grey")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 79, 79), fill=(40, 10, 10))
    draw.rectangle((120, 20, 179, 79), fill=(250, 220, 220))
    regions = Regions(image.size, np.array([[20, 20, 80, 80], [120, 20, 180, 80]]), ("car", "car"))
    after = recolor_regions(image, regions, "green").value
    assert isinstance(after, Image.Image)
    target = parse_color("green")
    assert target is not None
    for x in (50, 150):
        red, green, blue = after.getpixel((x, 50))  # type: ignore[misc]
        assert color_difference((int(red), int(green), int(blue)), target) < 15


def test_transparency_stays(ball: tuple[Image.Image, Regions]) -> None:
    image, regions = ball
    image.putalpha(77)
    after = recolor_regions(image, regions, "teal").value
    assert isinstance(after, Image.Image)
    assert after.mode == "RGBA"
    assert after.getchannel("A").getextrema() == (77, 77)


def test_boxes_without_masks_are_told(photo: Callable[[str], Image.Image]) -> None:
    image = photo("coffee")
    output = recolor_regions(image, Regions(image.size, np.array([[200, 100, 400, 300]]), ("cup",)), "red")
    assert output.uncertain == ("Only boxes were known, no outlines: what else is in the boxes was recoloured too.",)


@pytest.mark.parametrize(
    ("count", "color", "message"), [(0, "red", "nothing to recolour"), (1, "loud", '"loud" is no colour')]
)
def test_refusals(ball: tuple[Image.Image, Regions], count: int, color: str, message: str) -> None:
    image, regions = ball
    with pytest.raises(ToolError, match=message):
        recolor_regions(image, regions.select(list(range(count))), color)


def test_faults_are_caught(ball: tuple[Image.Image, Regions]) -> None:
    image, regions = ball

    def problems(value: Image.Image) -> str:
        args = {"image": image, "regions": regions, "color": "blue"}
        return "; ".join(recolor_regions.problems(args, ToolOutput(value, "")))

    assert "nothing changed inside" in problems(image)
    assert "red, not blue" in problems(image)
    green = recolor_regions(image, regions, "green").value
    assert isinstance(green, Image.Image)
    assert "the regions are green, not blue" in problems(green)
    assert "outside the regions changed" in problems(Image.new("RGB", image.size, "blue"))
    assert "100x100 pixels instead of 200x200" in problems(image.resize((100, 100)))


def test_chrome_and_tyres_keep_their_colour() -> None:
    image = Image.new("RGB", (120, 80), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 109, 49), fill=(190, 20, 25))
    draw.rectangle((10, 50, 109, 69), fill=(25, 25, 26))
    mask = np.zeros((1, 80, 120), np.bool_)
    mask[0, 10:70, 10:110] = True
    regions = Regions.from_masks(mask, ("motorcycle",))
    output = recolor_regions(image, regions, "blue")
    assert recolor_regions.problems({"image": image, "regions": regions, "color": "blue"}, output) == []
    assert output.summary == "I changed the colour of one motorcycle to blue. What has another colour on it stayed."
    after = output.value
    assert isinstance(after, Image.Image)
    pixels = np.asarray(after, np.int16)
    assert pixels[30, 60, 2] > pixels[30, 60, 0] + 80
    assert pixels[60, 60].tolist() == [25, 25, 26]
