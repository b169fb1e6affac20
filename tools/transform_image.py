"""Turning, mirroring and resizing a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import join
from visiongpt_agent.pictures.transparency import flatten, resampled
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_LONGEST: Final = 8000
_GRID: Final = 48
_FINE: Final = 4
"""How many times finer than the grid a result is whose way of resizing no longer shows on it."""
_FRAME: Final = 2
_RESIZED_APART, _TURNED_APART = 5.0, 10.0
"""Difference of colour on the coarse grid, of 255, that other ways of resizing and turning may make."""

Flip = Literal["", "horizontal", "vertical"]


@vision_tool("rotate clockwise, flip, resize", returns=Kind.IMAGE)
def transform_image(
    image: Image.Image, rotate: float = 0, flip: Flip = "", width: float = 0, height: float = 0
) -> ToolOutput:
    """Turn a picture clockwise, then mirror it, then resize it; what is not asked for is left as it is.

    Args:
        image: The picture, RGB or RGBA.
        rotate: Degrees clockwise; quarter turns are lossless, other angles enlarge the frame and fill its corners with
            white (or transparency).
        flip: ``horizontal`` swaps left and right, ``vertical`` swaps top and bottom.
        width: New width in pixels; 0 follows the height, so that nothing is squeezed.
        height: New height in pixels; 0 follows the width.

    Raises:
        ToolError: If nothing is asked for, or a side would be below 1 or above 8000 pixels.
    """
    turn = _angle(rotate)
    result, steps = image, list[str]()
    if turn:
        result = _turned(result, turn)
        steps.append(f"turned the picture {_degrees(turn)} clockwise")
    if flip:
        left_right = flip == "horizontal"
        method = Image.Transpose.FLIP_LEFT_RIGHT if left_right else Image.Transpose.FLIP_TOP_BOTTOM
        result = result.transpose(method)
        steps.append(f"flipped {'it' if steps else 'the picture'} {'left to right' if left_right else 'upside down'}")
    if width or height:
        size = _size(result.size, width, height)
        result = resampled(result, lambda picture: picture.resize(size, Image.Resampling.LANCZOS))
        steps.append(f"resized {'it' if steps else 'the picture'} to {size[0]}x{size[1]} pixels")
    if not steps:
        raise ToolError("there is nothing to do: ask for a rotation, a flip, or a new width or height")
    return ToolOutput(result, f"I {join(steps)}.")


def _angle(rotate: float) -> float:
    """The turn in degrees clockwise, from 0 to below 360."""
    if not math.isfinite(rotate):
        raise ToolError(f"{rotate} is no angle: give the rotation in degrees")
    return rotate % 360


def _degrees(turn: float) -> str:
    return f"{turn:g} degree{'' if turn == 1 else 's'}"


def _turned(image: Image.Image, turn: float) -> Image.Image:
    if turn % 90 == 0:
        quarter = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
        return image.transpose(quarter[int(turn)])
    corners = 0 if image.has_transparency_data else (255, 255, 255)
    turned = resampled(
        image, lambda picture: picture.rotate(-turn, Image.Resampling.BICUBIC, expand=True, fillcolor=corners)
    )
    if max(turned.size) > _LONGEST:
        raise ToolError(
            f"turned, the picture would have {turned.width}x{turned.height} pixels, "
            f"at most {_LONGEST} a side are allowed: resize it first"
        )
    return turned


def _size(size: tuple[int, int], width: float, height: float) -> tuple[int, int]:
    wide = round(width) if width else max(1, round(size[0] * height / size[1]))
    high = round(height) if height else max(1, round(size[1] * width / size[0]))
    if not (1 <= wide <= _LONGEST and 1 <= high <= _LONGEST):
        raise ToolError(f"a picture of {wide}x{high} pixels cannot be made: each side must be from 1 to {_LONGEST}")
    return wide, high


@transform_image.check
def _is_the_same_picture(
    image: Image.Image, rotate: float, flip: str, width: float, height: float, output: ToolOutput
) -> Iterator[str]:
    after = one_picture(output.value)
    turn = _angle(rotate)
    expected = _undone(image, turn, flip)
    shape = expected.shape[1::-1]
    size = _size(shape, width, height) if width or height else shape
    if max(abs(after.width - size[0]), abs(after.height - size[1])) > (_FRAME if turn % 90 else 0):
        yield f"the picture has {after.width}x{after.height} pixels instead of {size[0]}x{size[1]}"
    elif _apart(after, expected) > (_TURNED_APART if turn % 90 else _RESIZED_APART):
        yield "the picture does not show what it showed before, turned and flipped as asked"


def _undone(image: Image.Image, turn: float, flip: str) -> npt.NDArray[np.uint8]:
    """What the result must look like as pixels ``(H, W, 3)`` before it is resized: made apart from the tool's way."""
    pixels = np.asarray(flatten(image))
    pixels = _slanted(pixels, turn) if turn % 90 else np.rot90(pixels, -int(turn) // 90)
    if flip:
        pixels = np.flip(pixels, axis=1 if flip == "horizontal" else 0)
    return pixels


def _slanted(pixels: npt.NDArray[np.uint8], turn: float) -> npt.NDArray[np.uint8]:
    """The pixels turned clockwise into a frame that holds them all, its corners white."""
    import cv2

    height, width = pixels.shape[:2]
    across, along = abs(math.cos(math.radians(turn))), abs(math.sin(math.radians(turn)))
    size = math.ceil(width * across + height * along), math.ceil(width * along + height * across)
    moving = cv2.getRotationMatrix2D((width / 2, height / 2), -turn, 1)
    moving[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return np.asarray(cv2.warpAffine(pixels, moving, size, borderValue=(255, 255, 255)), np.uint8)


def _apart(after: Image.Image, expected: npt.NDArray[np.uint8]) -> float:
    """Mean difference of colour, 0 to 255, in the worst ninth of the picture, on a coarse grid."""
    grid = min(_GRID, after.width), min(_GRID, after.height)
    other = Image.fromarray(np.ascontiguousarray(expected))
    if min(after.size) < _FINE * _GRID:  # the grid does not even out how a small result weighs its neighbours
        other = other.resize(after.size, Image.Resampling.LANCZOS)
    one, other = (picture.resize(grid, Image.Resampling.BOX) for picture in (flatten(after), other))
    off = np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean(axis=2)
    ninths = (part for rows in np.array_split(off, 3) for part in np.array_split(rows, 3, axis=1))
    return max(float(part.mean()) for part in ninths if part.size)
