"""Looking at a picture a second time, and what a mask can be held against: shared by the tools' postconditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from visiongpt_agent.models.jobs import IMAGE_TEXT, ImageTextMatcher
from visiongpt_agent.pictures.likeness import common_structure
from visiongpt_agent.pictures.transparency import flatten, visible
from visiongpt_agent.regions import BoolArray, FloatArray, Regions

if TYPE_CHECKING:
    from visiongpt_agent.tools.base import Models

CONFIRMED: Final = 0.6
"""IoU from which a box of the second look is the same thing."""
SEEN: Final = 0.4
"""IoU below which a box has nothing to do with what the second look sees."""

_MARGIN: Final = 0.06
_RIM: Final = 0.04
_CHANCE: Final = 0.1
_CLEARLY_MORE: Final = 0.12
_MOVED, _CERTAIN = 4.0, 0.15
"""Pixels of 128 by which the edges of a picture may have moved, and how certain that must be, 0 to 1."""

_NO_PICTURE: Final = ("random noise", "a blank picture", "an unrelated picture of something else")
_SIDE: Final = 224
_REACH: Final = 0.25
_NEAR, _BETTER = 0.04, 1.18
_CLEAR: Final = 0.5


def detect_again(image: Image.Image, detect: Callable[[Image.Image], Regions]) -> Regions:
    """What a detector sees in the mirror image with a grey margin round it, told in pixels of the picture itself.

    Mirrored for networks that treat both sides alike by training only, and with a margin for those that are symmetric
    by construction: things fall on other cells of their grids.
    """
    across, down = round(image.width * _MARGIN), round(image.height * _MARGIN)
    seen = detect(ImageOps.expand(ImageOps.mirror(image), (across, down), (114, 114, 114)))
    boxes = seen.boxes - np.array([across, down, across, down], np.float32)
    boxes[:, [0, 2]] = image.width - boxes[:, [2, 0]]
    return Regions.clipped(image.size, boxes, seen.labels, seen.confidence) if len(seen) else Regions(image.size)


def segment_again(image: Image.Image, segment: Callable[[Image.Image], Regions]) -> Regions:
    """What a segmenter sees in the mirror image with a grey margin, as :func:`detect_again`; its regions have masks."""
    across, down = round(image.width * _MARGIN), round(image.height * _MARGIN)
    seen = segment(ImageOps.expand(ImageOps.mirror(image), (across, down), (114, 114, 114)))
    if seen.masks is None:
        return Regions(image.size)
    masks = seen.masks[:, down : down + image.height, across : across + image.width][:, :, ::-1]
    return Regions.from_masks(masks, seen.labels, seen.confidence)


def mask_overlap(regions: Regions, others: Regions) -> float:
    """IoU of all that regions cover with all that others cover, 0 to 1; of their boxes where they have no masks.

    Boxes are compared with the boxes that lie tight round the others' masks.
    """
    if regions.masks is None or others.masks is None:
        return float(best_overlap(regions, others).max(initial=0))
    one, other = regions.union_mask(), others.union_mask()
    return float((one & other).sum() / max(1, int((one | other).sum())))


def best_overlap(regions: Regions, others: Regions) -> FloatArray:
    """For each region the IoU with that of the others which fits it best, float32 ``(N,)``; 0 where there is none."""
    if not len(others):
        return np.zeros(len(regions), np.float32)
    return np.asarray(regions.iou(others).max(axis=1), np.float32)


def off_by(image: Image.Image, mask: BoolArray) -> tuple[float, float]:
    """How far a mask lies from where its outline fits the edges of the picture best.

    Args:
        image: The picture.
        mask: bool ``(H, W)``, not empty.

    Returns:
        The distance to the best fitting place, as a share of the root of the mask's area; and how many times as well
        the outline fits there as where it is, give or take a pixel or two.
    """
    import cv2

    reach = max(4, round(_REACH * float(np.sqrt(np.count_nonzero(mask)))))
    edges, outline, factor = _edges_and_outline(image, mask, reach)
    steps = max(2, round(reach * factor))
    template = outline[steps:-steps, steps:-steps].astype(np.float32)
    if not template.any():
        return 0.0, 1.0
    fit = cv2.matchTemplate(edges, template, cv2.TM_CCORR)
    middle = np.array(fit.shape) // 2
    here = float(fit[middle[0] - 2 : middle[0] + 3, middle[1] - 2 : middle[1] + 3].max())
    best = np.array(np.unravel_index(int(fit.argmax()), fit.shape))
    distance = float(np.hypot(*(best - middle))) / factor
    return distance / float(np.sqrt(np.count_nonzero(mask))), float(fit.max()) / max(here, 1e-6)


def on_edges(image: Image.Image, mask: BoolArray) -> float:
    """Share of a mask's outline, 0 to 1, that lies on a clear edge of the picture, give or take two pixels.

    Of the boxes round people, cats and cups at most 0.75 lies on edges; of what has straight sides nearly all.

    Args:
        image: The picture.
        mask: bool ``(H, W)``, not empty.
    """
    import cv2

    edges, outline, _ = _edges_and_outline(image, mask, max(4, round(0.1 * float(np.sqrt(np.count_nonzero(mask))))))
    near = cv2.dilate(edges, np.ones((5, 5)))
    return float((near[outline > 0] > _CLEAR).mean()) if outline.any() else 0.0


def _edges_and_outline(
    image: Image.Image, mask: BoolArray, reach: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], float]:
    """Edges and a mask's outline, of what lies around the mask, made smaller where it is large; and the scale of both.

    Args:
        image: The picture, of which counts what shows.
        mask: bool ``(H, W)``, not empty.
        reach: How many pixels around it are looked at.
    """
    import cv2

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    frame = (columns[0] - reach, rows[0] - reach, columns[-1] + 1 + reach, rows[-1] + 1 + reach)
    factor = min(1.0, _SIDE / max(frame[2] - frame[0], frame[3] - frame[1]))
    size = (max(8, round((frame[2] - frame[0]) * factor)), max(8, round((frame[3] - frame[1]) * factor)))
    pixels = _cut(np.asarray(visible(image)), frame)
    inside = _cut(mask.astype(np.uint8), frame)
    edges = _edges(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
    small = np.asarray(cv2.resize(inside * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 127, np.uint8)
    return edges, np.asarray(small - cv2.erode(small, np.ones((3, 3), np.uint8)), np.uint8), factor


def _cut(values: npt.NDArray[np.uint8], frame: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    """A rectangle of an array, repeated at the borders where it reaches out of it."""
    height, width = values.shape[:2]
    across = np.clip(np.arange(frame[0], frame[2]), 0, width - 1)
    down = np.clip(np.arange(frame[1], frame[3]), 0, height - 1)
    return np.ascontiguousarray(values[down][:, across])


def _edges(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """How strong the edges are, 0 to 1, float32 ``(H, W)``; one strong edge counts no more than a clear one."""
    import cv2

    smooth = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.0)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)).max(axis=2)
    return np.asarray(np.minimum(slope / max(float(np.percentile(slope, 90)), 1e-3), 1.0), np.float32)


def misplaced(image: Image.Image, mask: BoolArray) -> bool:
    """Whether a mask's outline fits the edges of the picture clearly better at another place nearby.

    On photos the outlines of people, cats, cups and buses lie at most 1.09 times better elsewhere, and those shifted by
    a tenth of their size mostly 1.3 to 3 times.
    """
    distance, gain = off_by(image, mask)
    return distance > _NEAR and gain > _BETTER


def zoomed_in(image: Image.Image) -> Image.Image:
    """The picture without its outermost rim, same size: the same for whoever describes it, left and right too."""
    across, down = round(image.width * _RIM), round(image.height * _RIM)
    inner = image.crop((across, down, max(across + 1, image.width - across), max(down + 1, image.height - down)))
    return inner.resize(image.size, Image.Resampling.BICUBIC)


def fits_words(image: Image.Image, words: str, models: Models) -> bool:
    """Whether a model that compares pictures with words finds these fitting; True where there is no such model.

    They must fit better than words for no picture in particular do.
    """
    if not models.has(IMAGE_TEXT):
        return True
    with models.use(IMAGE_TEXT, ImageTextMatcher) as matcher:
        likeness = matcher.match(visible(image), [words, *_NO_PICTURE])
    return bool(likeness[0] > likeness[1:].max())


def is_noise(image: Image.Image) -> bool:
    """Whether neighbouring pixels have nothing to do with each other, as where a generator has failed."""
    grey = np.asarray(image.convert("L"), np.float32)
    centred = grey - grey.mean()
    spread = float((centred**2).mean())
    across = float((centred[:, 1:] * centred[:, :-1]).mean())
    down = float((centred[1:] * centred[:-1]).mean())
    return spread > 0 and max(across, down) < _CHANCE * spread


def turned_or_moved(made: Image.Image, image: Image.Image) -> str:
    """Whether a picture that should have its edges where another has them is that mirrored, or moved; else ``""``."""
    import cv2

    upright = common_structure(made, image)
    if common_structure(ImageOps.mirror(made), image) > upright + _CLEARLY_MORE:
        return "mirrored"
    maps = [np.asarray(ImageOps.grayscale(flatten(one)).resize((128, 128)), np.float32) for one in (image, made)]
    first, second = (cv2.GaussianBlur(np.abs(cv2.Laplacian(one, cv2.CV_32F)), (0, 0), 1.5) for one in maps)
    (across, down), certainty = cv2.phaseCorrelate(first, second, cv2.createHanningWindow((128, 128), cv2.CV_32F))
    return "moved" if np.hypot(across, down) > _MOVED and certainty > _CERTAIN else ""


def dead_share(image: Image.Image) -> float:
    """Share of the picture, 0 to 1, in blocks of an eighth of its sides that are exactly one colour."""
    pixels = np.asarray(image.convert("RGB"))
    blocks = [block for rows in np.array_split(pixels, 8) for block in np.array_split(rows, 8, axis=1) if block.size]
    return float(np.mean([np.ptp(block.reshape(-1, 3), axis=0).max() == 0 for block in blocks]))
