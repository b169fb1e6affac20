"""Highlighting: inside the regions nothing changes, around them all is dimmed, and each has a border."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput, one_picture
from visiongpt_agent.tools.highlight_regions import highlight_regions

Photo = Callable[[str], Image.Image]


def boxes(image: Image.Image, *corners: tuple[int, int, int, int], labels: tuple[str, ...] = ()) -> Regions:
    return Regions(image.size, np.array(corners, np.float32), labels or ("cup",) * len(corners))


def test_a_box_is_shown(photo: Photo) -> None:
    image = photo("coffee")
    regions = boxes(image, (150, 100, 350, 300))
    output = highlight_regions(image, regions)
    before, after = (np.asarray(one_picture(one), np.int16) for one in (image, output.value))

    assert output.summary == "I marked one cup."
    assert np.array_equal(after[100:300, 150:350], before[100:300, 150:350])
    assert np.abs(after[:90] - before[:90] * 0.55).max() <= 1
    for row, column in ((98, 250), (301, 250), (200, 148), (200, 351)):
        assert after[row, column].tolist() == [0xE6, 0x9F, 0x00]
    assert highlight_regions.problems({"image": image, "regions": regions}, output) == []


def test_an_outline_is_shown_along_itself(photo: Photo) -> None:
    image = photo("coffee")
    y, x = np.mgrid[: image.height, : image.width]
    disc = np.hypot(x - 300, y - 200) < 100
    regions = Regions.from_masks(disc[None], ["saucer"])
    output = highlight_regions(image, regions)
    before, after = (np.asarray(one_picture(one), np.int16) for one in (image, output.value))

    assert np.array_equal(after[disc], before[disc])
    assert (after[110, 210] <= before[110, 210]).all()  # in the corner of its box, but not of the disc
    assert after[200, 401].tolist() == [0xE6, 0x9F, 0x00]
    assert highlight_regions.problems({"image": image, "regions": regions}, output) == []


def test_several_kinds_have_borders_of_their_own(photo: Photo) -> None:
    image = photo("coffee")
    regions = boxes(
        image, (20, 20, 200, 200), (100, 100, 300, 300), (400, 50, 500, 150), labels=("cup", "spoon", "cup")
    )
    output = highlight_regions(image, regions)
    after = np.asarray(one_picture(output.value))

    assert output.summary == "I marked two cups and one spoon."
    assert after[18, 100].tolist() == after[48, 450].tolist() == [0xE6, 0x9F, 0x00]
    assert after[98, 150].tolist() == [0x00, 0x9E, 0x73]  # also where it crosses another
    assert highlight_regions.problems({"image": image, "regions": regions}, output) == []


def test_what_fills_the_picture_has_a_border_too(photo: Photo) -> None:
    image = photo("coffee")
    regions = boxes(image, (0, 0, 600, 400))
    output = highlight_regions(image, regions)

    assert one_picture(output.value).getpixel((0, 200)) == (0xE6, 0x9F, 0x00)
    assert highlight_regions.problems({"image": image, "regions": regions}, output) == []


def test_no_region() -> None:
    with pytest.raises(ToolError, match="nothing to show"):
        highlight_regions(Image.new("RGB", (10, 10)), Regions((10, 10)))


def test_faults_are_caught(photo: Photo) -> None:
    image = photo("coffee")
    args = {"image": image, "regions": boxes(image, (150, 100, 350, 300))}
    elsewhere = highlight_regions(image, boxes(image, (250, 100, 450, 300)))
    removed = one_picture(highlight_regions(**args).value).copy()
    removed.paste((90, 90, 90), (200, 150, 260, 220))

    assert "the regions do not look as they did in the picture" in highlight_regions.problems(args, elsewhere)
    assert highlight_regions.problems(args, ToolOutput(removed, "")) == [
        "the regions do not look as they did in the picture"
    ]
    assert highlight_regions.problems(args, ToolOutput(image, "")) == [
        "what is around the regions is not the picture dimmed",
        "region 1 has no border of one colour",
    ]
    assert "60x40 pixels instead of" in highlight_regions.problems(args, ToolOutput(image.resize((60, 40)), ""))[0]
