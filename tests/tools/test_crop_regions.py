"""Cropping: the regions are in it, with a small margin, pixel for pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput, one_picture
from visiongpt_agent.tools.crop_regions import crop_regions

Photo = Callable[[str], Image.Image]


@pytest.mark.parametrize(
    ("boxes", "box"),
    [
        ([[100, 100, 200, 300]], (96, 92, 204, 308)),
        ([[100, 100, 200, 150], [300, 250, 350, 300]], (90, 92, 360, 308)),
        ([[0, 0, 50, 50]], (0, 0, 52, 52)),
        ([[500, 500, 512, 512]], (499, 499, 512, 512)),
        ([[10.5, 10.5, 11.5, 11.5]], (10, 10, 12, 12)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_crop(photo: Photo, boxes: list[list[float]], box: tuple[int, int, int, int], mode: str) -> None:
    image = photo("astronaut").convert(mode)
    regions = Regions(image.size, np.array(boxes, np.float32), ("person",) * len(boxes))
    output = crop_regions(image, regions)
    assert isinstance(output.value, Image.Image)
    assert output.value.tobytes() == image.crop(box).tobytes()
    assert output.value.mode == mode
    assert f"{box[2] - box[0]}x{box[3] - box[1]} pixels" in output.summary
    assert crop_regions.problems({"image": image, "regions": regions}, output) == []


def test_nothing_to_cut_away_is_said(photo: Photo) -> None:
    image = photo("astronaut")
    output = crop_regions(image, Regions(image.size, np.array([[2, 2, 510, 510]]), ("flag",)))
    assert output.summary.startswith("I cut nothing away")


def test_each_region_becomes_a_picture_of_its_own(photo: Photo) -> None:
    image = photo("astronaut")
    boxes = np.array([[100, 100, 200, 150], [300, 250, 350, 300], [10, 400, 60, 500]], np.float32)
    args = {"image": image, "regions": Regions(image.size, boxes, ("cup", "spoon", "cup")), "each": True}
    output = crop_regions(**args)
    frames = [(96, 98, 204, 152), (298, 248, 352, 302), (8, 396, 62, 504)]

    pictures = [one_picture(output.value), *output.further]
    assert [picture.tobytes() for picture in pictures] == [image.crop(frame).tobytes() for frame in frames]
    assert output.summary == "I cropped two cups and one spoon, each to a picture of its own."
    assert crop_regions.problems(args, output) == []
    assert crop_regions.problems(args, replace(output, further=output.further[:1])) == [
        "there are 2 pictures instead of 3"
    ]
    assert crop_regions.problems(args, replace(output, further=output.further[::-1]))


def test_of_one_region_each_is_that_one(photo: Photo) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, np.array([[100, 100, 200, 300]]), ("person",))
    output = crop_regions(image, regions, each=True)

    assert output.summary == crop_regions(image, regions).summary
    assert output.further == ()
    assert crop_regions.problems({"image": image, "regions": regions, "each": True}, output) == []


def test_a_crowd_is_not_cut_up() -> None:
    crowd = Regions((100, 100), np.tile(np.array([[0, 0, 10, 10]], np.float32), (61, 1)))
    with pytest.raises(ToolError, match="61 regions were found, and at most 60"):
        crop_regions(Image.new("RGB", (100, 100)), crowd, each=True)


def test_no_region() -> None:
    with pytest.raises(ToolError, match="nothing to crop to"):
        crop_regions(Image.new("RGB", (10, 10)), Regions((10, 10)))


def test_faults_are_caught(photo: Photo) -> None:
    image = photo("astronaut")
    args = {"image": image, "regions": Regions(image.size, np.array([[100, 100, 200, 200]]))}
    assert "instead of 108x108" in crop_regions.problems(args, ToolOutput(image, ""))[0]
    elsewhere = ToolOutput(image.crop((0, 0, 108, 108)), "")
    assert crop_regions.problems(args, elsewhere) == ["the crop does not show the place of the regions"]
