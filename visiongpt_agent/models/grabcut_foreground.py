"""GrabCut as a foreground segmenter: what differs in colour from the rim of the picture.

Rother, Kolmogorov and Blake, *GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts* (SIGGRAPH 2004), in
OpenCV's implementation. It needs no weights, and stands in where no network for the job has been pulled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND
from visiongpt_agent.regions import BoolArray, FloatArray

if TYPE_CHECKING:
    from PIL import Image

_LONG_SIDE: Final = 400
_ROUNDS: Final = 5
_RIM: Final = 0.04


class GrabCutForeground(Model):
    """Takes the rim of the picture for background and its middle for probable foreground."""

    card: ClassVar[ModelCard] = ModelCard(
        name="grabcut-foreground",
        title="GrabCut from the picture's rim",
        jobs=(SEGMENTATION_FOREGROUND,),
        licence="Apache-2.0",
        homepage="https://docs.opencv.org/4.x/d8/d83/tutorial_py_grabcut.html",
        memory=60_000_000,
        rank=10,
    )
    caveat: str = "The outline follows colour only (GrabCut), so parts that look like the background may be lost."

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()

    def matte(self, image: Image.Image) -> FloatArray:
        """How much each pixel belongs to the foreground, float32 ``(H, W)`` from 0 to 1; soft over about two pixels."""
        import cv2
        import numpy as np

        width, height = image.size
        scale = min(1.0, _LONG_SIDE / max(width, height))
        size = max(8, round(width * scale)), max(8, round(height * scale))
        pixels = cv2.resize(np.asarray(image.convert("RGB")), size, interpolation=cv2.INTER_AREA)
        seeds = np.full(pixels.shape[:2], cv2.GC_PR_FGD, np.uint8)
        rim_x, rim_y = (max(1, round(side * _RIM)) for side in size)
        seeds[:rim_y] = cv2.GC_BGD
        # The lower rim stays open: what a photo is of often stands on it.
        seeds[:, :rim_x] = seeds[:, -rim_x:] = cv2.GC_BGD
        seeds[-rim_y:][seeds[-rim_y:] != cv2.GC_BGD] = cv2.GC_PR_BGD
        cv2.setRNGSeed(0)
        whole = (0, 0, *size)  # not looked at where there is a mask
        cv2.grabCut(pixels, seeds, whole, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
        inside = _tidy(np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))).astype(np.float32)
        soft = cv2.GaussianBlur(cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), 1.0)
        return np.clip(np.asarray(soft, np.float32), 0, 1)


def _tidy(inside: BoolArray) -> BoolArray:
    """Smooth the outline, drop specks (under a tenth of the largest part) and fill holes (under 2 % of the whole)."""
    import cv2
    import numpy as np

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    smooth = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    for value, share in ((1, 0.1), (0, 0.02)):
        _, parts, statistics, _ = cv2.connectedComponentsWithStats((smooth == value).astype(np.uint8))
        areas = statistics[1:, cv2.CC_STAT_AREA]
        least = share * (areas.max(initial=0) if value else smooth.sum())
        smooth[np.isin(parts, 1 + np.flatnonzero(areas < least))] = 1 - value
    return np.asarray(smooth > 0)
