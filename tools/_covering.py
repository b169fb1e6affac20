"""Hiding regions under coarse blocks, or under black: hard edges, exact everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.pictures.framing import Frame
from visiongpt_agent.pictures.tiles import Pixels
from visiongpt_agent.pictures.transparency import alpha_of, edit_colors, weighted
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._region_edits import colours_kept, edit_problems

BLOCKS: Final = 6
"""Across its shorter side a region keeps this many blocks: a face of 6x6 blocks tells nobody who it is."""

_BLOCKS_OF_ALL: Final = 40
"""The same of a whole picture around what is kept."""
_COLOURS_MOVE: Final = 24.0
"""Most that the mean colours of what was pixelated may move, of 255."""


def block_side(width: int, height: int, blocks: int = BLOCKS) -> float:
    """The side, in pixels, of the blocks that a rectangle is reduced to; more of them where it is long."""
    return max(min(width, height) / blocks, max(width, height) / (3 * blocks), 2.0)


def blacked_out(image: Image.Image, regions: Regions, invert: bool) -> Image.Image:
    """The picture with black over the regions, or over all but them; nothing of what was there is left."""
    area = _area(regions, invert)

    def cover(rgb: Image.Image) -> Image.Image:
        pixels = np.array(rgb)
        pixels[area] = 0
        return Image.fromarray(pixels)

    return edit_colors(image, cover)


def pixelated(image: Image.Image, regions: Regions, invert: bool) -> Image.Image:
    """The picture with the regions, or all but them, in blocks of one colour, the mean of what shows there."""
    alpha = alpha_of(image)

    def cover(rgb: Image.Image) -> Image.Image:
        pixels = np.array(rgb)
        for area, frame, side in _parts(regions, invert):
            left, top, right, bottom = frame
            crop, mask = pixels[top:bottom, left:right], area[top:bottom, left:right]
            coarse = _in_blocks(crop, alpha[top:bottom, left:right], side)
            crop[mask] = coarse[mask]
        return Image.fromarray(pixels)

    return edit_colors(image, cover)


def blacked_out_problems(image: Image.Image, after: Image.Image, regions: Regions, invert: bool) -> Iterator[str]:
    """What is wrong with a picture that should be black in the regions, and the same outside them."""
    area, shows = _area(regions, invert), alpha_of(image) > 0
    yield from edit_problems(image, after, area, must_change=False)
    if after.size == image.size and np.asarray(after.convert("RGB"))[area & shows].any():
        yield "the background is not all black" if invert else "the regions are not all black"


def pixelated_problems(image: Image.Image, after: Image.Image, regions: Regions, invert: bool) -> Iterator[str]:
    """What is wrong with a picture that should be of coarse blocks in the regions, and the same outside them."""
    shows, parts = alpha_of(image) > 0, _parts(regions, invert)
    yield from edit_problems(image, after, _area(regions, invert), must_change=False)
    if after.size != image.size:
        return
    pixels = np.asarray(after.convert("RGB"))
    overlap = np.sum([area for area, _, _ in parts], axis=0) > 1
    for number, (area, (left, top, right, bottom), side) in enumerate(parts, 1):
        name, seen = "the background" if invert else f"region {number}", area & shows & ~overlap
        most = (round((right - left) / side) or 1) * (round((bottom - top) / side) or 1)
        if len(np.unique(pixels[seen], axis=0)) > most:
            yield f"{name} has finer detail than its {most} blocks"
        elif seen.any() and colours_kept(image, after, seen) > _COLOURS_MOVE:
            yield f"{name} was not pixelated but painted over"


def _area(regions: Regions, invert: bool) -> BoolArray:
    covered = regions.union_mask()
    return np.asarray(~covered if invert else covered, np.bool_)


def _parts(regions: Regions, invert: bool) -> list[tuple[BoolArray, Frame, float]]:
    """What is pixelated at once: a mask, the frame that is cut into blocks, and their side."""
    width, height = regions.size
    if invert:
        side = block_side(width, height, _BLOCKS_OF_ALL)
        return [(_area(regions, invert), (0, 0, width, height), side)]
    parts = []
    for index in range(len(regions)):
        region = regions.select([index])
        left, top = (max(0, int(v)) for v in region.boxes[0, :2])
        right, bottom = int(np.ceil(region.boxes[0, 2])), int(np.ceil(region.boxes[0, 3]))
        parts.append((region.union_mask(), (left, top, right, bottom), block_side(right - left, bottom - top)))
    return parts


def _in_blocks(crop: Pixels, alpha: FloatArray, side: float) -> Pixels:
    """A part of a picture, uint8 ``(h, w, 3)``, in blocks of that side."""
    import cv2

    height, width = crop.shape[:2]
    blocks = max(1, round(width / side)), max(1, round(height / side))

    def mean(values: FloatArray) -> FloatArray:
        small = cv2.resize(values, blocks, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.float32)

    return np.asarray(np.clip(weighted(crop.astype(np.float32), alpha, mean) + 0.5, 0, 255), np.uint8)
