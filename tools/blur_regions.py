"""Hiding regions, or everything around them: blurred, in coarse blocks, or under black."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pictures.transparency import alpha_of, continued, edit_colors, weighted
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._covering import (
    BLOCKS,
    blacked_out,
    blacked_out_problems,
    block_side,
    pixelated,
    pixelated_problems,
)
from visiongpt_agent.tools._region_edits import blend, colours_kept, edit_problems, named, require_regions
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

Method = Literal["blur", "pixelate", "black"]

_WORDS: Final = {
    "blur": ("blur", "blurred"),
    "pixelate": ("pixelate", "pixelated"),
    "black": ("black out", "blacked out"),
}
_PADDING: Final = 0.12
_BACKGROUND: Final = 0.02
_BLURRED_AT: Final = 4.0
"""Standard deviation, in pixels, at which a wide blur is computed, on a picture shrunk to match."""

_MOST_DETAIL_LEFT: Final = 0.5
_COLOURS_MOVE: Final = 24.0
"""Most that the mean colours of a blurred background may move, of 255."""

_BLUR_MOVES: Final = 16.0
"""Most that the mean colours of a blurred region may be off, of 255, from those that a plain blur of its size gives.

A strong blur moves ink into the white beside it: a QR code on paper moves by 30 from what it was, by 4 from its blur.
"""

_ROUNDING: Final = 1.5
"""Detail that smooth slopes have in 8 bits, by rounding alone."""


@vision_tool("blur regions, or all but them", returns=Kind.IMAGE)
def blur_regions(image: Image.Image, regions: Regions, invert: bool = False, method: Method = "blur") -> ToolOutput:
    """Blur regions beyond recognition, or keep them sharp and blur everything else; or pixelate, or black out.

    Each region is reduced to a few coarse blocks and smoothed, with a margin around it, so that nothing of a face or a
    number plate can be made out. Under black nothing at all is left.

    Args:
        image: The picture, RGB or RGBA.
        regions: What to blur; the masks where there are any, else the boxes.
        invert: Blur all but the regions, as a camera does with a background.
        method: ``blur``; ``pixelate``, blocks of one colour with hard edges; or ``black``, to redact.

    Raises:
        ToolError: If there is no region, or with ``invert`` the regions leave nothing over.
    """
    verb, done = _WORDS[method]
    require_regions(regions, "keep sharp" if invert and method == "blur" else "keep" if invert else verb)
    if invert and regions.union_mask().all():
        raise ToolError(f"the regions cover the whole picture: there is no background to {verb}")
    if method != "blur":
        cover = pixelated if method == "pixelate" else blacked_out
        summary = f"I {done} {'everything but ' if invert else ''}{named(regions)}."
        return ToolOutput(cover(image, regions, invert), summary)
    alpha = alpha_of(image)
    if invert:
        sharp = edit_colors(image, lambda rgb: _blur_rest(rgb, regions.union_mask(), alpha))
        return ToolOutput(sharp, f"I blurred everything but {named(regions)}.")
    blurred = edit_colors(image, lambda rgb: _blur_each(rgb, regions, alpha))
    return ToolOutput(blurred, f"I blurred {named(regions)}.")


def _blur_each(rgb: Image.Image, regions: Regions, alpha: FloatArray) -> Image.Image:
    for index in range(len(regions)):
        region = regions.select([index])
        rgb = blend(rgb, _coarse(rgb, region, alpha), _weight(region))
    return rgb


def _padding(region: Regions) -> float:
    x1, y1, x2, y2 = region.boxes[0]
    return max(3.0, _PADDING * float(min(x2 - x1, y2 - y1)))


def _weight(region: Regions) -> FloatArray:
    """Full strength on the region, falling to nothing over its margin; float32 ``(H, W)``."""
    import cv2

    away = cv2.distanceTransform((~region.union_mask()).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.clip(1.5 * (1 - away / _padding(region)), 0, 1), np.float32)


def _coarse(rgb: Image.Image, region: Regions, alpha: FloatArray) -> Image.Image:
    """The picture with the surroundings of one region in coarse, smoothed blocks, made of what shows there."""
    import cv2

    pixels = np.asarray(rgb).copy()
    pad = _padding(region)
    x1, y1 = (max(0, int(v - pad)) for v in region.boxes[0, :2])
    x2, y2 = (int(np.ceil(v + pad)) for v in region.boxes[0, 2:])
    crop = pixels[y1:y2, x1:x2]
    height, width = crop.shape[:2]
    block = block_side(width, height)
    blocks = max(1, round(width / block)), max(1, round(height / block))

    def smooth(values: FloatArray) -> FloatArray:
        coarse = cv2.resize(cv2.resize(values, blocks, interpolation=cv2.INTER_AREA), (width, height))
        return np.asarray(cv2.GaussianBlur(coarse, (0, 0), block / 2), np.float32)

    blurred = weighted(crop.astype(np.float32), alpha[y1:y2, x1:x2], smooth)
    pixels[y1:y2, x1:x2] = np.asarray(np.clip(blurred + 0.5, 0, 255), np.uint8)
    return Image.fromarray(pixels)


def _blur_rest(rgb: Image.Image, kept: BoolArray, alpha: FloatArray) -> Image.Image:
    """All but the mask blurred; the blur takes no colour out of the mask, so that no halo forms around it."""
    import cv2

    sigma = _sigma(rgb.size)
    rest = (~kept).astype(np.uint8)
    # A wide blur leaves nothing that a smaller picture does not show, and is far cheaper there.
    shrink = max(1.0, sigma / _BLURRED_AT)
    small = [max(1, round(side / shrink)) for side in rgb.size]

    def blur(values: FloatArray) -> FloatArray:
        shrunk = cv2.resize(values, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), sigma / shrink), np.float32)

    mean = weighted(np.asarray(rgb, np.float32), rest * alpha, blur)
    smooth = cv2.resize(mean, rgb.size, interpolation=cv2.INTER_LINEAR)
    away = cv2.distanceTransform(rest, cv2.DIST_L2, 5)
    weight = np.asarray(np.clip(away / _transition(rgb.size), 0, 1), np.float32)
    return blend(rgb, Image.fromarray(np.asarray(np.clip(smooth, 0, 255), np.uint8)), weight)


def _sigma(size: tuple[int, int]) -> float:
    return max(2.0, _BACKGROUND * min(size))


def _transition(size: tuple[int, int]) -> float:
    """Over how many pixels a blurred background sets in around what stays sharp."""
    return max(2.0, _sigma(size) / 3)


@blur_regions.check
def _hidden_where_asked(
    image: Image.Image, regions: Regions, invert: bool, method: Method, output: ToolOutput
) -> Iterator[str]:
    problems = {"blur": _blur_problems, "pixelate": pixelated_problems, "black": blacked_out_problems}[method]
    yield from problems(image, one_picture(output.value), regions, invert)


def _blur_problems(image: Image.Image, after: Image.Image, regions: Regions, invert: bool) -> Iterator[str]:
    each = [regions.select([index]) for index in range(len(regions))]
    if invert:
        editable = ~regions.union_mask()
        wanted = {"the background": _away_from(regions.union_mask(), _transition(image.size))}
    else:
        editable = np.any([_weight(region) > 0 for region in each], axis=0)
        wanted = {f"region {number}": region.union_mask() for number, region in enumerate(each, 1)}
    shows = alpha_of(image) > 0
    wanted = {name: part & shows for name, part in wanted.items()}
    before = _detail(image)
    # Flat colour cannot blur, and beside what stays sharp there may be no room to.
    detailed = {name: part for name, part in wanted.items() if part.any() and before[part].mean() >= 1}
    yield from edit_problems(image, after, editable, must_change=bool(detailed))
    if after.size == image.size:
        for (name, part), region in zip(wanted.items(), [None] if invert else each, strict=True):
            expected, most = (image, _COLOURS_MOVE) if region is None else (_plain_blur(image, region), _BLUR_MOVES)
            if part.any() and colours_kept(expected, after, part) > most:
                yield f"{name} was not blurred but painted over"
        left = _detail(after)
        for name, part in detailed.items():
            share = float(left[part].mean() / before[part].mean())
            if share > _MOST_DETAIL_LEFT and left[part].mean() > _ROUNDING:
                yield f"{name} is not blurred: {share:.0%} of its detail is left"


def _plain_blur(image: Image.Image, region: Regions) -> Image.Image:
    """The picture with the box of a region blurred as much as it has to be, by one Gaussian, from what shows there."""
    import cv2

    x1, y1, x2, y2 = region.boxes[0]
    sigma = max(1.0, float(min(x2 - x1, y2 - y1)) / BLOCKS)
    shrink, reach = max(1.0, sigma / _BLURRED_AT), 3 * sigma
    left, top = max(0, int(x1 - reach)), max(0, int(y1 - reach))
    frame = image.crop((left, top, min(image.width, int(x2 + reach)), min(image.height, int(y2 + reach))))
    small = max(1, round(frame.width / shrink)), max(1, round(frame.height / shrink))

    def blur(values: FloatArray) -> FloatArray:
        shrunk = cv2.resize(values, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), sigma / shrink), np.float32)

    mean = weighted(np.asarray(frame.convert("RGB"), np.float32), alpha_of(frame), blur)
    smooth = cv2.resize(mean, frame.size, interpolation=cv2.INTER_LINEAR)
    expected = image.convert("RGB")
    expected.paste(Image.fromarray(np.asarray(np.clip(smooth + 0.5, 0, 255), np.uint8)), (left, top))
    return expected


def _away_from(mask: BoolArray, distance: float) -> BoolArray:
    """What is further from the mask than that many pixels and the reach of :func:`_detail`."""
    import cv2

    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away > distance + 2, np.bool_)


def _detail(image: Image.Image) -> npt.NDArray[np.float32]:
    """How much brightness changes from pixel to pixel, float32 ``(H, W)``; an outline against nothing is no detail."""
    import cv2

    light = np.asarray(continued(image).convert("L"), np.float32)
    return np.asarray(np.abs(cv2.Laplacian(light, cv2.CV_32F)), np.float32)
