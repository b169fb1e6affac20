"""Masks of the picture from the coarser score maps of networks that saw all of it squeezed into a square."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from visiongpt_agent.regions import BoolArray, FloatArray, Regions


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


def _scaled(coarse: FloatArray, size: tuple[int, int]) -> FloatArray:
    """The map at the picture's size, ``(H, W)``, each of its cells in its own place."""
    from torch import from_numpy
    from torch.nn.functional import interpolate

    fine = interpolate(from_numpy(coarse)[None, None], (size[1], size[0]), mode="bilinear")
    return np.asarray(fine[0, 0].numpy(), np.float32)
