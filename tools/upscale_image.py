"""Enlarge a picture with a network that adds the detail that enlarging lacks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import UPSCALE, Upscaler
from visiongpt_agent.pictures.likeness import contrast, psnr, worst_tile
from visiongpt_agent.pictures.transparency import alpha_of, continued, flatten, with_alpha
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool

_LARGEST_SCALE: Final = 4
_MAX_PIXELS: Final = 32_000_000
_LEAST_PSNR: Final = 20.0
_LOST_TILE: Final = 24.0
_TINT: Final = 4.0


@vision_tool("super-resolution", returns=Kind.IMAGE, needs=(UPSCALE,))
def upscale_image(image: Image.Image, scale: float = 4, *, models: Models) -> ToolOutput:
    """Enlarge the picture and sharpen it; fine texture is what a network thinks likely.

    Args:
        image: The picture.
        scale: How many times as wide and high: more than 1, at most 4.
        models: Where the network comes from.

    Returns:
        A picture of ``round(width * scale)`` by ``round(height * scale)`` pixels; transparent where it was
        transparent. A picture that would take the network minutes is enlarged by interpolation alone, and says so.

    Raises:
        ToolError: If the scale is out of range, or the result would have more than 32 million pixels.
    """
    size = _checked_size(image.size, scale)
    colors = continued(image)
    with models.use(UPSCALE, Upscaler) as network:
        too_large = image.width * image.height > network.max_pixels
        large = colors if too_large else network.upscale(colors)
        limit = network.max_pixels
    large = large.resize(size, Image.Resampling.LANCZOS)
    if image.has_transparency_data:
        alpha = Image.fromarray(alpha_of(image)).resize(size, Image.Resampling.LANCZOS)
        large = with_alpha(large, np.asarray(alpha))
    doubt = (
        f"The picture has more than {limit / 1e6:g} million pixels, too many for {models.name(UPSCALE)} here, so it "
        "was interpolated (Lanczos): larger, but without new detail."
    )
    return ToolOutput(
        large,
        f"I enlarged the picture {scale:g} times, to {size[0]}x{size[1]} pixels.",
        models=() if too_large else (models.name(UPSCALE),),
        uncertain=(doubt,) if too_large else (),
        facts={"scale": scale, "width": size[0], "height": size[1]},
    )


@upscale_image.check
def is_the_picture_enlarged(image: Image.Image, scale: float, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    wanted = _scaled(image.size, scale)
    if made.size != wanted:
        yield f"the result has {made.width}x{made.height} pixels, not {wanted[0]}x{wanted[1]}"
        return
    small = flatten(made).resize(image.size, Image.Resampling.BOX)
    if contrast(image) > 4 and contrast(made) < contrast(image) / 2:
        yield "the result is nearly flat"
    elif psnr(small, flatten(image)) < _LEAST_PSNR:
        yield "shrunk again, the result does not look like the picture"
    elif _tinted(small, flatten(image)) > _TINT:
        yield "the result has other colours than the picture"
    elif worst_tile(small, flatten(image)) > _LOST_TILE:
        yield "shrunk again, a part of the result does not look like the picture"


def _tinted(one: Image.Image, other: Image.Image) -> float:
    """How far the mean of a channel differs at most, 0 to 255."""
    means = [np.asarray(picture, np.float32).mean(axis=(0, 1)) for picture in (one, other)]
    return float(np.abs(means[0] - means[1]).max())


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _checked_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    if not (math.isfinite(scale) and 1 < scale <= _LARGEST_SCALE):
        raise ToolError(f"a picture can be enlarged more than 1 and up to {_LARGEST_SCALE} times, not {scale:g} times")
    wanted = _scaled(size, scale)
    if wanted[0] * wanted[1] > _MAX_PIXELS:
        possible = math.floor(math.sqrt(_MAX_PIXELS / (size[0] * size[1])) * 10) / 10
        advice = f"scale {possible:g} is possible" if possible > 1 else "it is large enough already"
        raise ToolError(
            f"{wanted[0]}x{wanted[1]} pixels are more than the {_MAX_PIXELS // 10**6} million allowed: {advice}"
        )
    return wanted
