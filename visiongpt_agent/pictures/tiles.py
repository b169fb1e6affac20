"""Square windows that cover a picture, for networks whose input is smaller than the picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


class Window(NamedTuple):
    """A square part of a picture, in pixels; it may reach out of the picture."""

    left: float
    top: float
    side: float

    @classmethod
    def around(cls, box: tuple[float, float, float, float], factor: float) -> Window:
        """The window round the middle of a box ``xyxy`` whose side is ``factor`` times the box's longer side."""
        x1, y1, x2, y2 = box
        side = max(x2 - x1, y2 - y1, 1.0) * factor
        return cls((x1 + x2 - side) / 2, (y1 + y2 - side) / 2, side)


def windows(size: tuple[int, int], side: float, overlap: float) -> list[Window]:
    """Windows of one side that cover a picture of ``size`` (width, height), row by row.

    Args:
        size: Width and height in pixels.
        side: Of each window, in pixels; a picture that is narrower lies in the middle of its windows.
        overlap: Least share of its side that a window has in common with the next, 0 to 1 (exclusive).
    """
    return [
        Window(left, top, side) for top in starts(size[1], side, overlap) for left in starts(size[0], side, overlap)
    ]


def starts(length: float, side: float, overlap: float) -> list[float]:
    """Where stretches of length ``side`` begin that cover ``length``, evenly spread, first to last."""
    if length <= side:
        return [(length - side) / 2]
    count = math.ceil((length - side) / (side * (1 - overlap))) + 1
    return [float(start) for start in np.linspace(0, length - side, count)]


def cut(rgb: Pixels, window: Window, side: int) -> Pixels:
    """A window of a picture as uint8 ``(side, side, 3)``, black where it reaches out of the picture."""
    import cv2

    left, top, length = round(window.left), round(window.top), max(1, round(window.side))
    canvas = np.zeros((side, side, 3), np.uint8)
    part = rgb[max(0, top) : max(0, top + length), max(0, left) : max(0, left + length)]
    if not part.size:
        return canvas
    factor = side / length
    x, y = (min(side - 1, round(max(0, -start) * factor)) for start in (left, top))
    across, down = (max(1, round(part.shape[axis] * factor)) for axis in (1, 0))
    across, down = min(across, side - x), min(down, side - y)
    shrinks = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    canvas[y : y + down, x : x + across] = cv2.resize(np.ascontiguousarray(part), (across, down), interpolation=shrinks)
    return canvas
