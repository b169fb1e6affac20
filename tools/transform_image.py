"""Turning, mirroring, cropping to an aspect and resizing a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import join
from visiongpt_agent.pictures.framing import aspect_ratio, size_of_aspect
from visiongpt_agent.pictures.transparency import flatten, resampled
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._crop_to_aspect import Crop, crop_to_aspect
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool

_LONGEST: Final = 8000
_GRID: Final = 48
_FINE: Final = 4
"""How many times finer than the grid a result is whose way of resizing no longer shows on it."""
_FRAME: Final = 2
_OTHER_ASPECT: Final = 0.02
"""From this share on, a size in pixels has another aspect."""
_RESIZED_APART, _TURNED_APART = 5.0, 10.0
"""Difference of colour on the coarse grid, of 255, that other ways of resizing and turning may make."""

Flip = Literal["", "horizontal", "vertical"]


@vision_tool("rotate clockwise, flip, resize", returns=Kind.IMAGE)
def transform_image(
    image: Image.Image,
    rotate: float = 0,
    flip: Flip = "",
    width: float = 0,
    height: float = 0,
    scale: float = 1.0,
    aspect: str = "",
    *,
    models: Models | None = None,
) -> ToolOutput:
    """Turn a picture clockwise, then mirror it, then crop it to an aspect, then resize it.

    What is not asked for is left as it is.

    Args:
        image: The picture, RGB or RGBA.
        rotate: Degrees clockwise; quarter turns are lossless, other angles enlarge the frame and fill its corners with
            white (or transparency).
        flip: ``horizontal`` swaps left and right, ``vertical`` swaps top and bottom.
        width: New width in pixels; 0 follows the height, so that nothing is squeezed.
        height: New height in pixels; 0 follows the width.
        scale: Factor of the size: 0.5 halves width and height, without inventing detail where it is above 1.
        aspect: Width by height, such as ``16:9``, ``4:5`` or ``1:1``; as little as can be is cut off, around what the
            picture is of.
        models: Where those come from that see what the picture is of; without them it is cropped around its middle.

    Raises:
        ToolError: If nothing is asked for, a value cannot be, or a side would be below 1 or above 8000 pixels.
    """
    turn, ratio = _angle(rotate), _ratio(aspect)
    _check_sizes(width, height, scale, ratio)
    result, steps, crop = image, list[str](), Crop()
    if turn:
        result = _turned(result, turn)
        steps.append(f"turned the picture {_degrees(turn)} clockwise")
    if flip:
        left_right = flip == "horizontal"
        method = Image.Transpose.FLIP_LEFT_RIGHT if left_right else Image.Transpose.FLIP_TOP_BOTTOM
        result = result.transpose(method)
        steps.append(f"flipped {_it(steps)} {'left to right' if left_right else 'upside down'}")
    if ratio:
        crop = crop_to_aspect(result, ratio, models)
        result = result.crop(crop.frame) if crop.around else result
        steps += [f"cropped {_it(steps)} to {_named(aspect, ratio)} around {crop.around}"] if crop.around else []
    if width or height or scale != 1:
        size = _size(result.size, width, height, scale)
        result = resampled(result, lambda picture: picture.resize(size, Image.Resampling.LANCZOS))
        steps.append(f"resized {_it(steps)} to {size[0]}x{size[1]} pixels")
    if not steps and not ratio:
        raise ToolError("there is nothing to do: ask for a rotation, a flip, an aspect, or a new size")
    facts = {"box": list(crop.frame)} if ratio else {}
    return ToolOutput(result, _sentence(steps, aspect, ratio, crop), crop.models, uncertain=crop.uncertain, facts=facts)


def _it(steps: Sequence[str]) -> str:
    return "it" if steps else "the picture"


def _named(aspect: str, ratio: float) -> str:
    return "a square" if ratio == 1 else re.sub(r"\s*[^\d.]+\s*", ":", aspect.strip())


def _sentence(steps: Sequence[str], aspect: str, ratio: float, crop: Crop) -> str:
    done = f"I {join(steps)}." if steps else ""
    if not ratio or crop.around:
        return done
    already = "is a square" if ratio == 1 else f"has the aspect {_named(aspect, ratio)}"
    return f"{done} It {already} already." if done else f"The picture {already} already, so it stays as it is."


def _ratio(aspect: str) -> float:
    """Width by height, 0 where no aspect is asked for."""
    ratio = aspect_ratio(aspect) if aspect.strip() else 0.0
    if ratio is None:
        raise ToolError(f'"{aspect}" is no aspect: give width and height from 1:20 to 20:1, such as 16:9 or 1:1')
    return ratio


def _check_sizes(width: float, height: float, scale: float, ratio: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise ToolError(f"a picture cannot have {scale:g} times its size: give a scale above 0, such as 0.5 for half")
    if scale != 1 and (width or height):
        raise ToolError("a scale and a size in pixels are both given: give one of them")
    if ratio and width > 0 and height > 0 and abs(width / height / ratio - 1) > _OTHER_ASPECT:
        raise ToolError(f"{width:g}x{height:g} pixels have another aspect than is asked for: give one of them")


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


def _size(size: tuple[int, int], width: float, height: float, scale: float) -> tuple[int, int]:
    if not width and not height:
        # A factor that no picture can take is refused below, before it is too large for a whole number.
        wide, high = (max(1, round(min(side * scale, 10.0 * _LONGEST))) for side in size)
    else:
        wide = round(width) if width else max(1, round(size[0] * height / size[1]))
        high = round(height) if height else max(1, round(size[1] * width / size[0]))
    if not (1 <= wide <= _LONGEST and 1 <= high <= _LONGEST):
        raise ToolError(f"a picture of {wide}x{high} pixels cannot be made: each side must be from 1 to {_LONGEST}")
    return wide, high


@transform_image.check
def _is_the_same_picture(
    image: Image.Image,
    rotate: float,
    flip: str,
    width: float,
    height: float,
    scale: float,
    aspect: str,
    output: ToolOutput,
) -> Iterator[str]:
    after = one_picture(output.value)
    turn, ratio = _angle(rotate), _ratio(aspect)
    expected = _undone(image, turn, flip)
    if ratio:
        frame = output.facts.get("box", ())
        if fault := _misframed(expected.shape[1::-1], ratio, frame, slack=_FRAME if turn % 90 else 0):
            yield fault
            return
        left, top, right, bottom = frame
        expected = expected[top:bottom, left:right]
    shape = expected.shape[1::-1]
    size = _size(shape, width, height, scale) if width or height or scale != 1 else shape
    slack = math.ceil(_FRAME * max(1, scale)) if turn % 90 else 0
    if max(abs(after.width - size[0]), abs(after.height - size[1])) > slack:
        yield f"the picture has {after.width}x{after.height} pixels instead of {size[0]}x{size[1]}"
    elif _apart(after, expected) > (_TURNED_APART if turn % 90 else _RESIZED_APART):
        yield "the picture does not show what it showed before, turned, flipped and cropped as asked"


def _misframed(size: tuple[int, int], ratio: float, frame: Sequence[int], slack: int) -> str:
    """What is wrong with a frame as the largest one of its aspect in a picture; ``""`` for nothing."""
    if len(frame) != 4:
        return "it is not told where the picture was cropped"
    left, top, right, bottom = frame
    if min(left, top) < 0 or right > size[0] + slack or bottom > size[1] + slack:
        return "the crop reaches out of the picture"
    off = np.abs(np.subtract((right - left, bottom - top), size_of_aspect(size, ratio))).max()
    return "the crop has not the aspect that was asked for, or is not as large as it can be" if off > slack else ""


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
