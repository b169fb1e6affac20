"""GrabCut: cuts the thing in a box out by its colours.

Rother, Kolmogorov and Blake, *GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts* (SIGGRAPH 2004), in
OpenCV's implementation. It has no weights, and it is no Segment Anything: where thing and background share colours, the
outline follows the colours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.regions import BoolArray, FloatArray

if TYPE_CHECKING:
    from PIL import Image

_LONG_SIDE: Final = 360
_PADDING: Final = 0.2
_ROUNDS: Final = 6
_LEAST_PIECE: Final = 0.08
_PARTS_SIDE: Final = 320
_LEAST_PART: Final = 0.004
_COLOUR_STEP: Final = 12.0

Bytes = npt.NDArray[np.uint8]


class GrabCut(Model):
    """Masks from boxes, and the areas of like colour that a picture consists of."""

    card: ClassVar[ModelCard] = ModelCard(
        name="grabcut",
        title="GrabCut in a box",
        jobs=(SEGMENTATION_PROMPTABLE,),
        licence="Apache-2.0",
        homepage="https://docs.opencv.org/4.x/d8/d83/tutorial_py_grabcut.html",
        memory=60_000_000,
        rank=50,
        modules=("cv2",),
    )
    caveat: str = "The outlines follow colours only (GrabCut), so they may miss parts or take in some background."

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()

    def segment(self, image: Image.Image, boxes: FloatArray) -> BoolArray:
        """Masks, bool ``(N, H, W)``, each inside its box; empty where no thing stands out in it."""
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB")))
        masks = np.zeros((len(boxes), image.height, image.width), np.bool_)
        for mask, box in zip(masks, np.asarray(boxes, np.float32).reshape(-1, 4), strict=True):
            x1, y1, x2, y2 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
            mask[y1:y2, x1:x2] = _cut(pixels, (x1, y1, x2, y2))
        return masks

    def segment_everything(self, image: Image.Image) -> BoolArray:
        """Masks, bool ``(N, H, W)``, of connected areas of like colour, largest first; none overlap.

        Mean shift (Comaniciu and Meer, 2002) smooths the picture, then pixels join neighbours of nearly their colour;
        areas below 0.4 % of the picture are left out.
        """
        import cv2

        pixels = np.asarray(image.convert("RGB"))
        factor = min(1.0, _PARTS_SIDE / max(image.size))
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        small: Bytes = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        if min(size) > 2:
            small = np.asarray(cv2.pyrMeanShiftFiltering(small, 12, 24), np.uint8)
        areas = _areas(small)
        large = cv2.resize(areas, image.size, interpolation=cv2.INTER_NEAREST)
        masks = [large == number for number in range(1, int(areas.max()) + 1)]
        masks.sort(key=np.count_nonzero, reverse=True)
        return np.stack(masks) if masks else np.zeros((0, image.height, image.width), np.bool_)


def _cut(pixels: Bytes, box: tuple[int, int, int, int]) -> BoolArray:
    """The mask of the thing in a box, bool of the box's size."""
    import cv2

    (x1, y1, x2, y2), (height, width) = box, pixels.shape[:2]
    pad_x, pad_y = round((x2 - x1) * _PADDING) + 2, round((y2 - y1) * _PADDING) + 2
    left, top = max(0, x1 - pad_x), max(0, y1 - pad_y)
    crop = pixels[top : min(height, y2 + pad_y), left : min(width, x2 + pad_x)]
    factor = min(1.0, _LONG_SIDE / max(crop.shape[:2]))
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    small: Bytes = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    inner = [round(v * factor) for v in (x1 - left, y1 - top, x2 - left, y2 - top)]
    seeds = _seeds(small, inner)
    if seeds is None:
        return np.zeros((y2 - y1, x2 - x1), np.bool_)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, seeds, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    thing = _tidy(((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)).astype(np.uint8))
    whole = cv2.resize(thing.astype(np.float32), crop.shape[1::-1], interpolation=cv2.INTER_LINEAR) >= 0.5
    return np.asarray(whole[y1 - top : y2 - top, x1 - left : x2 - left], np.bool_)


def _seeds(small: Bytes, inner: list[int]) -> Bytes | None:
    """What is surely background (outside the box) and probably the thing (an ellipse in it); None for too small a box.

    A box that fills its crop has no outside: its corners, outside the ellipse, are taken for background then.
    """
    import cv2

    height, width = small.shape[:2]
    x1, y1, x2, y2 = inner
    if x2 - x1 < 4 or y2 - y1 < 4:
        return None
    seeds = np.full((height, width), cv2.GC_BGD, np.uint8)
    seeds[y1:y2, x1:x2] = cv2.GC_PR_BGD
    middle, axes = ((x1 + x2) // 2, (y1 + y2) // 2), ((x2 - x1) * 23 // 48, (y2 - y1) * 23 // 48)
    ellipse = cv2.ellipse(np.zeros((height, width), np.uint8), middle, axes, 0, 0, 360, 1, -1)
    seeds[ellipse == 1] = cv2.GC_PR_FGD
    if np.count_nonzero(seeds == cv2.GC_BGD) < 0.02 * seeds.size:
        rim = np.ones((height, width), np.bool_)
        rim[2:-2, 2:-2] = False
        seeds[rim & (seeds == cv2.GC_PR_BGD)] = cv2.GC_BGD
    return seeds


def _tidy(mask: Bytes) -> BoolArray:
    """The mask without specks and pinholes, and without pieces that are small beside the largest."""
    import cv2

    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    smooth = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, brush), cv2.MORPH_CLOSE, brush)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(smooth)
    if count < 2:
        return np.zeros(mask.shape, np.bool_)
    areas = stats[1:, cv2.CC_STAT_AREA]
    large = 1 + np.flatnonzero(areas >= _LEAST_PIECE * areas.max())
    outlines, _ = cv2.findContours(np.isin(pieces, large).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cleaned = np.isin(pieces, large).astype(np.uint8)
    for outline in outlines:  # fill holes below 0.5 % of the thing
        if cv2.contourArea(outline) < 0.005 * areas.max():
            cv2.drawContours(cleaned, [outline], -1, 1, -1)
    return np.asarray(cleaned == 1, np.bool_)


def _areas(smooth: Bytes) -> npt.NDArray[np.int32]:
    """Number connected pixels of like colour from 1; 0 is what belongs to no large area."""
    import cv2

    height, width = smooth.shape[:2]
    numbers, number = np.zeros((height, width), np.int32), 0
    rest = np.zeros((height + 2, width + 2), np.uint8)
    step = (_COLOUR_STEP / 3,) * 3
    for y, x in np.ndindex(height, width):
        if rest[y + 1, x + 1]:
            continue
        before = rest.copy()
        count, *_ = cv2.floodFill(smooth.copy(), rest, (x, y), 0, step, step, 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8))
        if count >= _LEAST_PART * height * width:
            number += 1
            numbers[(rest != before)[1:-1, 1:-1]] = number
    return numbers
