"""Masks of the picture from the coarser score maps of networks that saw all of it squeezed into a square."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from visiongpt_agent.regions import BoolArray, FloatArray, Regions

if TYPE_CHECKING:
    from PIL import Image

_GUIDE_SIDE: Final = 512
_SMOOTH: Final = 1e-3
"""Variance of colours, of 1, below which a window of the guide counts as plain."""


def covered(size: tuple[int, int], words: Sequence[str], maps: Iterable[FloatArray], threshold: float) -> Regions:
    """One region for each word of which any pixel reaches the threshold.

    Args:
        size: ``(width, height)`` of the picture.
        words: The label of each map.
        maps: Scores from 0 to 1, float32 ``(h, w)``, on a grid over the whole picture.
        threshold: Least score of a pixel of the mask; the score of a region is the mean over its mask.
    """
    masks, labels, scores = list[BoolArray](), list[str](), list[float]()
    for word, coarse in zip(words, maps, strict=True):
        fine = _scaled(coarse, size)
        mask = np.asarray(fine >= threshold, np.bool_)
        if mask.any():
            masks.append(mask)
            labels.append(word)
            scores.append(float(fine[mask].mean()))
    if not masks:
        return Regions(size, masks=np.zeros((0, size[1], size[0]), np.bool_))
    return Regions.from_masks(np.stack(masks), labels, np.clip(scores, 0, 1))


def guided(coarse: FloatArray, image: Image.Image, cell: float) -> FloatArray:
    """A map at the size of the picture, its edges moved to those of the picture's colours near them.

    He, Sun and Tang, *Guided Image Filtering* (TPAMI 2013): in every window the map is a linear function of the colour.
    As in He and Sun's *Fast Guided Filter* (2015) the functions are found on a small picture and applied to the large.

    Args:
        coarse: Scores from 0 to 1, float32 ``(h, w)``, on a grid over the whole picture.
        image: The picture.
        cell: How far an edge of the map may be off, as a share of the picture's sides.

    Returns:
        float32 ``(H, W)`` from 0 to 1.
    """
    import cv2
    from PIL import Image

    full = image.convert("RGB")
    factor = min(1.0, _GUIDE_SIDE / max(full.size))
    size = (max(1, round(full.width * factor)), max(1, round(full.height * factor)))
    guide = np.asarray(full.resize(size, Image.Resampling.BOX), np.float32) / 255
    scores = _scaled(coarse, size)
    window = (2 * round(cell * size[0]) + 1, 2 * round(cell * size[1]) + 1)

    def mean(values: npt.NDArray[np.floating]) -> FloatArray:
        blurred = cv2.blur(values.reshape(*scores.shape, -1), window, borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred, np.float32).reshape(values.shape)

    colour, score = mean(guide), mean(scores)
    together = mean(guide * scores[..., None]) - colour * score[..., None]
    spread = mean(guide[..., :, None] * guide[..., None, :]) - colour[..., :, None] * colour[..., None, :]
    slope = np.linalg.solve(spread + _SMOOTH * np.eye(3, dtype=np.float32), together[..., None])[..., 0]
    offset = score - (slope * colour).sum(axis=-1)
    slopes, offsets = (np.asarray(cv2.resize(mean(v), full.size), np.float32) for v in (slope, offset))
    fine = (slopes.reshape(full.height, full.width, 3) * (np.asarray(full, np.float32) / 255)).sum(axis=-1)
    return np.asarray(np.clip(fine + offsets.reshape(full.height, full.width), 0, 1), np.float32)


def _scaled(coarse: FloatArray, size: tuple[int, int]) -> FloatArray:
    """The map at the picture's size, ``(H, W)``, each of its cells in its own place."""
    from torch import from_numpy
    from torch.nn.functional import interpolate

    fine = interpolate(from_numpy(coarse)[None, None], (size[1], size[0]), mode="bilinear")
    return np.asarray(fine[0, 0].numpy(), np.float32)
