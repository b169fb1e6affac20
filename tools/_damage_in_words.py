"""How damaged parts of a picture look in words: zero-shot scores, without any picture of a good specimen.

After WinCLIP (Jeong et al., *WinCLIP: Zero-/Few-Shot Anomaly Classification and Segmentation*, CVPR 2023): windows of
several sizes are compared with words for flawless and for damaged things, and each place gets the harmonic mean of the
windows that show it. The paper aggregates windows within CLIP's encoder; here each window is shown to the model by
itself, so that any model that compares pictures with words will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.models.jobs import ImageTextMatcher
from visiongpt_agent.regions import FloatArray

_CELLS: Final = 6
"""Cells of the map along each side."""

_FLAWLESS: Final = tuple(
    f"a photo of {what}" for what in ("a flawless object", "a perfect surface", "an object without damage")
)
_DAMAGED: Final = tuple(
    f"a photo of {what}" for what in ("a damaged object", "a surface with a flaw", "an object with a defect")
)
_TEMPERATURE: Final = 0.07
_SIDES: Final = (6, 3, 2)
"""Sides of the windows in cells: the whole picture, halves and thirds of its sides; each step is half a side."""


def damaged(window: Image.Image, matcher: ImageTextMatcher) -> float:
    """How much likelier a picture shows damage than none, 0 to 1: a softmax over words for both."""
    likeness = np.asarray(matcher.match(window, [*_FLAWLESS, *_DAMAGED]), np.float64)
    flawless, damaged = likeness[: len(_FLAWLESS)].mean(), likeness[len(_FLAWLESS) :].mean()
    return float(1 / (1 + np.exp((flawless - damaged) / _TEMPERATURE)))


@dataclass(frozen=True)
class Window:
    """A part of a picture, ``xyxy`` in its pixels, and how much likelier it shows damage than none, 0 to 1."""

    box: tuple[int, int, int, int]
    score: float


def windows(image: Image.Image, matcher: ImageTextMatcher) -> list[Window]:
    """The parts of a picture that are looked at, those of a third of its sides last."""
    found = []
    for side in _SIDES:
        step = max(1, side // 2)
        for upper in range(0, _CELLS - side + 1, step):
            for left in range(0, _CELLS - side + 1, step):
                edges = np.array([left, upper, left + side, upper + side]) / _CELLS
                x1, y1, x2, y2 = (round(edge) for edge in edges * [*image.size, *image.size])
                found.append(Window((x1, y1, x2, y2), damaged(image.crop((x1, y1, x2, y2)), matcher)))
    return found


def damage_map(found: Sequence[Window], size: tuple[int, int]) -> FloatArray:
    """What windows say of each place of a picture of this size ``(width, height)``, float32 ``(6, 6)``, 0 to 1."""
    across, down = ((np.arange(_CELLS) + 0.5) * side / _CELLS for side in size)
    inverse, count = np.zeros((2, _CELLS, _CELLS), np.float64)
    for window in found:
        x1, y1, x2, y2 = window.box
        inside = ((down > y1) & (down < y2))[:, None] & ((across > x1) & (across < x2))
        inverse += inside / max(window.score, 1e-6)
        count += inside
    return np.asarray(count / inverse, np.float32)
