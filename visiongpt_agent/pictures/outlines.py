"""The outlines of masks, for formats and pages that draw polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from visiongpt_agent.regions import BoolArray

Polygon = list[tuple[float, float]]
_Ring = npt.NDArray[np.int32]
"""Corners of a closed line, ``(N, 2)``, x before y."""

TOLERANCE: Final = 1.0
"""How far a simplified outline may lie from the true one, in pixels."""
LEAST_LIKENESS: Final = 0.99
"""IoU with the mask that simplified outlines keep at least; small and thin things are simplified less for it."""
_LEAST_TOLERANCE: Final = 0.25
_FINER: Final = 0.7
_MOST_RINGS: Final = 256
"""So many outlines and holes of one mask are joined to one path, the largest."""
_CORNERS: Final = 3
"""What a polygon has at least."""
_CORNER: Final = 0.45
"""Where in its pixel the corner of a path lies: a reader that rounds and one that truncates find the same pixel."""


@dataclass(frozen=True)
class Part:
    """A connected part of a mask: its outline, and those of the holes in it; corners ``(x, y)`` in pixels."""

    outline: Polygon
    holes: tuple[Polygon, ...] = ()


def parts(mask: BoolArray, tolerance: float = TOLERANCE) -> list[Part]:
    """The parts of a mask as polygons that run along the edges of its pixels, a quarter of a pixel inside.

    A reader that takes the pixels whose centres lie in a polygon (as pycocotools does) gets the mask back.

    Args:
        mask: bool ``(H, W)``.
        tolerance: How far an outline may lie from the true one, in pixels; 0 for every corner of every pixel.

    Returns:
        The parts, the largest first; none of an empty mask. Lines of a single pixel's width are outlined too.
    """
    crop, left, top = _cropped(mask)
    # On a picture twice as large outlines run along the edges of pixels, not through their centres.
    enlarged = np.repeat(np.repeat(crop, 2, axis=0), 2, axis=1)
    groups = _simplified(enlarged, _rings(enlarged), 2 * tolerance)

    def corners(ring: _Ring) -> Polygon:
        return [((x + 0.5) / 2 + left, (y + 0.5) / 2 + top) for x, y in ring.tolist()]

    return [Part(corners(outer), tuple(map(corners, holes))) for outer, *holes in groups]


def single_path(mask: BoolArray, tolerance: float = TOLERANCE) -> Polygon:
    """A mask as one closed path through all its parts and round all its holes, for formats that have one polygon.

    From one outline to the next it walks along the shortest line and later back on it. It runs through the centres of
    the outermost pixels: a reader that fills it by the even-odd rule and colours its border too (as OpenCV's
    ``fillPoly`` does, with which Ultralytics and supervision read labels) gets the mask back, and a line one pixel wide
    between separate parts. Specks that have fewer pixels than the line to them are left out.

    Args:
        mask: bool ``(H, W)``.
        tolerance: How far the path may lie from the true outline, in pixels.

    Returns:
        Corners ``(x, y)`` in pixels; none of an empty mask.
    """
    crop, left, top = _cropped(mask)
    rings = [ring for group in _simplified(crop, _rings(crop), tolerance) for ring in group]
    rings = sorted(rings, key=_pixels, reverse=True)[:_MOST_RINGS]
    return [(x + _CORNER + left, y + _CORNER + top) for x, y in (_joined(rings) if rings else [])]


def _cropped(mask: BoolArray) -> tuple[npt.NDArray[np.uint8], int, int]:
    """The part of the mask that is not empty, and where its left top corner was."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros((1, 1), np.uint8), 0, 0
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return crop.astype(np.uint8), int(columns[0]), int(rows[0])


def _rings(mask: npt.NDArray[np.uint8]) -> list[list[_Ring]]:
    """For each connected part its outline and those of its holes, all of them on pixels of the mask."""
    import cv2

    contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents: list[Any] = [] if hierarchy is None else hierarchy[0][:, 3].tolist()
    rings = [np.asarray(contour[:, 0], np.int32) for contour in contours]
    groups = {i: [rings[i]] for i, parent in enumerate(parents) if parent < 0}
    for i, parent in enumerate(parents):
        if parent >= 0:
            groups[parent].append(rings[i])
    return sorted(groups.values(), key=lambda group: -cv2.contourArea(group[0]))


def _simplified(mask: npt.NDArray[np.uint8], groups: list[list[_Ring]], tolerance: float) -> list[list[_Ring]]:
    """The rings with fewer corners, as far as that keeps them within the tolerance and like the mask."""
    while tolerance >= _LEAST_TOLERANCE:
        fewer = [[_fewer_corners(ring, tolerance) for ring in group] for group in groups]
        if _likeness(mask, fewer) >= LEAST_LIKENESS:
            return fewer
        tolerance *= _FINER
    return groups


def _fewer_corners(ring: _Ring, tolerance: float) -> _Ring:
    import cv2

    fewer = np.asarray(cv2.approxPolyDP(ring[:, None], tolerance, True)[:, 0], np.int32)
    return fewer if len(fewer) >= _CORNERS else ring


def _likeness(mask: npt.NDArray[np.uint8], groups: list[list[_Ring]]) -> float:
    """IoU of the mask and of what the rings enclose, the rings themselves included."""
    import cv2

    canvas = np.zeros_like(mask)
    cv2.fillPoly(canvas, [ring for group in groups for ring in group], 1)
    return float((canvas & mask).sum() / max(1, (canvas | mask).sum()))


def _joined(rings: Sequence[_Ring]) -> list[tuple[int, int]]:
    """One walk along the rings: a shortest tree of bridges joins them (after Prim), each is walked there and back.

    The first ring is always walked; another is left out where its bridge has more pixels than it has itself.
    """
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    points = np.concatenate(rings).astype(np.int64)
    distance, nearest = np.full(len(points), np.inf), np.zeros(len(points), np.intp)
    walk, joined = _round_trip(rings[0], 0), 0
    for _ in rings[1:]:
        distance[owner == joined] = -1.0
        open_ = np.flatnonzero(distance >= 0)
        for i in np.flatnonzero(owner == joined):
            away = np.hypot(*(points[open_] - points[i]).T)
            closer = away < distance[open_]
            distance[open_[closer]], nearest[open_[closer]] = away[closer], i
        entry = open_[np.argmin(distance[open_])]
        if distance[entry] > _pixels(rings[owner[entry]]):
            distance[owner == owner[entry]] = -1.0
            continue
        joined = int(owner[entry])
        leave = (int(points[nearest[entry]][0]), int(points[nearest[entry]][1]))
        corner = int(entry - np.searchsorted(owner, joined))
        place = walk.index(leave) + 1
        walk[place:place] = [*_round_trip(rings[joined], corner), leave]
    del walk[-1]  # where it began: readers close it
    return [*walk, *walk[-1:] * (_CORNERS - len(walk))]


def _pixels(ring: _Ring) -> float:
    """About how many pixels a ring encloses, its own included (after Pick)."""
    import cv2

    return float(cv2.contourArea(ring) + cv2.arcLength(ring, True) / 2 + 1)


def _round_trip(ring: _Ring, start: int) -> list[tuple[int, int]]:
    """The corners of a ring from one of them, which comes last again."""
    order = [*range(start, len(ring)), *range(start + 1)]
    return [(int(ring[i][0]), int(ring[i][1])) for i in order]
