"""Where lines of text are: scales and tiles to look for them in, boxes that seams have cut, and cutting lines out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from visiongpt_agent.pictures.tiles import Pixels, starts
from visiongpt_agent.regions import FloatArray

_READS_BEST_AT: Final = 1600
"""Longer side, in pixels, to which smaller pictures are enlarged: small lettering is then read with fewer mistakes."""
_LEAST_SHORT: Final = 736
_MOST_ENLARGED: Final = 2.0
_TILE: Final = 2000
"""Longest side that is looked at at once; larger pictures are cut into tiles of three quarters of it or less."""
_PART: Final = 1500
_OVERLAP: Final = 0.12
_MOST_PIXELS: Final = 8_000_000
_UPRIGHT: Final = 1.5
_SAME_LINE: Final = 0.6
_WITHIN: Final = 0.8


def scale_and_tiles(size: tuple[int, int]) -> tuple[float, list[tuple[int, int, int, int]]]:
    """How a picture of ``size`` (width, height) is looked at.

    Returns:
        The factor that it is scaled by, and the tiles of the scaled picture as ``left, top, right, bottom``.
    """
    longer, shorter = max(size), min(size)
    factor = min(1.0, (_MOST_PIXELS / (size[0] * size[1])) ** 0.5)
    if longer < _TILE:
        enlarged = min(_MOST_ENLARGED, max(1.0, _READS_BEST_AT / longer))
        factor = max(enlarged, min(_LEAST_SHORT / shorter, _TILE / longer))
    width, height = (max(1, round(side * factor)) for side in size)
    if max(width, height) <= _TILE:
        return factor, [(0, 0, width, height)]
    across, down = (starts(length, min(length, _PART), _OVERLAP) for length in (width, height))
    return factor, [
        (round(left), round(top), min(width, round(left) + _PART), min(height, round(top) + _PART))
        for top in down
        for left in across
    ]


def joined(found: Sequence[Sequence[FloatArray]]) -> list[FloatArray]:
    """The lines of all tiles, each once: what two tiles have of one line becomes one.

    Args:
        found: For each tile the corners ``(4, 2)`` of its lines, in pixels of the whole picture.
    """
    merged = list[tuple[set[int], FloatArray]]()
    for tile, quads in enumerate(found):
        for quad in quads:
            tiles, whole = {tile}, quad
            while (at := next((i for i, one in enumerate(merged) if _is_cut(one, tiles, whole)), None)) is not None:
                others, other = merged.pop(at)
                tiles, whole = tiles | others, _union(other, whole)
            merged.append((tiles, whole))
    return [quad for _, quad in merged]


def side_by_side(quads: Sequence[FloatArray]) -> bool:
    """Whether most of the text stands on its side: lines higher than wide, weighted by their length."""
    sides = np.array([_sides(quad) for quad in quads]).reshape(-1, 2)
    tall = sides[:, 1] >= _UPRIGHT * sides[:, 0]
    length = sides.max(axis=1, initial=0)
    return bool(length[tall].sum() > length[~tall].sum())


def crop(pixels: Pixels, quad: FloatArray) -> Pixels:
    """A line cut out of the picture and straightened; one that is clearly higher than wide is turned by 90 degrees."""
    import cv2

    width, height = (max(1, round(side)) for side in _sides(quad))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(quad, np.float32), target)
    line: Any = cv2.warpPerspective(
        pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC
    )
    return np.ascontiguousarray(np.rot90(line) if height >= _UPRIGHT * width else line, np.uint8)


def _sides(quad: FloatArray) -> tuple[float, float]:
    """The width and the height of a line, of two opposite edges the longer."""
    edges = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    return float(max(edges[0], edges[2])), float(max(edges[1], edges[3]))


def _is_cut(one: tuple[set[int], FloatArray], tiles: set[int], quad: FloatArray) -> bool:
    """Whether two boxes of different tiles are parts of one line: they lie on each other and are as high."""
    if one[0] & tiles:
        return False
    first, second = _bounds(one[1]), _bounds(quad)
    shared = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    if (shared <= 0).any():
        return False
    least = np.minimum(first[2:] - first[:2], second[2:] - second[:2])
    across = 0 if _sides(quad)[1] >= _UPRIGHT * _sides(quad)[0] else 1
    return bool(shared[across] >= _SAME_LINE * least[across])


def _union(one: FloatArray, other: FloatArray) -> FloatArray:
    """The box round two parts of a line; the larger where it holds nearly all of the other."""
    import cv2

    first, second = _bounds(one), _bounds(other)
    shared = np.clip(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0, None).prod()
    areas = [(box[2:] - box[:2]).prod() for box in (first, second)]
    if shared >= _WITHIN * min(areas):
        return one if areas[0] >= areas[1] else other
    corners = cv2.boxPoints(cv2.minAreaRect(np.concatenate([one, other]).astype(np.float32)))
    left, right = np.split(corners[np.argsort(corners[:, 0], kind="stable")], 2)
    (top_left, bottom_left), (top_right, bottom_right) = (part[np.argsort(part[:, 1])] for part in (left, right))
    return np.array([top_left, top_right, bottom_right, bottom_left], np.float32)


def _bounds(quad: FloatArray) -> FloatArray:
    return np.concatenate([quad.min(axis=0), quad.max(axis=0)])
