"""Photo adjustments over the whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import join
from visiongpt_agent.pictures.transparency import edit_colors
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools._region_edits import MOSTLY, changed_pixels
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_MOST: Final = 4.0
_ROUNDING, _VISIBLE = 2.0, 12.0
_ENHANCERS: Final = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}


@vision_tool("global brightness, contrast, saturation, sharpness", returns=Kind.IMAGE)
def adjust_image(
    image: Image.Image,
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    sharpness: float = 1.0,
) -> ToolOutput:
    """Change brightness, contrast, saturation or sharpness of the whole picture; 1.0 leaves a property as it is.

    Args:
        image: The picture, RGB or RGBA.
        brightness: 0 is black, 2 twice as bright.
        contrast: 0 is plain grey, 2 twice the contrast.
        saturation: 0 is black and white, 2 twice as colourful.
        sharpness: 0 is smoothed, 2 sharpened.

    Raises:
        ToolError: If a factor is not from 0 to 4, or all are 1.0.
    """
    factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "sharpness": sharpness}
    for name, factor in factors.items():
        if not 0 <= factor <= _MOST:
            raise ToolError(f"{name} is {factor:g}: give a factor from 0 to {_MOST:g}, where 1 leaves it as it is")
    asked = {name: factor for name, factor in factors.items() if factor != 1}
    if not asked:
        raise ToolError("there is nothing to adjust: brightness, contrast, saturation and sharpness are all 1.0")

    def enhance(rgb: Image.Image) -> Image.Image:
        for name, factor in asked.items():
            rgb = _ENHANCERS[name](rgb).enhance(factor)
        return rgb

    return ToolOutput(edit_colors(image, enhance), _told(asked), facts=asked)


def _told(asked: dict[str, float]) -> str:
    if asked == {"saturation": 0}:
        return "I made the picture black and white."
    steps = [f"{'raised' if f > 1 else 'lowered'} the {name} to {f * 100:.0f} %" for name, f in asked.items()]
    return f"I {join(steps)}."


@adjust_image.check
def _moved_the_right_way(
    image: Image.Image,
    brightness: float,
    contrast: float,
    saturation: float,
    sharpness: float,
    output: ToolOutput,
) -> Iterator[str]:
    after = one_picture(output.value)
    if after.size != image.size:
        yield f"the picture has {after.width}x{after.height} pixels instead of {image.width}x{image.height}"
        return
    if not changed_pixels(image, after).any() and not _is_flat(image):
        yield "nothing changed"
    if saturation == 0 and _colourfulness(after) > 1:
        yield "there is still colour in the picture"
    alone = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "sharpness": sharpness}
    moved = [name for name, factor in alone.items() if factor != 1]
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
    output: ToolOutput,
) -> Iterator[str]:
    """Worked out anew from the definition of each property, the pixels are the same within rounding."""
    after = one_picture(output.value)
    if after.size != image.size:
        return
    pixels = np.asarray(image.convert("RGB"), np.float32)
    pixels = _moved_from(0, pixels, brightness)
    pixels = _moved_from(round(float(_grey(pixels).mean())), pixels, contrast)
    pixels = _moved_from(_grey(pixels)[..., None], pixels, saturation)
    if sharpness != 1:
        smooth = Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.SMOOTH)
        pixels = _moved_from(np.asarray(smooth, np.float32), pixels, sharpness)
    apart = np.abs(np.asarray(after.convert("RGB"), np.float32) - pixels)
    if apart.mean() > _ROUNDING or (apart.max(axis=2) > _VISIBLE).mean() > 1 - MOSTLY:
        yield "the result is not the picture adjusted as asked"
    if image.mode == "RGBA" and after.convert("RGBA").getchannel("A").tobytes() != image.getchannel("A").tobytes():
        yield "the transparency changed"


def _moved_from(origin: float | FloatArray, pixels: FloatArray, factor: float) -> FloatArray:
    """Pixels moved away from an origin (or towards it) by a factor, in 8 bits."""
    if factor == 1:
        return pixels
    return np.asarray(np.clip(origin + (pixels - origin) * factor, 0, 255).round(), np.float32)


def _grey(pixels: FloatArray) -> FloatArray:
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32), np.float32).round()


def _wrong_way(name: str, factor: float, before: float, after: float) -> Iterator[str]:
    if (factor > 1 and after < before) or (factor < 1 and after > before):
        yield f"the {name} went from {before:.0f} to {after:.0f} where a factor of {factor:g} was asked for"


def _brightness(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L"), np.float32).mean())


def _colourfulness(image: Image.Image) -> float:
    """Mean distance between a pixel's strongest and weakest channel, 0 to 255."""
    pixels = np.asarray(image.convert("RGB"), np.int16)
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def _is_flat(image: Image.Image) -> bool:
    return all(low == high for low, high in image.convert("RGB").getextrema())  # type: ignore[misc]
