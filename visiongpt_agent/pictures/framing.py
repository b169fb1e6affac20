"""Frames of an aspect: how large one is in a picture, and where it holds most of what matters. No models."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from visiongpt_agent.regions import FloatArray

Frame = tuple[int, int, int, int]
"""``left, top, right, bottom`` in whole pixels."""

_LONGEST: Final = 20.0
"""The widest aspect, and the inverse of the tallest."""
_ASPECT: Final = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)\s*(?::|/|x|×|by|to)\s*(\d{1,5}(?:\.\d{1,4})?)", re.I)


def aspect_ratio(words: str) -> float | None:
    """Width by height, of words such as ``16:9``, ``4x5`` or ``square``; None where they name no aspect.

    Example:
        >>> aspect_ratio("4:5"), aspect_ratio("square"), aspect_ratio("wide")
        (0.8, 1.0, None)
    """
    if words.strip().casefold() == "square":
        return 1.0
    match = _ASPECT.fullmatch(words.strip())
    width, height = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    return width / height if height and 1 / _LONGEST <= width / height <= _LONGEST else None


def size_of_aspect(size: tuple[int, int], ratio: float) -> tuple[int, int]:
    """The largest width and height of an aspect that fit into a picture of ``size``, each at least 1."""
    width, height = size
    if width / height > ratio:
        return max(1, min(width, round(height * ratio))), height
    return width, max(1, min(height, round(width / ratio)))


def best_frame(weights: FloatArray, size: tuple[int, int]) -> Frame:
    """Where a frame of ``(width, height)`` holds most; of places that hold as much, the one nearest to their middle.

    Args:
        weights: How much each pixel matters, float32 ``(H, W)``, 0 or more; in the middle where nothing does.
        size: Of the frame, which fills the picture in one direction.
    """
    left = _best_start(weights.sum(axis=0), size[0])
    top = _best_start(weights.sum(axis=1), size[1])
    return left, top, left + size[0], top + size[1]


def _best_start(weights: FloatArray, length: int) -> int:
    """Where in a line of weights a window of a length begins."""
    if weights.sum() <= 0:
        return (len(weights) - length) // 2
    sums = np.cumsum(np.concatenate([[0.0], weights.astype(np.float64)]))
    within = sums[length:] - sums[:-length]
    middle = float((np.arange(len(weights)) * weights).sum() / weights.sum())
    starts = np.flatnonzero(within >= within.max() - 1e-3 * sums[-1])
    return int(starts[np.abs(starts + (length - 1) / 2 - middle).argmin()])
