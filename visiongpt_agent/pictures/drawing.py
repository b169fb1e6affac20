"""Pictures for people to look at: regions drawn on their picture, and a picture beside what was made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.transparency import visible
from visiongpt_agent.regions import BoolArray, Regions

PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
"""Colours that people with colour vision deficiency tell apart (Okabe and Ito, Color Universal Design, 2008)."""

_DARK_TEXT: Final = frozenset(("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00"))
"""Grounds on which black letters have more contrast than white ones."""
_TINT: Final = 0.35
_STRIPE: Final = 0.7
_HEAT: Final = 0.6
_CROWD: Final = 12
"""From so many regions on, letters are smaller."""
_PAD: Final = 3
_SIDE: Final = 1024
"""Longest side of each half of a comparison, in pixels."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[float, float, float, float]


def draw_regions(image: Image.Image, regions: Regions) -> Image.Image:
    """Boxes, masks and labels drawn on a copy of the picture.

    Things of one label share one colour and are numbered; from the eighth label on the colours come again with dashed
    lines. Masks are tinted and hatched, and outlined. Boxes have a dark rim, so that they stand out on any ground.
    Labels stay inside the picture and, where there is room, off each other; where there is none they shrink to their
    number. A transparent picture is drawn on as a person sees it.

    Returns:
        A picture of mode RGB, of the same size.

    Raises:
        InputError: If the regions belong to a picture of another size.
    """
    if regions.size != image.size:
        raise InputError(
            f"the regions belong to a picture of {regions.size[0]}x{regions.size[1]} pixels, this one has "
            f"{image.width}x{image.height}: draw them on their own picture"
        )
    canvas = visible(image)
    marks = _marks(regions)
    line = max(1 if min(canvas.size) < 200 else 2, round(min(canvas.size) / 240))
    if regions.masks is not None:
        canvas = _tint(canvas, regions.masks, marks, line)
    draw = ImageDraw.Draw(canvas)
    for mark in marks:
        _outline(draw, mark, line)
    scale = 38 if len(regions) < _CROWD else 52
    font = ImageFont.load_default(size=max(11, round(min(canvas.size) / scale)))
    _write(draw, marks, font, canvas.size)
    return canvas


def draw_heat(image: Image.Image, heat: Image.Image) -> Image.Image:
    """A heat map laid over a copy of the picture: dark violet where there is little, over red to yellow.

    The colours are those of Inferno (Smith and van der Walt, matplotlib, 2015), which grow lighter evenly, also for
    people with colour vision deficiency. The picture shows through, wholly where there is nothing.

    Args:
        image: The picture.
        heat: Mode L, 0 for nothing to 255; scaled to the picture's size.

    Returns:
        A picture of mode RGB, of the same size.
    """
    import cv2

    degrees = np.asarray(heat.convert("L").resize(image.size, Image.Resampling.BILINEAR))
    colours = cv2.applyColorMap(degrees, cv2.COLORMAP_INFERNO)[:, :, ::-1].astype(np.float32)
    share = np.minimum(degrees[..., None] / 255 * 2, 1) * _HEAT
    blended = np.asarray(visible(image), np.float32) * (1 - share) + colours * share
    return Image.fromarray(np.rint(blended).astype(np.uint8))


def side_by_side(before: Image.Image, after: Image.Image) -> Image.Image:
    """Two pictures in one, the first on the left; transparent parts on a chequered ground.

    Both are shown at one height, at most 1024 pixels a side, with a white gap between them.

    Returns:
        A picture of mode RGB.
    """
    height = min(_SIDE, max(before.height, after.height))
    halves = [_scaled(picture, height) for picture in (before, after)]
    gap = max(4, height // 64)
    both = Image.new("RGB", (sum(half.width for half in halves) + gap, max(h.height for h in halves)), "white")
    both.paste(halves[0], (0, (both.height - halves[0].height) // 2))
    both.paste(halves[1], (halves[0].width + gap, (both.height - halves[1].height) // 2))
    return both


# --------------------------------------------------------------------------------------------------------------- marks


@dataclass(frozen=True)
class _Mark:
    """How one region is shown: its box in pixels, colour, line style, caption and the number that stands for it."""

    box: Box
    colour: str
    dashed: bool
    caption: str
    number: str


def _marks(regions: Regions) -> list[_Mark]:
    names = sorted(set(regions.labels))
    places = {name: index for index, name in enumerate(names)}
    seen: dict[str, int] = {}
    marks = []
    for box, label, score in zip(regions.boxes, regions.labels, regions.confidence, strict=True):
        seen[label] = seen.get(label, 0) + 1
        several, name = regions.labels.count(label) > 1, " ".join(label.split())
        marks.append(
            _Mark(
                box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                colour=PALETTE[places[label] % len(PALETTE)],
                dashed=places[label] // len(PALETTE) % 2 == 1,
                caption=f"{name or 'region'}{f' {seen[label]}' if several else ''} {score:.0%}",
                number=str(seen[label]) if several else name[:3],
            )
        )
    return marks


def _outline(draw: ImageDraw.ImageDraw, mark: _Mark, line: int) -> None:
    draw.rectangle(mark.box, outline="black", width=line + min(2, line))
    draw.rectangle(mark.box, outline=mark.colour, width=line)
    if mark.dashed:
        left, top, right, bottom = mark.box
        step = 6 * line
        for x in np.arange(left + step, right, 2 * step):
            for y in (top, max(top, bottom - line)):
                draw.rectangle((x, y, min(x + step, right), min(y + line - 1, bottom)), fill="black")
        for y in np.arange(top + step, bottom, 2 * step):
            for x in (left, max(left, right - line)):
                draw.rectangle((x, y, min(x + line - 1, right), min(y + step, bottom)), fill="black")


def _tint(canvas: Image.Image, masks: BoolArray, marks: Sequence[_Mark], line: int) -> Image.Image:
    """Masks in their colour: translucent, with stripes and a rim, so that form does not hang on colour alone."""
    import cv2

    pixels = np.asarray(canvas).copy()
    period = 6 * line
    for mask, mark in zip(masks, marks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside = mask[part]
        y, x = np.ogrid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        stripes = ((x - y) if mark.dashed else (x + y)) % period < line
        weight = np.where(stripes, _STRIPE, _TINT) * inside
        rgb = np.array(_rgb(mark.colour), np.float32)
        mixed = pixels[part] + (rgb - pixels[part]) * weight[..., None].astype(np.float32)
        pixels[part] = np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)
        edge, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(pixels, edge, -1, _rgb(mark.colour), line)
    return Image.fromarray(pixels)


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


# -------------------------------------------------------------------------------------------------------------- labels


def _write(draw: ImageDraw.ImageDraw, marks: Sequence[_Mark], font: Font, size: tuple[int, int]) -> None:
    taken: list[Box] = []
    for mark in marks:
        text, box = _placed(draw, mark, font, size, taken)
        taken.append(box)
        left, top, _, _ = draw.textbbox((0, 0), text, font=font)
        draw.rectangle(box, fill=mark.colour)
        ink = "black" if mark.colour in _DARK_TEXT else "white"
        draw.text((box[0] + _PAD - left, box[1] + _PAD - top), text, font=font, fill=ink)


def _placed(
    draw: ImageDraw.ImageDraw, mark: _Mark, font: Font, size: tuple[int, int], taken: Sequence[Box]
) -> tuple[str, Box]:
    """The caption and a place for it: whole if it can stand free, else its number, else where it covers least."""
    for text in (mark.caption, mark.number):
        fitting = _cut(draw, text, font, size[0])
        spots = list(_spots(draw, mark.box, fitting, font, size))
        free = next((spot for spot in spots if not any(_overlap(spot, other) for other in taken)), None)
        if free:
            return fitting, free
    return fitting, min(spots, key=lambda spot: sum(_overlap(spot, other) for other in taken))


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    while len(text) > 1 and draw.textlength(text, font=font) + 2 * _PAD > width:
        text = f"{text.rstrip('…')[:-1]}…" if len(text) > 2 else text[:1]
    return text


def _spots(draw: ImageDraw.ImageDraw, box: Box, text: str, font: Font, size: tuple[int, int]) -> Iterator[Box]:
    """Where a label may stand, the best first: on the box's upper edge, inside it, below it, at its sides."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * _PAD, bottom - top + 2 * _PAD
    x1, y1, x2, y2 = box
    above = [(x, y1 - height) for x in (x1, x2 - width)] if y1 >= height else []
    rows = np.arange(y1, max(y1 + 1, y2 - height + 1), max(1.0, height))
    inside = [(x, float(y)) for y in rows for x in (x1, x2 - width)]
    below = [(x, y2) for x in (x1, x2 - width)]
    beside = [(x, y1) for x in (x2, x1 - width)]
    for x, y in (*above, *inside, *below, *beside):
        x, y = min(max(0.0, x), max(0.0, size[0] - width)), min(max(0.0, y), max(0.0, size[1] - height))
        yield x, y, x + width, y + height


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes share, in pixels."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


# --------------------------------------------------------------------------------------------------------- comparisons


def _scaled(picture: Image.Image, height: int) -> Image.Image:
    """The picture without transparency at a height, or narrower where it would be wider than 1024 pixels."""
    opaque = picture.convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        ground = Image.fromarray(_chequered(rgba.size))
        opaque = Image.composite(rgba.convert("RGB"), ground, rgba.getchannel("A"))
    scale = min(height / opaque.height, _SIDE / opaque.width)
    return opaque.resize((max(1, round(opaque.width * scale)), max(1, round(opaque.height * scale))))


def _chequered(size: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    field = max(4, min(size) // 40)
    y, x = np.ogrid[: size[1], : size[0]]
    grey = np.where((x // field + y // field) % 2, 205, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
