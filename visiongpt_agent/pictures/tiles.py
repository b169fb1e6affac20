"""Square windows that cover a picture, for networks whose input is smaller than the picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


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
