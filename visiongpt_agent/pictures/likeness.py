"""How alike two pictures are, in figures that postconditions can be stated in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size over RGB, 0 (equal) to 255; transparency counts as white."""
    return float(np.abs(_pixels(one) - _pixels(other)).mean())


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Peak signal-to-noise ratio of two pictures of one size in decibel; infinite where they are equal."""
    error = float(((_pixels(one) - _pixels(other)) ** 2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def worst_tile(one: Image.Image, other: Image.Image, tiles: int = 8) -> float:
    """The largest mean difference, 0 to 255, in any tile of a grid over two pictures of one size."""
    off = np.abs(_pixels(one) - _pixels(other)).mean(axis=2)
    rows = np.array_split(off, min(tiles, off.shape[0]))
    return max(float(tile.mean()) for row in rows for tile in np.array_split(row, min(tiles, row.shape[1]), axis=1))


def contrast(image: Image.Image) -> float:
    """Standard deviation of the picture's pixels in each channel, the largest; 0 for a flat colour, at most 127.5."""
    return float(_pixels(image).std(axis=(0, 1)).max())


def common_structure(one: Image.Image, other: Image.Image) -> float:
    """Correlation of where two pictures have edges, whatever their colours: 1 the same, about 0 unrelated.

    Both are looked at with 128 pixels on the longer side, so that texture does not count.
    """
    import cv2
    from PIL import ImageOps

    slopes = []
    for image in (one, other):
        size = tuple(max(4, round(side * 128 / max(one.size))) for side in one.size)
        grey = np.asarray(ImageOps.grayscale(_rgb(image)).resize((size[0], size[1])), np.float32)
        across, down = (cv2.Sobel(grey, cv2.CV_32F, *axes) for axes in ((1, 0), (0, 1)))
        slopes.append(cv2.GaussianBlur(np.hypot(across, down), (0, 0), 1.5).ravel())
    if min(float(slope.std()) for slope in slopes) < 1e-6:
        return 0.0
    return float(np.corrcoef(slopes[0], slopes[1])[0, 1])


def _pixels(image: Image.Image) -> npt.NDArray[np.float32]:
    return np.asarray(_rgb(image), np.float32)


def _rgb(image: Image.Image) -> Image.Image:
    from visiongpt_agent.pictures.transparency import flatten

    return flatten(image)
