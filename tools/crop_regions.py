"""Cropping a picture to regions, together or each by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._region_edits import named, require_regions
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_MARGIN: Final = 0.04
_MOST: Final = 60
"""So many regions at most become pictures of their own."""


@vision_tool("crop to regions", returns=Kind.IMAGE)
def crop_regions(image: Image.Image, regions: Regions, each: bool = False) -> ToolOutput:
    """Crop a picture to the smallest rectangle that holds all the regions, or make a picture of each of them.

    Args:
        image: The picture, RGB or RGBA.
        regions: What to keep, with a small margin.
        each: Make one picture a region, in their order: the first is the result, the others are its further pictures.

    Raises:
        ToolError: If there is no region, or there are more than 60 to make a picture of each.
    """
    require_regions(regions, "crop to")
    if each and len(regions) > _MOST:
        raise ToolError(f"{len(regions)} regions were found, and at most {_MOST} become pictures of their own")
    frames = _frames(regions, each)
    cropped, *further = (image.crop(frame) for frame in frames)
    if further:
        summary = f"I cropped {named(regions)}, each to a picture of its own."
        return ToolOutput(cropped, summary, facts={"boxes": list(map(list, frames))}, further=tuple(further))
    summary = f"I cropped the picture to {named(regions)}: {cropped.width}x{cropped.height} pixels."
    if cropped.size == image.size:
        summary = f"I cut nothing away: the picture is filled by {named(regions)}."
    return ToolOutput(cropped, summary, facts={"box": list(frames[0])})


def _frames(regions: Regions, each: bool) -> list[tuple[int, int, int, int]]:
    """The frame around all regions, or that around each."""
    return [_frame(regions.select([index])) for index in range(len(regions))] if each else [_frame(regions)]


def _frame(regions: Regions) -> tuple[int, int, int, int]:
    left, top = regions.boxes[:, :2].min(axis=0)
    right, bottom = regions.boxes[:, 2:].max(axis=0)
    across, down = _MARGIN * (right - left), _MARGIN * (bottom - top)
    width, height = regions.size
    return (
        max(0, int(left - across)),
        max(0, int(top - down)),
        min(width, int(np.ceil(right + across))),
        min(height, int(np.ceil(bottom + down))),
    )


@crop_regions.check
def _holds_the_regions(image: Image.Image, regions: Regions, each: bool, output: ToolOutput) -> Iterator[str]:
    pictures, frames = (one_picture(output.value), *output.further), _frames(regions, each)
    if len(pictures) != len(frames):
        yield f"there are {len(pictures)} pictures instead of {len(frames)}"
        return
    for cropped, (left, top, right, bottom) in zip(pictures, frames, strict=True):
        if cropped.size != (right - left, bottom - top):
            yield f"the crop has {cropped.width}x{cropped.height} pixels instead of {right - left}x{bottom - top}"
        elif cropped.tobytes() != image.crop((left, top, right, bottom)).tobytes():
            yield "the crop does not show the place of the regions"
