"""Transparency, by one rule: whoever looks sees what a person sees, whoever edits keeps colour and alpha apart.

Alpha is straight: a pixel's colour is that of the thing, however much of it shows. Colour where nothing shows (alpha 0)
is no part of the picture: ``decode`` takes it out, models never see it, and an edit works on :func:`continued` colours
in its place, so that nothing hidden bleeds into what shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from visiongpt_agent.regions import BoolArray, FloatArray

if TYPE_CHECKING:
    from PIL import Image

RGB = tuple[int, int, int]

WHITE: Final = (255, 255, 255)
_GROUNDS: Final = (WHITE, (0, 0, 0), (128, 128, 128))
_LIKE_GROUND: Final = 48
"""Most that every channel of a colour may differ, of 255, from a ground on which it can hardly be made out."""
_RIM: Final = 2
_MOST_LOST: Final = 0.15
"""Largest share of what shows that may lie at a rim and be lost on a ground: the strokes of white letters on white."""
_FLAT: Final = 0.995
_SOLID: Final = 128


def flatten(image: Image.Image, ground: RGB = WHITE) -> Image.Image:
    """The picture in mode RGB, laid over a ground colour, white by default."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, (*ground, 255)), image.convert("RGBA")).convert("RGB")


def visible(image: Image.Image, ground: RGB | None = None) -> Image.Image:
    """The picture as a person sees it, in mode RGB: over a ground on which what it shows stands out."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    return flatten(image, ground_for(image) if ground is None else ground)


def ground_for(*images: Image.Image) -> RGB:
    """The colour to lay pictures over so that what they show can be seen: white; black or grey where it would vanish.

    White letters on a transparent ground, for one, cannot be read on white.
    """
    clear = [image for image in images if image.has_transparency_data]
    lost = {ground: max((_lost_on(image, ground) for image in clear), default=0.0) for ground in _GROUNDS}
    return WHITE if lost[WHITE] <= _MOST_LOST else min(_GROUNDS, key=lambda ground: lost[ground])


def alpha_of(image: Image.Image) -> FloatArray:
    """How much of each pixel shows, float32 ``(H, W)`` from 0 to 1; all 1 for a picture without transparency."""
    if not image.has_transparency_data:
        return np.ones((image.height, image.width), np.float32)
    return np.asarray(image.convert("RGBA").getchannel("A"), np.float32) / np.float32(255)


def without_hidden(image: Image.Image) -> Image.Image:
    """The picture with white in place of the colours that nobody sees (alpha 0); mode RGB where all of it is opaque."""
    from PIL import Image

    if image.mode != "RGBA":
        return image
    pixels = np.array(image)
    lowest = pixels[..., 3].min()
    if lowest == 255:
        return image.convert("RGB")
    pixels[pixels[..., 3] == 0, :3] = 255
    return Image.fromarray(pixels) if lowest == 0 else image


def continued(image: Image.Image) -> Image.Image:
    """The picture's colours in mode RGB, alpha left out: what does not show has the colour of what shows nearest to it.

    Networks and filters that work on these colours meet no edge where the transparency begins.
    """
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = np.asarray(image.convert("RGBA"))
    alpha = rgba[..., 3]
    hidden = alpha == 0
    if hidden.all():
        return Image.new("RGB", image.size, WHITE)
    if not hidden.any():
        return Image.fromarray(np.ascontiguousarray(rgba[..., :3]))
    # Colours of faint pixels are coarse: where there are solid ones, these go on.
    colors, nearest = rgba[..., :3].copy(), _nearest(alpha >= min(_SOLID, int(alpha.max())))
    colors[hidden] = colors.reshape(-1, 3)[nearest[hidden]]
    return Image.fromarray(colors)


def with_alpha(colors: Image.Image, alpha: FloatArray) -> Image.Image:
    """Colours (RGB) and how much of them shows, float32 ``(H, W)`` from 0 to 1, as one picture of mode RGBA or RGB."""
    from PIL import Image

    share = np.asarray(np.clip(alpha * 255 + 0.5, 0, 255), np.uint8)
    return without_hidden(Image.fromarray(np.dstack([np.asarray(colors.convert("RGB")), share])))


def edit_colors(image: Image.Image, edit: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Apply an edit that knows RGB only and keeps the size; the picture keeps its transparency."""
    edited = edit(continued(image))
    return with_alpha(edited, alpha_of(image)) if image.has_transparency_data else edited


def weighted(values: FloatArray, alpha: FloatArray, smooth: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Smooth colours, each pixel weighing as much as it shows.

    Args:
        values: float32 ``(H, W, C)``.
        alpha: float32 ``(H, W)`` from 0 to 1.
        smooth: A linear filter of arrays ``(H, W, C)`` and ``(H, W)``; it may change the height and the width.

    Returns:
        float32, of the size that ``smooth`` gives; the plain filter where nothing near shows.
    """
    if (alpha >= 1).all():
        return smooth(values)
    share = smooth(alpha)[..., None]
    mixed = smooth(values * alpha[..., None]) / np.maximum(share, 1e-6)
    return np.asarray(np.where(share > 1e-4, mixed, smooth(values)), np.float32)


def resampled(image: Image.Image, resample: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Resize or turn a picture, each pixel weighing as much as it shows.

    Args:
        image: The picture; one without transparency is resampled as it is.
        resample: A linear operation on pictures of mode RGB and F that leaves new places black.
    """
    from PIL import Image

    if not image.has_transparency_data:
        return resample(image.convert("RGB"))
    alpha, colors = alpha_of(image), np.asarray(image.convert("RGB"), np.float32)
    share = np.asarray(resample(Image.fromarray(alpha)), np.float32)
    planes = [resample(Image.fromarray(np.ascontiguousarray(colors[..., c] * alpha))) for c in range(3)]
    mixed = np.dstack([np.asarray(plane, np.float32) for plane in planes]) / np.maximum(share, 1e-3)[..., None]
    pixels = np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)
    return with_alpha(Image.fromarray(pixels), share)


def _lost_on(image: Image.Image, ground: RGB) -> float:
    """The share of what shows, 0 to 1, that cannot be told from a ground: all of it, or what lies at the rim."""
    import cv2

    rgba = np.asarray(image.convert("RGBA"))
    shows = rgba[..., 3] >= _SOLID
    if not shows.any():
        return 0.0
    alike: BoolArray = (np.abs(rgba[..., :3].astype(np.int16) - np.array(ground)).max(axis=2) < _LIKE_GROUND) & shows
    if alike.sum() >= _FLAT * shows.sum():
        return 1.0
    inner = cv2.erode(shows.astype(np.uint8), np.ones((2 * _RIM + 1,) * 2, np.uint8), borderValue=1)
    return float((alike & (inner == 0)).sum() / shows.sum())


def _nearest(sources: BoolArray) -> npt.NDArray[np.intp]:
    """For each pixel the flat index of the nearest source, ``(H, W)``."""
    import cv2

    away = (~sources).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros(int(labels.max()) + 1, np.intp)
    places[labels[sources]] = np.flatnonzero(sources)
    return np.asarray(places[labels], np.intp)
