"""Changing the colour of regions while their shading stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pictures.colors import RGB, color_difference, name_color, parse_color, to_lab
from visiongpt_agent.pictures.materials import painted_share, to_lab_picture
from visiongpt_agent.pictures.transparency import alpha_of, edit_colors
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._region_edits import blend, edit_problems, named, require_regions
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

_DARKEST, _LIGHTEST = 9.0, 93.0
"""Lightness (CIELAB L*) that black and white are painted with, so that shading still shows."""

_MOST_CHROMA: Final = 90.0
"""Colourfulness that things are painted with at most: the primaries of a screen are stronger than any paint."""

_NEARLY_ALL: Final = 0.85
_NOISE_FLOOR: Final = 12.0
_SHADED, _SAME_LIGHT, _SAMPLED = 4.0, 0.6, 20_000

_NEAR: Final = 30.0
"""Largest distance in CIELAB between the regions' middle colour and the one asked for."""


@vision_tool("change the colour of regions", returns=Kind.IMAGE)
def recolor_regions(image: Image.Image, regions: Regions, color: str) -> ToolOutput:
    """Change the colour of regions; light and shadow on them stay, everything outside them is untouched.

    Of a thing with a hue that hue is changed: white, grey and black on it (rim, chrome, tyre) stay, and so does what it
    holds. A thing without one is painted whole.

    Args:
        image: The picture, RGB or RGBA.
        regions: What to recolour; best with masks, else whole boxes are.
        color: A colour in words or as ``#rrggbb``.

    Raises:
        ToolError: If there is no region or the colour is not known.
    """
    require_regions(regions, "recolour")
    target = _wanted(color)
    paint = _paint(image, regions)
    edited = edit_colors(image, lambda rgb: _painted(rgb, regions, paint, target))
    uncertain: tuple[str, ...] = ()
    if not regions.outlined.all():
        uncertain = ("Only boxes were known, no outlines: what else is in the boxes was recoloured too.",)
    mask = regions.union_mask()
    share = float(paint[mask].mean()) if mask.any() else 1.0
    rest = " What has another colour on it stayed." if share < _NEARLY_ALL else ""
    return ToolOutput(
        edited,
        f"I changed the colour of {named(regions)} to {color.strip()}.{rest}",
        uncertain=uncertain,
        facts={"rgb": list(target), "painted": round(share, 4)},
    )


def _wanted(color: str) -> RGB:
    target = parse_color(color)
    if target is None:
        raise ToolError(f'"{color}" is no colour that I know: try a name such as navy blue or sage green, or #1e90ff')
    return target


def _weight(regions: Regions) -> FloatArray:
    """How much of the new colour each pixel takes, float32 ``(H, W)``: rises to 1 within a pixel or two of the rim."""
    import cv2

    depth = cv2.distanceTransform(regions.union_mask().astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(np.clip(depth / max(1.0, min(regions.size) * 0.003), 0, 1), np.float32)


def _paint(image: Image.Image, regions: Regions) -> FloatArray:
    """How far each pixel is of a region's own colour, float32 ``(H, W)`` from 0 to 1; all of a box is."""
    lab, shows = _lab(image.convert("RGB")), _shows(image)
    share = np.zeros(shows.shape, np.float32)
    for outlined, one in zip(regions.outlined, map(regions.select, ([i] for i in range(len(regions)))), strict=True):
        for mask in _each(one, shows):
            share = np.maximum(share, painted_share(lab, mask) if outlined else mask.astype(np.float32))
    return share


def _painted(rgb: Image.Image, regions: Regions, paint: FloatArray, target: RGB) -> Image.Image:
    """The picture with every region in the target colour, each shaded around the middle lightness of its own colour."""
    lab, shows = _lab(rgb), np.asarray(paint > 0, np.bool_)
    for mask in _each(regions, shows):
        own = mask & (paint > 0.5)
        lab[mask] = _shade(lab[mask], target, float(np.median(lab[own if own.any() else mask][:, 0])))
    return blend(rgb, _from_lab(lab), _weight(regions) * paint)


def _each(regions: Regions, shows: BoolArray) -> Iterator[BoolArray]:
    """What shows of each region, where anything does."""
    for index in range(len(regions)):
        mask = regions.select([index]).union_mask() & shows
        if mask.any():
            yield mask


def _shows(image: Image.Image) -> BoolArray:
    return np.asarray(alpha_of(image) > 0, np.bool_)


def _shade(pixels: FloatArray, target: RGB, middle: float) -> FloatArray:
    """Pixels ``(N, 3)`` in CIELAB in the target colour, lighter and darker where they were.

    Below the ``middle`` lightness light falls off in proportion, above it the rest of the way to white is used in
    proportion; colour fades towards both ends as it does on real things.
    """
    goal, a, b = _paint_colour(target)
    light = pixels[:, 0]
    shadow = goal * (light + _NOISE_FLOOR) / (middle + _NOISE_FLOOR)
    shine = np.clip((light - middle) / max(1.0, 100 - middle), 0, 1) ** (1.5 if goal < middle else 1.0)
    new = np.where(light < middle, shadow, goal + (100 - goal) * shine)
    fade = np.where(new < goal, new / goal, ((100 - new) / (100 - goal)) ** 0.7)
    return np.stack([new, a * fade, b * fade], axis=1).astype(np.float32)


def _paint_colour(target: RGB) -> tuple[float, float, float]:
    """The CIELAB colour that things are painted with: the target, less extreme where it leaves no room for shading."""
    lightness, a, b = to_lab(target)
    tamed = min(1.0, _MOST_CHROMA / max(1.0, float(np.hypot(a, b))))
    return float(np.clip(lightness, _DARKEST, _LIGHTEST)), a * tamed, b * tamed


def _lab(rgb: Image.Image) -> FloatArray:
    return to_lab_picture(np.asarray(rgb, np.uint8))


def _from_lab(lab: FloatArray) -> Image.Image:
    import cv2

    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return Image.fromarray(np.asarray(np.clip(rgb * 255 + 0.5, 0, 255), np.uint8))


@recolor_regions.check
def _colour_is_there(image: Image.Image, regions: Regions, color: str, output: ToolOutput) -> Iterator[str]:
    after = one_picture(output.value)
    paint = np.array([[_paint_colour(_wanted(color))]], np.float32)
    red, green, blue = np.asarray(_from_lab(paint))[0, 0].tolist()
    target, mask = (red, green, blue), regions.union_mask() & _shows(image)
    if not mask.any():
        yield "nothing shows in the regions: nothing was recoloured"
        return
    own = mask & (_paint(image, regions) > 0.5)
    own = own if own.any() else mask
    already = color_difference(_middle(image, own), target) < _NEAR
    yield from edit_problems(image, after, mask, must_change=not already)
    if after.size == image.size and color_difference(_middle(after, own), target) > _NEAR:
        yield f"the regions are {name_color(_middle(after, own))}, not {color}"


def _middle(image: Image.Image, mask: BoolArray) -> RGB:
    red, green, blue = np.median(np.asarray(image.convert("RGB"))[mask], axis=0)
    return int(red), int(green), int(blue)


@recolor_regions.check
def _light_and_shadow_stay(image: Image.Image, regions: Regions, output: ToolOutput) -> Iterator[str]:
    """What was lighter in a region is lighter still."""
    after = one_picture(output.value)
    if after.size != image.size:
        return
    surely = (_weight(regions) >= 1) & (_paint(image, regions) > 0.9)
    light = [_lab(picture.convert("RGB"))[..., 0] for picture in (image, after)]
    for number, mask in enumerate(_each(regions, _shows(image)), 1):
        before, now = (values[mask & surely][:: max(1, int(mask.sum()) // _SAMPLED)] for values in light)
        if len(before) > 50 and before.std() > _SHADED and _rank_correlation(before, now) < _SAME_LIGHT:
            yield f"region {number} lost its light and shadow"


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    first, second = (np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (one, other))
    return float(np.corrcoef(first, second)[0, 1]) if other.std() > 0 else 0.0
