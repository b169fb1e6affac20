"""Cropping a picture to regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._region_edits import named, require_regions
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_MARGIN: Final = 0.04


@vision_tool("crop to regions", returns=Kind.IMAGE)
def crop_regions(image: Image.Image, regions: Regions) -> ToolOutput:
    """Crop a picture to the smallest rectangle that holds all the regions, with a small margin.

    Args:
        image: The picture, RGB or RGBA.
        regions: What to keep.

    Raises:
        ToolError: If there is no region.
    """
    require_regions(regions, "crop to")
    box = _frame(regions)
    cropped = image.crop(box)
    summary = f"I cropped the picture to {named(regions)}: {cropped.width}x{cropped.height} pixels."
    if cropped.size == image.size:
        summary = f"I cut nothing away: the picture is filled by {named(regions)}."
    return ToolOutput(cropped, summary, facts={"box": list(box)})


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
def _holds_the_regions(image: Image.Image, regions: Regions, output: ToolOutput) -> Iterator[str]:
    cropped = one_picture(output.value)
    left, top, right, bottom = _frame(regions)
    if cropped.size != (right - left, bottom - top):
        yield f"the crop has {cropped.width}x{cropped.height} pixels instead of {right - left}x{bottom - top}"
    elif cropped.tobytes() != image.crop((left, top, right, bottom)).tobytes():
        yield "the crop does not show the place of the regions"
