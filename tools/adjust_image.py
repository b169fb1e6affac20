"""Photo adjustments over the whole picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language import sentences
from visiongpt_agent.pictures.transparency import alpha_of, edit_colors, weighted
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools._region_edits import MOSTLY, changed_pixels
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_MOST: Final = 4.0
_ROUNDING, _VISIBLE = 2.0, 12.0
_SMOOTH: Final = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
"""The kernel of Pillow's ``ImageFilter.SMOOTH``, which its sharpness leads away from."""


Look = Literal["", "sepia", "warm", "cool", "negative"]
_WARMTH: Final = 0.16
"""How much stronger red is, and how much weaker blue, where a picture is made warm."""
_LIGHT: Final = np.array([0.299, 0.587, 0.114], np.float64)
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""


def _toned(change: float) -> tuple[tuple[float, ...], ...]:
    """The matrix that makes red stronger and blue weaker by a share, and leaves grey as bright as it was."""
    gains = np.array([1 + change, 1.0, 1 - change])
    return tuple(map(tuple, np.diag(gains / float(_LIGHT @ gains)).tolist()))


_LOOKS: Final[Mapping[str, tuple[tuple[tuple[float, ...], ...], float]]] = {
    # The matrix of the sepia filter in W3C's Filter Effects Module Level 1.
    "sepia": (((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131)), 0.0),
    "warm": (_toned(_WARMTH), 0.0),
    "cool": (_toned(-_WARMTH), 0.0),
    "negative": (((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)), 255.0),
}
"""By look, the matrix that a pixel's red, green and blue are multiplied by, and what is then added to each."""


@vision_tool("global brightness, contrast, saturation, sharpness", returns=Kind.IMAGE)
def adjust_image(
    image: Image.Image,
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    sharpness: float = 1.0,
    look: Look = "",
) -> ToolOutput:
    """Change brightness, contrast, saturation, sharpness or tone of the whole picture; 1.0 leaves a property as it is.

    Args:
        image: The picture, RGB or RGBA.
        brightness: 0 is black, 2 twice as bright.
        contrast: 0 is plain grey, 2 twice the contrast.
        saturation: 0 is black and white, 2 twice as colourful.
        sharpness: 0 is smoothed, 2 sharpened.
        look: ``sepia`` is brown like an old print, ``warm`` redder, ``cool`` bluer, ``negative`` all colours inverted;
            it comes after the factors.

    Raises:
        ToolError: If a factor is not from 0 to 4, there is no such look, or nothing is asked for.
    """
    factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "sharpness": sharpness}
    for name, factor in factors.items():
        if not 0 <= factor <= _MOST:
            raise ToolError(f"{name} is {factor:g}: give a factor from 0 to {_MOST:g}, where 1 leaves it as it is")
    asked = {name: factor for name, factor in factors.items() if factor != 1}
    if look and look not in _LOOKS:
        raise ToolError(f"there is no such look: choose one of {', '.join(_LOOKS)}")
    if not asked and not look:
        raise ToolError(f"there is nothing to adjust: {', '.join(factors)} are all 1.0, and no look is given")

    def enhance(rgb: Image.Image) -> Image.Image:
        for name, factor in asked.items():
            rgb = Image.blend(_without(name, rgb, alpha), rgb, factor)
        return _with_look(rgb, look) if look else rgb

    alpha = alpha_of(image)
    made = edit_colors(image, enhance)
    is_as_before = not changed_pixels(image, made).any()
    summary = sentences.unadjusted(asked, look) if is_as_before else sentences.adjusted(asked, look)
    return ToolOutput(made, summary, facts={**asked, "look": look} if look else asked)


def _with_look(rgb: Image.Image, look: str) -> Image.Image:
    matrix, offset = _LOOKS[look]
    return rgb.convert("RGB", tuple(value for row in matrix for value in (*row, offset)))


def _without(name: str, rgb: Image.Image, alpha: FloatArray) -> Image.Image:
    """The picture without a property, from which a factor leads away: black, plain grey, black and white, or smooth.

    Pixels count as much as they show.
    """
    if name == "brightness":
        return Image.new("RGB", rgb.size)
    grey = rgb.convert("L")
    if name == "contrast":
        shown = float(alpha.sum())
        middle = int(float((np.asarray(grey) * alpha).sum()) / shown + 0.5) if shown else 0
        return Image.new("L", rgb.size, middle).convert("RGB")
    if name == "saturation":
        return grey.convert("RGB")
    smooth = weighted(np.asarray(rgb, np.float32), alpha, _smooth)
    return Image.fromarray(np.asarray(np.clip(smooth + 0.5, 0, 255), np.uint8))


def _smooth(values: FloatArray) -> FloatArray:
    import cv2

    return np.asarray(cv2.filter2D(values, -1, _SMOOTH, borderType=cv2.BORDER_REPLICATE), np.float32)


@adjust_image.check
def _moved_the_right_way(
    image: Image.Image,
    brightness: float,
    contrast: float,
    saturation: float,
    sharpness: float,
    look: str,
    output: ToolOutput,
) -> Iterator[str]:
    after = one_picture(output.value)
    if after.size != image.size:
        yield f"the picture has {after.width}x{after.height} pixels instead of {image.width}x{image.height}"
        return
    if saturation == 0 and look in ("", "negative") and _colourfulness(after) > 1:
        yield "there is still colour in the picture"
    alone = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "sharpness": sharpness}
    moved = [name for name, factor in alone.items() if factor != 1 or look]
    if moved == ["brightness"]:
        yield from _wrong_way("brightness", brightness, _brightness(image), _brightness(after))
    if moved == ["saturation"]:
        yield from _wrong_way("saturation", saturation, _colourfulness(image), _colourfulness(after))


@adjust_image.check
def _is_the_picture_adjusted(
    image: Image.Image,
    brightness: float,
    contrast: float,
    saturation: float,
    sharpness: float,
    look: str,
    output: ToolOutput,
) -> Iterator[str]:
    """Worked out anew from the definition of each property, the pixels are the same within rounding."""
    after = one_picture(output.value)
    if after.size != image.size:
        return
    before, alpha = np.asarray(image.convert("RGB"), np.float32), alpha_of(image)
    shows = alpha > 0
    if not shows.any():
        return
    pixels = _moved_from(0, before, brightness)
    pixels = _moved_from(round(float(np.average(_grey(pixels), weights=alpha))), pixels, contrast)
    pixels = _moved_from(_grey(pixels)[..., None], pixels, saturation)
    if sharpness != 1:
        pixels = _moved_from(_mean_around(pixels, alpha), pixels, sharpness)
    if look:
        matrix, offset = _LOOKS[look]
        pixels = np.asarray(np.clip(pixels @ np.array(matrix, np.float32).T + offset, 0, 255).round(), np.float32)
    apart = np.abs(np.asarray(after.convert("RGB"), np.float32) - pixels)[shows]
    if (pixels != before)[shows].any() and not changed_pixels(image, after).any():  # grey may be made grey
        yield "nothing changed"
    elif apart.mean() > _ROUNDING or (apart.max(axis=1) > _VISIBLE).mean() > 1 - MOSTLY:
        yield "the result is not the picture adjusted as asked"
    if (alpha_of(after) != alpha).any():
        yield "the transparency changed"


def _mean_around(pixels: FloatArray, alpha: FloatArray) -> FloatArray:
    """For each pixel the mean of it, counted five times, and its eight neighbours, all by how much they show."""
    colors, weights = (np.pad(part, ((1, 1), (1, 1), (0, 0)), "edge") for part in (pixels, alpha[..., None]))
    height, width = alpha.shape
    total, share = np.zeros_like(pixels), np.zeros((height, width, 1), np.float32)
    for row in range(3):
        for column in range(3):
            place = np.s_[row : row + height, column : column + width]
            weight = weights[place] * (5 if row == column == 1 else 1)
            total, share = total + colors[place] * weight, share + weight
    return np.asarray(total / np.maximum(share, 1e-6), np.float32)


def _moved_from(origin: float | FloatArray, pixels: FloatArray, factor: float) -> FloatArray:
    """Pixels moved away from an origin (or towards it) by a factor, in 8 bits."""
    if factor == 1:
        return pixels
    return np.asarray(np.clip(origin + (pixels - origin) * factor, 0, 255).round(), np.float32)


def _grey(pixels: FloatArray) -> FloatArray:
    return np.asarray(pixels @ _LIGHT.astype(np.float32), np.float32).round()


def _wrong_way(name: str, factor: float, before: float, after: float) -> Iterator[str]:
    if (factor > 1 and after < before) or (factor < 1 and after > before):
        yield f"the {name} went from {before:.0f} to {after:.0f} where a factor of {factor:g} was asked for"


def _brightness(image: Image.Image) -> float:
    return _mean_shown(np.asarray(image.convert("L"), np.float32), image)


def _colourfulness(image: Image.Image) -> float:
    """Mean distance between a pixel's strongest and weakest channel, 0 to 255."""
    pixels = np.asarray(image.convert("RGB"), np.int16)
    return _mean_shown(np.asarray(pixels.max(axis=2) - pixels.min(axis=2), np.float32), image)


def _mean_shown(values: FloatArray, image: Image.Image) -> float:
    """The mean of values ``(H, W)`` over a picture, each pixel weighing as much as it shows; 0 where nothing does."""
    alpha = alpha_of(image)
    return float((values * alpha).sum() / max(float(alpha.sum()), 1e-6))
