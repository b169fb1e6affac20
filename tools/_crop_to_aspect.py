"""Cropping a picture to an aspect around what it is of: its faces first, then its foreground, else its middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.models.jobs import DETECTION_FACES, SEGMENTATION_FOREGROUND, FaceDetector, ForegroundSegmenter
from visiongpt_agent.pictures.cutting import rectangle
from visiongpt_agent.pictures.framing import Frame, best_frame, size_of_aspect
from visiongpt_agent.pictures.likeness import contrast
from visiongpt_agent.pictures.transparency import alpha_of, visible
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools.base import Models

_FLAT: Final = 2.0
_PLAUSIBLE: Final = (0.005, 0.9)
"""Shares of the picture between which a matte says where its foreground is."""
_MOST_LOST: Final = 0.1
"""Share of a foreground that may be cut off without a word."""
_SIDE: Final = 640
"""Longest side at which models look for what matters: where it lies, not what it looks like."""


@dataclass(frozen=True)
class Crop:
    """Where a picture is cropped.

    Attributes:
        frame: The part that stays.
        around: What it is laid around, as it follows "cropped around"; ``""`` where nothing is cut off.
        models: What saw it.
        uncertain: Sentences on what of it is cut off.
    """

    frame: Frame = (0, 0, 0, 0)
    around: str = ""
    models: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()


def crop_to_aspect(image: Image.Image, ratio: float, models: Models | None) -> Crop:
    """The largest frame of an aspect in a picture, laid around what the picture is of.

    Args:
        image: The picture.
        ratio: Width by height.
        models: Where a face detector and a foreground segmenter come from, as far as they are there.
    """
    size = size_of_aspect(image.size, ratio)
    if size == image.size:
        return Crop((0, 0, *size))
    small = visible(image)
    small.thumbnail((_SIDE, _SIDE))
    faces, matte, names = _what_matters(small, models)
    on_faces = np.any([rectangle(small.size, frame) for frame in faces], axis=0) if faces else np.zeros(matte.shape)
    shows = np.asarray(Image.fromarray(alpha_of(image)).resize(small.size), np.float32)
    if image.has_transparency_data and 0 < shows.mean() < _PLAUSIBLE[1]:  # a cut-out: what shows is the foreground
        matte = shows
    weights = [part / part.sum() for part in (on_faces, matte) if part.sum() > 0]
    weight = np.sum(weights, axis=0) if weights else np.zeros(matte.shape, np.float32)
    full = np.asarray(Image.fromarray(np.asarray(weight, np.float32)).resize(image.size, Image.Resampling.BILINEAR))
    frame = best_frame(np.maximum(full, 0), size)
    seen = "the face" if len(faces) == 1 else "the faces" if faces else "its foreground"
    lost = _share_outside(matte, frame, image.size)
    told = (f"{lost:.0%} of the foreground lies outside this crop.",) if lost > _MOST_LOST else ()
    return Crop(frame, seen if weights else "its middle", names, told)


def _what_matters(image: Image.Image, models: Models | None) -> tuple[list[Frame], FloatArray, tuple[str, ...]]:
    """The faces, the foreground's matte, float32 ``(H, W)`` from 0 to 1, and the models that see them."""
    faces, matte, names = list[Frame](), np.zeros((image.height, image.width), np.float32), list[str]()
    if models is None or contrast(image) < _FLAT:
        return faces, matte, ()
    if models.has(DETECTION_FACES):
        names.append(models.name(DETECTION_FACES))
        with models.use(DETECTION_FACES, FaceDetector) as detector:
            boxes = detector.detect(image).boxes
        faces = [(int(x1), int(y1), int(np.ceil(x2)), int(np.ceil(y2))) for x1, y1, x2, y2 in boxes]
    if models.has(SEGMENTATION_FOREGROUND):
        names.append(models.name(SEGMENTATION_FOREGROUND))
        with models.use(SEGMENTATION_FOREGROUND, ForegroundSegmenter) as segmenter:
            found = segmenter.matte(image)
        if _PLAUSIBLE[0] <= float((found > 0.5).mean()) <= _PLAUSIBLE[1]:
            matte = np.where(found > 0.1, found, 0).astype(np.float32)
    return faces, matte, tuple(names)


def _share_outside(matte: FloatArray, frame: Frame, size: tuple[int, int]) -> float:
    """The share of a matte's weight, 0 to 1, outside a frame of the picture of ``size``; 0 of none."""
    if matte.sum() <= 0:
        return 0.0
    height, width = matte.shape
    left, right = (round(x * width / size[0]) for x in (frame[0], frame[2]))
    top, bottom = (round(y * height / size[1]) for y in (frame[1], frame[3]))
    return float(1 - matte[top:bottom, left:right].sum() / matte.sum())
