"""Showing regions where they are: with a border of their own, the rest a little dimmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.pictures.drawing import PALETTE
from visiongpt_agent.pictures.transparency import alpha_of, edit_colors
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.tools._region_edits import blend, grown, named, require_regions
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_DIMMED: Final = 0.55
"""Share of its brightness that is left to what is around the regions."""
_ROUNDING: Final = 1.5


@vision_tool("show regions, the rest dimmed", returns=Kind.IMAGE)
def highlight_regions(image: Image.Image, regions: Regions) -> ToolOutput:
    """Show regions in their picture: each has a border, inside it nothing is changed, and all around is dimmed.

    Args:
        image: The picture, RGB or RGBA.
        regions: What to show; along the masks where there are any, else along the boxes.

    Returns:
        A picture of the same size. Things of one label have borders of one colour; nothing is removed.

    Raises:
        ToolError: If there is no region.
    """
    require_regions(regions, "show")
    made = edit_colors(image, lambda rgb: _shown(rgb, regions))
    return ToolOutput(made, f"I marked {named(regions)}.")


def _shown(rgb: Image.Image, regions: Regions) -> Image.Image:
    around = np.asarray(~regions.union_mask(), np.float32)
    pixels = np.asarray(blend(rgb, Image.new("RGB", rgb.size), around * np.float32(1 - _DIMMED))).copy()
    names = list(dict.fromkeys(regions.labels))
    for rim, label in zip(_rims(regions), regions.labels, strict=True):
        colour = PALETTE[(names.index(label) + 1) % len(PALETTE)]
        pixels[rim] = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return Image.fromarray(pixels)


def _width(size: tuple[int, int]) -> int:
    """Of a border, in pixels."""
    return max(1, round(min(size) / 150))


def _rims(regions: Regions) -> list[BoolArray]:
    """The border of each region: what lies around it; of one that fills the picture, what lies along its edge.

    Returns:
        One mask, bool ``(H, W)``, a region.
    """
    width = _width(regions.size)
    owns = [regions.select([index]).union_mask() for index in range(len(regions))]
    return [rim if (rim := grown(own, width) & ~own).any() else grown(_edge(own.shape), width - 1) for own in owns]


def _edge(shape: tuple[int, ...]) -> BoolArray:
    edge = np.ones(shape, np.bool_)
    edge[1:-1, 1:-1] = False
    return edge


@highlight_regions.check
def _regions_are_as_they_were(image: Image.Image, regions: Regions, output: ToolOutput) -> Iterator[str]:
    after = one_picture(output.value)
    if after.size != image.size:
        yield f"the picture has {after.width}x{after.height} pixels instead of {image.width}x{image.height}"
        return
    shows = alpha_of(image) > 0
    before, made = (np.asarray(picture.convert("RGB"), np.float32) for picture in (image, after))
    rims = np.any(_rims(regions), axis=0)
    inside = regions.union_mask() & shows
    if (np.abs(made - before).max(axis=2) > _ROUNDING)[inside & ~rims].any():
        yield "the regions do not look as they did in the picture"
    if (alpha_of(after) != alpha_of(image)).any():
        yield "the transparency changed"


@highlight_regions.check
def _the_rest_is_dimmed(image: Image.Image, regions: Regions, output: ToolOutput) -> Iterator[str]:
    """Around the regions each pixel is a share of what it was, and every region has a border."""
    after = one_picture(output.value)
    if after.size != image.size:
        return
    shows = alpha_of(image) > 0
    before, made = (np.asarray(picture.convert("RGB"), np.float32) for picture in (image, after))
    rims = _rims(regions)
    around = ~regions.union_mask() & ~np.any(rims, axis=0) & shows
    if around.any() and np.abs(made - before * _DIMMED)[around].max() > _ROUNDING:
        yield "what is around the regions is not the picture dimmed"
    for number, rim in enumerate(rims, 1):
        own = np.logical_and.reduce([rim, shows, *(~later for later in rims[number:])])
        if own.any() and np.ptp(made[own], axis=0).max() > _ROUNDING:
            yield f"region {number} has no border of one colour"
