"""Which part of a thing has its colour: paint, not chrome, tyre, shadow, glass or what the thing holds."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from visiongpt_agent.regions import BoolArray, FloatArray

_KINDS: Final = 6
"""Colours that a thing is taken to consist of."""
_SAMPLED: Final = 12_000
_COLOURED: Final = 20.0
"""Chroma in CIELAB from which a surface has a hue; below it is white, grey or black."""
_LEAST_PAINT: Final = 0.12
"""Share of a thing that must have a hue for it to be the thing's colour."""
_NEXT_HUE, _FAR_HUE = 15.0, 60.0
"""Degrees to the next own hue from which a colour inside the thing is another material, and to the main one for all."""
_DARK, _TINGED = 25.0, 8.0
"""Lightness below which a colour of at least this chroma and the main hue is a shadow on the thing's own colour."""
_LIGHTER, _HIGHLIGHT = 15.0, 0.08
"""How much lighter than the main colour a highlight is, and the most of the thing that it takes up."""
_BAND: Final = 0.06
"""Width of the band along the outline, as a share of the root of the thing's area."""
_AT_RIM: Final = 0.35
"""A colour lies at the outline if the band holds so much of its share of the whole thing."""
_CONTENTS: Final = (0.005, 0.2)
"""Patches within a thing are not its own between these shares of all that has its colour; smaller ones are specks."""
_SOFT: Final = 9.0
"""Distance in CIELAB over which one material passes into another."""


def painted_share(lab: FloatArray, mask: BoolArray) -> FloatArray:
    """How far each pixel of a thing has the thing's own colour.

    A thing with a hue (a red cup, a motorcycle) is what has that hue; white, grey and black on it (rim, chrome, tyre,
    shadow) are other materials, and so is what lies inside it with another hue (the coffee). A thing without a hue is
    all of one material.

    Args:
        lab: The picture in CIELAB, float32 ``(H, W, 3)``, L from 0 to 100.
        mask: The thing, bool ``(H, W)``.

    Returns:
        float32 ``(H, W)`` from 0 to 1; 0 outside the mask.
    """
    share = np.zeros(mask.shape, np.float32)
    pixels = lab[mask]
    if len(pixels) < _KINDS:
        share[mask] = 1
        return share
    centres = _colours_of(pixels)
    nearest = _distances(pixels, centres).argmin(axis=1)
    sizes = np.bincount(nearest, minlength=len(centres)) / len(pixels)
    at_rim = np.bincount(nearest[_rim(mask)[mask]], minlength=len(centres))
    at_rim = at_rim / max(1, at_rim.sum())
    own = _own_colours(centres, sizes, at_rim)
    closeness = np.exp(-0.5 * (_distances(pixels, centres) / _SOFT) ** 2) + 1e-9
    share[mask] = closeness[:, own].sum(axis=1) / closeness.sum(axis=1)
    return _without_contents(share, mask)


def coloured(lab: FloatArray) -> BoolArray:
    """Which pixels of a picture in CIELAB have a hue, bool ``(H, W)``; the others are white, grey or black."""
    return np.asarray(np.hypot(lab[..., 1], lab[..., 2]) >= _COLOURED, np.bool_)


def hue_spread(pixels: FloatArray) -> float:
    """Circular standard deviation, in degrees, of the hues of pixels in CIELAB, ``(N, 3)``; vivid ones count more."""
    length = float(
        np.hypot(*pixels[:, 1:].mean(axis=0)) / max(float(np.hypot(pixels[:, 1], pixels[:, 2]).mean()), 1e-6)
    )
    return float(np.degrees(np.sqrt(-2 * np.log(np.clip(length, 1e-6, 1)))))


def _without_contents(share: FloatArray, mask: BoolArray) -> FloatArray:
    """The share, 0 in small patches that lie within the thing: the dark rim of the coffee, not the cup."""
    import cv2

    count, pieces = cv2.connectedComponents((share > 0.5).astype(np.uint8))
    areas = np.bincount(pieces.ravel(), minlength=count)
    at_rim = np.bincount(pieces[_rim(mask)], minlength=count)
    least, most = (limit * areas[1:].sum() for limit in _CONTENTS)
    contents = (at_rim == 0) & (areas > least) & (areas < most)
    contents[0] = False
    inside = cv2.dilate(contents[pieces].astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    others = ~contents[pieces] & (pieces > 0)
    return np.where(inside & ~others, 0, share).astype(np.float32)


def to_lab_picture(rgb: npt.NDArray[np.uint8]) -> FloatArray:
    """A picture in CIELAB (D65), float32 ``(H, W, 3)``: L from 0 to 100."""
    import cv2

    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _colours_of(pixels: FloatArray) -> FloatArray:
    """The colours that a thing consists of, ``(k, 3)`` in CIELAB, by k-means; light counts half as much as colour."""
    import cv2

    sample = pixels[np.linspace(0, len(pixels) - 1, min(_SAMPLED, len(pixels))).astype(int)]
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    weighted, first = np.ascontiguousarray(sample * _WEIGHTS), np.zeros((len(sample), 1), np.int32)
    _, _, centres = cv2.kmeans(weighted, _KINDS, first, stop, 2, cv2.KMEANS_PP_CENTERS)
    return np.asarray(centres / _WEIGHTS, np.float32)


_WEIGHTS: Final = np.array([0.5, 1, 1], np.float32)


def _distances(pixels: FloatArray, centres: FloatArray) -> FloatArray:
    steps = (pixels[:, None] - centres[None]) * _WEIGHTS
    return np.asarray(np.sqrt((steps**2).sum(axis=2)), np.float32)


def _rim(mask: BoolArray) -> BoolArray:
    """The band of a mask along its outline; where the picture ends is no outline."""
    import cv2

    width = max(2, round(_BAND * float(np.sqrt(np.count_nonzero(mask)))))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    return np.asarray(mask & (cv2.erode(mask.astype(np.uint8), brush) == 0), np.bool_)


def _own_colours(centres: FloatArray, sizes: npt.NDArray[np.float64], at_rim: npt.NDArray[np.float64]) -> BoolArray:
    """Which of a thing's colours are its own: the main hue, what passes into it, its shadows and its highlights."""
    light, chroma = centres[:, 0], np.hypot(centres[:, 1], centres[:, 2])
    hue = np.degrees(np.arctan2(centres[:, 2], centres[:, 1]))
    coloured = chroma >= _COLOURED
    if sizes[coloured].sum() < _LEAST_PAINT:
        return np.ones(len(centres), np.bool_)
    main = int(np.where(coloured, (sizes + at_rim) * chroma, 0).argmax())
    apart = np.abs((hue[:, None] - hue[None] + 180) % 360 - 180)
    at_outline = at_rim >= _AT_RIM * sizes
    own = coloured & at_outline & (apart[main] <= _FAR_HUE)
    own[main] = True
    for _ in centres:  # from petal to heart, hue by hue
        own |= coloured & (np.where(own[None], apart, 360).min(axis=1) <= _NEXT_HUE)
    own |= (light < _DARK) & (chroma >= _TINGED) & (apart[main] <= _NEXT_HUE + 5)
    own |= coloured & (light > light[main] + _LIGHTER) & (sizes < _HIGHLIGHT) & (apart[main] <= _FAR_HUE)
    return np.asarray(own, np.bool_)
