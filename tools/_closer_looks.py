"""Looking closer: in overlapping tiles of large pictures, at each thing by itself, and for what was not found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.pictures.cutting import padded
from visiongpt_agent.pictures.framing import Frame
from visiongpt_agent.regions import BoolArray, FloatArray, Regions

Detect = Callable[[Image.Image], Regions]
"""What a detector sees in a picture, faint things too."""

_LARGE: Final = 1600
_LONG: Final = 2.5
"""A picture is looked at in tiles from so many pixels on its longer side, or if it is so many times as long as wide."""
_FINEST: Final = 832
"""Sides of tiles, in pixels, at least: a thing of 60 pixels is seen in them, and 24 megapixels take 54 tiles."""
_MOST_TILES: Final = 72
_OVERLAP: Final = 0.25
_CUT_OFF: Final = 0.01
"""Share of a tile's side within which a box that ends there is taken as cut off by the tile."""
_MOST_CLOSE_LOOKS: Final = 12
_SURE_ENOUGH, _FILLING = 0.75, 0.6
"""Scores from which, and shares of the picture from which, a thing gets no closer look."""
_MARGINS: Final = (0.15, 0.6)
"""What is looked at around a thing, as shares of its sides: close, and with what it belongs to."""
_SAME_THING, _SAME_PLACE, _WITHIN = 0.5, 0.8, 0.8
_SMALLEST: Final = 0.06
"""Share of what a detector takes in at once that a thing has at least to be seen."""


def tiles(size: tuple[int, int]) -> list[Frame]:
    """Overlapping tiles in which a large or long picture is looked at, coarse ones first; none for a small one."""
    long, short = max(size), min(size)
    if long < _LARGE and (long < _LONG * short or long < _FINEST):
        return []
    sides = [side for side in (2 * short, short) if side < 0.8 * long]
    side = (short if sides else long) // 2
    frames = [frame for side in sides for frame in _grid(size, side)]
    while side >= _FINEST and len(frames) + len(_grid(size, side)) <= _MOST_TILES:
        frames += _grid(size, side)
        side //= 2
    return frames


def _grid(size: tuple[int, int], side: int) -> list[Frame]:
    columns, rows = (_starts(length, side) for length in size)
    return [(x, y, min(size[0], x + side), min(size[1], y + side)) for y in rows for x in columns]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * (1 - _OVERLAP)))) + 1
    return [round(at) for at in np.linspace(0, length - side, count)]


def quarters(size: tuple[int, int]) -> list[Frame]:
    """Four overlapping tiles, of six tenths of the sides, and the middle one."""
    across, down = round(0.6 * size[0]), round(0.6 * size[1])
    corners = [(x, y) for y in (0, size[1] - down) for x in (0, size[0] - across)]
    corners.append(((size[0] - across) // 2, (size[1] - down) // 2))
    return [(x, y, x + across, y + down) for x, y in corners]


def smallest_seen(size: tuple[int, int]) -> int:
    """About how many pixels wide a thing must be to be seen in a picture of this size."""
    sides = [max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in tiles(size)]
    return round(_SMALLEST * min([*sides, max(size)]))


def detect_in(picture: Image.Image, frames: Sequence[Frame], detect: Detect) -> Regions:
    """What is seen in each of the frames, in pixels of the picture, without what a frame's side cuts off."""
    found = Regions(picture.size)
    for frame in frames:
        seen = detect(picture.crop(frame))
        if not len(seen):
            continue
        seen = seen.select(~_cut_off(seen, frame, picture.size))
        boxes = seen.boxes + np.array([frame[0], frame[1]] * 2, np.float32)
        found = found.merge(Regions.clipped(picture.size, boxes, seen.labels, seen.confidence))
    return found


def _cut_off(seen: Regions, frame: Frame, size: tuple[int, int]) -> BoolArray:
    across, down = seen.size
    limits = np.array([_CUT_OFF * across, _CUT_OFF * down, (1 - _CUT_OFF) * across, (1 - _CUT_OFF) * down])
    inner = np.array([frame[0] > 0, frame[1] > 0, frame[2] < size[0], frame[3] < size[1]])
    at_side = np.concatenate([seen.boxes[:, :2] < limits[:2], seen.boxes[:, 2:] > limits[2:]], axis=1)
    return np.asarray((at_side & inner).any(axis=1), np.bool_)


def each_once(found: Regions) -> Regions:
    """The regions, surest first, each thing once: not again under another label, and no part of it beside the whole."""
    found = found.select(np.argsort(-found.confidence, kind="stable")).nms(_SAME_THING)
    overlap, kept = found.iou(found), list[int]()
    for i in range(len(found)):
        if all(overlap[i, j] <= _SAME_PLACE for j in kept):
            kept.append(i)
    found = found.select(kept)
    return found.select([i for i in range(len(found)) if not _is_part(found, i)])


def _is_part(found: Regions, index: int) -> bool:
    """Whether a region lies within a larger one of the same label that is nearly as sure."""
    box, area = found.boxes[index], float((found.boxes[index, 2:] - found.boxes[index, :2]).prod())
    sides = np.minimum(found.boxes[:, 2:], box[2:]) - np.maximum(found.boxes[:, :2], box[:2])
    within = np.clip(sides, 0, None).prod(axis=1) > _WITHIN * area
    larger = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1) > 1.2 * area
    same = np.array([label == found.labels[index] for label in found.labels], np.bool_)
    sure = found.confidence >= 0.8 * found.confidence[index]
    return bool((within & larger & same & sure).any())


def look_closely(picture: Image.Image, found: Regions, detect: Detect) -> Regions:
    """The regions with the boxes and scores that a look at each by itself gives, where it is surer.

    At most twelve are looked at, the surest first; those that are sure or fill the picture stay as they are. Of a thing
    that is not seen again the score is halved.
    """
    boxes, scores = found.boxes.copy(), found.confidence.copy()
    large = found.areas > _FILLING * picture.width * picture.height
    doubtful = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] < _SURE_ENOUGH and not large[i]]
    for i in doubtful[:_MOST_CLOSE_LOOKS]:
        box, score = seen_closely(picture, boxes[i], found.labels[i], detect, float(scores[i]))
        if score == 0:
            scores[i] /= 2
        elif score >= scores[i]:
            boxes[i], scores[i] = box, score
    return Regions(found.size, boxes, found.labels, scores)


def seen_closely(
    picture: Image.Image, box: FloatArray, label: str, detect: Detect, enough: float
) -> tuple[FloatArray, float]:
    """The box and score of what a look at a box and a little around it sees under a label there; 0 for nothing.

    A second look takes in more around it, unless the first has a score of ``enough``.
    """
    best, score = box, 0.0
    for margin in _MARGINS:
        if score >= enough:
            break
        seen = detect_in(picture, [padded(box, picture.size, margin)], detect)
        seen = seen.select([i for i, name in enumerate(seen.labels) if name == label])
        overlap = seen.iou(Regions(picture.size, box[None]))[:, 0] if len(seen) else np.zeros(0)
        if len(seen) and overlap.max() >= _SAME_THING and seen.confidence[overlap.argmax()] > score:
            best, score = seen.boxes[overlap.argmax()], float(seen.confidence[overlap.argmax()])
    return best, score
