"""From a box round a thing to the thing's outline: by a soft matte, or by the edges of the picture. No models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from visiongpt_agent.pictures.framing import Frame
from visiongpt_agent.regions import BoolArray, FloatArray, Regions

if TYPE_CHECKING:
    from PIL import Image

_SLACK: Final = 0.1
"""Share of its sides by which a detector's box may be too small."""
_GREY, _NOISY = (0.2, 0.75), 0.06
"""A matte is noisy where more of its surroundings than the second number lies between the first two."""
_CLEAN_LEVEL, _NOISY_LEVEL = 0.43, 0.67
_LEAST_PIECE, _LARGEST_HOLE = 0.05, 0.01
"""Shares of a thing's area: smaller pieces are islands, smaller holes are closed."""
_CORE, _CORNER = 0.7, 1.3
"""Radii, of the ellipse that fills the box: all within the first is the thing, all beyond the second is not."""
_RIM: Final = 0.03
_LIKE_SIZE, _WITHIN = 4.0, 0.85
"""How many times as large a neighbour may be, and the share of a box within another from which it is a part."""
_WORKING_SIDE: Final = 640


def padded(box: FloatArray, size: tuple[int, int], share: float) -> Frame:
    """A box with ``share`` of its sides added on each of them, within a picture of ``size``."""
    x1, y1, x2, y2 = (float(v) for v in box)
    across, down = (x2 - x1) * share, (y2 - y1) * share
    left, top = max(0, int(x1 - across)), max(0, int(y1 - down))
    return left, top, min(size[0], int(np.ceil(x2 + across))), min(size[1], int(np.ceil(y2 + down)))


def rectangle(size: tuple[int, int], frame: Frame) -> BoolArray:
    """A mask, bool ``(height, width)``, of all that lies in a frame."""
    mask = np.zeros((size[1], size[0]), np.bool_)
    mask[frame[1] : frame[3], frame[0] : frame[2]] = True
    return mask


def outline_from_matte(matte: FloatArray, frame: Frame, box: FloatArray, size: tuple[int, int]) -> BoolArray:
    """The thing in a box, out of a matte of the box's surroundings; it may reach out of the box.

    Args:
        matte: How much each pixel of the frame belongs to the foreground, float32 ``(h, w)`` from 0 to 1.
        frame: The part of the picture that the matte covers.
        box: ``x1, y1, x2, y2`` in pixels of the picture.
        size: ``(width, height)`` of the picture.

    Returns:
        bool ``(height, width)``: the pieces that lie mostly in the box, tidied; else the one that has most of it.
    """
    import cv2

    near = rectangle(size, padded(box, size, _SLACK))
    around = ~near[frame[1] : frame[3], frame[0] : frame[2]]
    grey = (matte > _GREY[0]) & (matte < _GREY[1])
    noisy = bool(around.any()) and float(grey[around].mean()) > _NOISY
    level, smooth = (_NOISY_LEVEL, _smoothed(matte)) if noisy else (_CLEAN_LEVEL, matte)
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[frame[1] : frame[3], frame[0] : frame[2]] = smooth >= level
    count, pieces = cv2.connectedComponents(mask)
    areas = np.bincount(pieces.ravel(), minlength=count)
    inside = np.bincount(pieces[near], minlength=count)
    areas[0] = inside[0] = 0
    mostly = np.flatnonzero(inside > 0.5 * np.maximum(areas, 1))
    chosen = mostly if inside[mostly].sum() >= 0.5 * inside.sum() else np.array([int(inside.argmax())])
    return tidied(np.isin(pieces, chosen[chosen > 0]))


def _smoothed(matte: FloatArray) -> FloatArray:
    import cv2

    return np.asarray(cv2.GaussianBlur(matte, (0, 0), max(1.0, min(matte.shape) * 0.006)), np.float32)


def tidied(mask: BoolArray) -> BoolArray:
    """The mask without islands that are small beside its largest piece, and with its small holes closed."""
    import cv2

    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.isin(pieces, 1 + np.flatnonzero(areas >= _LEAST_PIECE * areas.max()))
    count, holes, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    small = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] < _LARGEST_HOLE * np.count_nonzero(kept))
    return np.asarray(kept | np.isin(holes, small), np.bool_)


def outline_from_edges(image: Image.Image, box: FloatArray) -> BoolArray:
    """The thing in a box, bounded by the strongest edges between the middle of the box and its outside.

    Meyer's watershed on the smoothed picture: the middle and the outside flood until they meet. For a thing that lies
    on another of the same colour, as a cup on its saucer, where a matte has both and colours tell nothing.

    Returns:
        bool ``(H, W)``; empty for a box of under four pixels.
    """
    import cv2

    width, height = image.size
    left, top, right, bottom = padded(box, image.size, 0.15)
    factor = min(1.0, _WORKING_SIDE / max(right - left, bottom - top))
    size = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
    mask = np.zeros((height, width), np.bool_)
    x1, y1, x2, y2 = (np.asarray(box, np.float64) - np.array([left, top, left, top])) * factor
    if min(x2 - x1, y2 - y1, *size) < 4:
        return mask
    pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[top:bottom, left:right])
    small = cv2.bilateralFilter(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), 7, 40, 5)
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    radius = np.hypot((columns - (x1 + x2) / 2) / ((x2 - x1) / 2), (rows - (y1 + y2) / 2) / ((y2 - y1) / 2))
    across, down = (x2 - x1) * _RIM, (y2 - y1) * _RIM
    beyond = (columns < x1 - across) | (columns > x2 + across) | (rows < y1 - down) | (rows > y2 + down)
    seeds = np.where(radius <= _CORE, 1, np.where(beyond | (radius > _CORNER), 2, 0)).astype(np.int32)
    thing = (cv2.watershed(small, seeds) == 1).astype(np.float32)
    mask[top:bottom, left:right] = cv2.resize(thing, (right - left, bottom - top)) >= 0.5
    return tidied(mask)


def without_others(image: Image.Image, mask: BoolArray, box: FloatArray, others: FloatArray) -> BoolArray:
    """The part of a mask that is the thing in a box and not one of the things beside it, in boxes that overlap it.

    What lies in one box alone, or in its middle, is that thing; from there the things flood (Meyer's watershed) until
    they meet at an edge. A box that holds the other, or lies in it, is that of a whole or of a part, and takes nothing
    away.

    Args:
        image: The picture.
        mask: bool ``(H, W)``: the thing, perhaps with its neighbours.
        box: The thing's ``x1, y1, x2, y2``.
        others: The neighbours' boxes, ``(N, 4)``.
    """
    import cv2

    beside = [other for other in others if _is_beside(box, other)]
    own, core = rectangle(image.size, padded(box, image.size, 0.0)), _middle(image.size, box)
    mine, theirs = mask & own, np.zeros_like(mask)
    for other in beside:
        place, heart = rectangle(image.size, padded(other, image.size, 0.0)), _middle(image.size, other)
        theirs |= mask & ((place & ~own) | (heart & ~core))
        mine &= ~place | (core & ~heart)
    if not theirs.any() or not mine.any():
        return mask
    seeds = np.where(mine, 1, np.where(theirs, 2, np.where(mask, 0, 3))).astype(np.int32)
    pixels = cv2.bilateralFilter(np.ascontiguousarray(np.asarray(image.convert("RGB"))), 7, 40, 5)
    return tidied(np.asarray(cv2.watershed(pixels, seeds) == 1, np.bool_) & mask)


def _middle(size: tuple[int, int], box: FloatArray) -> BoolArray:
    """A mask of the ellipse of half the box's width and height in its middle."""
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    across, down = (box[2] - box[0]) / 4, (box[3] - box[1]) / 4
    middle = (box[:2] + box[2:]) / 2
    return np.asarray(np.hypot((columns - middle[0]) / across, (rows - middle[1]) / down) <= 1, np.bool_)


def _is_beside(box: FloatArray, other: FloatArray) -> bool:
    """Whether two boxes overlap, are of like size, and neither is (nearly) within the other."""
    areas = [float((one[2:] - one[:2]).prod()) for one in (box, other)]
    if max(areas) > _LIKE_SIZE * min(areas):
        return False
    overlap = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    if (overlap <= 0).any():
        return False
    return float(overlap.prod()) < _WITHIN * min(areas)


def fit(mask: BoolArray, box: FloatArray) -> float:
    """IoU, 0 to 1, of the tight box round a mask with a box."""
    if not mask.any():
        return 0.0
    tight = Regions.from_masks(mask[None])
    return float(tight.iou(Regions(tight.size, np.asarray(box, np.float32)[None]))[0, 0])


def spread(mask: BoolArray, box: FloatArray) -> float:
    """The share of a mask, 0 to 1, that lies well outside a box."""
    near = rectangle((mask.shape[1], mask.shape[0]), padded(box, (mask.shape[1], mask.shape[0]), _SLACK))
    count = np.count_nonzero(mask)
    return float(np.count_nonzero(mask & ~near)) / count if count else 0.0
