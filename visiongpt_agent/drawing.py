"""Regions drawn on their picture, for people to look at."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.errors import InputError
from visiongpt_agent.regions import Regions

PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
"""Colours that people with colour vision deficiency tell apart (Okabe and Ito, Color Universal Design, 2008)."""


def draw_regions(image: Image.Image, regions: Regions) -> Image.Image:
    """Boxes, masks and labels drawn on a copy of the picture.

    Things of one label share one colour; where all labels are equal each region gets its own number. Masks are tinted
    at 45 %, boxes have a dark rim so that they stand out on any ground, labels are kept inside the picture and, where
    there is room, off each other.

    Returns:
        A picture of mode RGB, of the same size.

    Raises:
        InputError: If the regions belong to a picture of another size.
    """
    if regions.size != image.size:
        raise InputError(
            f"the regions belong to a picture of {regions.size[0]}x{regions.size[1]} pixels, this one has "
            f"{image.width}x{image.height}: draw them on their own picture"
        )
    canvas = image.convert("RGB")
    names = sorted(set(regions.labels))
    colours = [PALETTE[names.index(label) % len(PALETTE)] for label in regions.labels]
    if regions.masks is not None:
        canvas = _tint(canvas, regions, colours)
    draw = ImageDraw.Draw(canvas)
    line = max(2, round(min(canvas.size) / 240))
    font = ImageFont.load_default(size=max(12, round(min(canvas.size) / 38)))
    for box, colour in zip(regions.boxes, colours, strict=True):
        draw.rectangle([float(v) for v in box], outline="black", width=line + 2)
        draw.rectangle([float(v) for v in box], outline=colour, width=line)
    taken: list[tuple[float, float, float, float]] = []
    for number, (box, colour) in enumerate(zip(regions.boxes, colours, strict=True), 1):
        _label(draw, font, _caption(regions, number - 1), (float(box[0]), float(box[1])), colour, canvas.size, taken)
    return canvas


def _caption(regions: Regions, index: int) -> str:
    label = regions.labels[index]
    same = [i for i, other in enumerate(regions.labels) if other == label]
    number = f" {same.index(index) + 1}" if len(same) > 1 else ""
    return f"{label or 'region'}{number} {regions.confidence[index]:.0%}"


def _tint(canvas: Image.Image, regions: Regions, colours: list[str]) -> Image.Image:
    assert regions.masks is not None
    pixels = np.asarray(canvas, np.float32).copy()
    for mask, colour in zip(regions.masks, colours, strict=True):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
        pixels[mask] = pixels[mask] * 0.55 + rgb * 0.45
    return Image.fromarray(np.asarray(pixels + 0.5, np.uint8))


def _label(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text: str,
    corner: tuple[float, float],
    colour: str,
    size: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> None:
    pad = 3
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(0, corner[0]), max(0, size[0] - width))
    y = corner[1] - height if corner[1] >= height else corner[1]
    for _ in range(12):  # move down past labels already there; give up where the picture is crowded
        clash = next((b for b in taken if x < b[2] and x + width > b[0] and y < b[3] and y + height > b[1]), None)
        if clash is None or clash[3] + height > size[1]:
            break
        y = clash[3]
    y = min(max(0, y), max(0, size[1] - height))
    taken.append((x, y, x + width, y + height))
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    dark = colour in ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7")
    draw.text((x + pad - left, y + pad - top), text, font=font, fill="black" if dark else "white")
