"""Writing on a picture: white letters with a dark rim, which are read on any ground."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import OCR, TextReader
from visiongpt_agent.pictures.transparency import alpha_of, visible
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._region_edits import changed_pixels
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Position = Literal["bottom", "top", "center"]

_MOST: Final = 200
"""Characters of a text at most."""
_LARGEST, _FULL, _SMALLEST = 0.11, 0.06, 0.03
"""Height of the letters, as shares of the picture's shorter side: at most, in one line at least, and at least."""
_LEAST: Final = 8
"""Height of the letters, in pixels, below which they cannot be read."""
_WIDE, _HIGH = 0.92, 0.4
"""Shares of the picture's width and height that the text may fill."""
_MARGIN: Final = 0.04
_RIM: Final = 0.07
"""Width of the letters' rim, as a share of their height."""
_FONTS: Final = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "arial.ttf")
"""Fonts of the system that are tried, in turn, for letters that neither Pillow's own font nor OpenCV's has."""
_LIKE: Final = 0.7
"""Likeness of a reading to the text, 0 to 1, from which the text can be read."""
_PLACES: Final = {"bottom": "at the bottom", "top": "at the top", "center": "in the middle"}


@dataclass(frozen=True)
class _Layout:
    """How a text is set: its lines, its font, the width of the letters' rim, and its box in the picture."""

    text: str
    font: Font
    rim: int
    box: tuple[int, int, int, int]


@vision_tool("write text on the picture", returns=Kind.IMAGE)
def add_text(image: Image.Image, text: str, position: Position = "bottom") -> ToolOutput:
    """Write a line of text on a picture, in white letters with a dark rim; a long one is broken into several lines.

    Args:
        image: The picture, RGB or RGBA.
        text: The words, as they are to be read; at most 200 characters.
        position: ``bottom``, ``top`` or ``center``.

    Raises:
        ToolError: If there are no words, they do not fit on the picture, or no font here has their letters.
    """
    words = " ".join(text.split())
    if not words:
        raise ToolError("there is nothing to write: give the words")
    if len(words) > _MOST:
        raise ToolError(f"the text has {len(words)} characters, at most {_MOST} can be written on a picture")
    layout = _layout(words, image.size, position)
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    ImageDraw.Draw(layer).multiline_text(
        layout.box[:2],
        layout.text,
        "white",
        layout.font,
        anchor="la",
        align="center",
        stroke_width=layout.rim,
        stroke_fill=(0, 0, 0, 255),
    )
    made = Image.alpha_composite(image.convert("RGBA"), layer)
    told = words.replace('"', "'")
    return ToolOutput(
        made if image.has_transparency_data else made.convert("RGB"),
        f'I wrote "{told}" {_PLACES[position]} of the picture.',
        facts={"box": list(_inked(layout))},
    )


def _layout(words: str, size: tuple[int, int], position: str) -> _Layout:
    """The largest letters with which the words fit: in one line, unless they would be small in it."""
    room, shorter = (_WIDE * size[0], _HIGH * size[1]), min(size)
    heights = np.linspace(_LARGEST * shorter, max(_SMALLEST * shorter, _LEAST), 12).round().astype(int)
    in_one = [(int(height), True) for height in heights if height >= _FULL * shorter]
    for height, whole in (*in_one, *((int(height), False) for height in heights)):
        if height < _LEAST:
            continue
        font, rim = _font(words, height), max(1, round(_RIM * height))
        lines = words if whole else _broken(words, font, room[0] - 2 * rim)
        left, top, right, bottom = _extent(lines, font, rim)
        if right - left <= room[0] and bottom - top <= room[1]:
            margin = round(_MARGIN * shorter)
            across = (size[0] - (right - left)) / 2
            down = {"top": margin, "center": (size[1] - (bottom - top)) / 2}.get(
                position, size[1] - margin - (bottom - top)
            )
            # Text is placed by its origin, from which its ink begins a little later.
            x, y = round(across - left), round(max(0.0, down) - top)
            return _Layout(lines, font, rim, (x, y, x + int(right), y + int(bottom)))
    raise ToolError("the text does not fit on a picture of this size: make it shorter, or the picture larger")


def _broken(words: str, font: Font, width: float) -> str:
    """The words in lines of at most a width, where they can be broken."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def _extent(lines: str, font: Font, rim: int) -> tuple[float, float, float, float]:
    """Of lines with their rim, from the origin: left, top, right and bottom."""
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    return draw.multiline_textbbox((0, 0), lines, font, anchor="la", align="center", stroke_width=rim)


def _inked(layout: _Layout) -> tuple[int, int, int, int]:
    left, top, _, _ = _extent(layout.text, layout.font, layout.rim)
    x, y, right, bottom = layout.box
    return int(x + left), int(y + top), right, bottom


def _font(words: str, height: int) -> Font:
    """A font whose capitals and descenders together are ``height`` pixels high, and that has all the letters."""
    import cv2

    bundled = Path(cv2.__file__).parent / "qt" / "fonts" / "DejaVuSans.ttf"  # in OpenCV's packages for Linux
    missing = ""
    for name in ("", str(bundled), *_FONTS):
        try:
            font = _loaded(name, height)
        except OSError:  # the system has no such font
            continue
        lacking = "".join(dict.fromkeys(letter for letter in words if not letter.isspace() and _lacks(font, letter)))
        if not lacking:
            return font
        missing = missing or lacking
    raise ToolError(f"no font here has the letters {missing}: write it without them")


@cache
def _loaded(name: str, height: int) -> Font:
    return ImageFont.truetype(name, height) if name else ImageFont.load_default(height)


def _lacks(font: Font, letter: str) -> bool:
    """Whether a font shows the sign of a letter that it has not, as it does for one that is none."""
    one, none = (font.getmask(sign) for sign in (letter, "\uffff"))
    return one.size == none.size and bytes(one) == bytes(none)


@add_text.check
def _is_written_where_asked(image: Image.Image, position: str, output: ToolOutput) -> Iterator[str]:
    """All outside the text is as it was, and inside there are white letters with dark beside them."""
    after = one_picture(output.value)
    if after.size != image.size:
        yield f"the picture has {after.width}x{after.height} pixels instead of {image.width}x{image.height}"
        return
    left, top, right, bottom = output.facts.get("box", (0, 0, 0, 0))
    box = np.zeros((image.height, image.width), np.bool_)
    box[max(0, top) : bottom, max(0, left) : right] = True
    changed = changed_pixels(image, after)
    if changed[~box].any():
        yield "something beside the text changed"
    pixels = np.asarray(after.convert("RGB"))[changed & box]
    if not ((pixels >= 250).all(axis=1).any() and (pixels <= 5).all(axis=1).any()):
        yield "nothing was written"
    middle = (top + bottom) / 2 / image.height
    if (position == "top" and middle > 0.5) or (position == "bottom" and middle < 0.5):
        yield f"the text is not {_PLACES[position]}"
    if (alpha_of(after)[~box] != alpha_of(image)[~box]).any():
        yield "the transparency changed"


@add_text.check
def _can_be_read(text: str, output: ToolOutput, models: Models) -> Iterator[str]:
    """A reader that looks at the place of the text reads it there."""
    if not models.has(OCR):
        return
    after = one_picture(output.value)
    left, top, right, bottom = output.facts.get("box", (0, 0, *after.size))
    room = max(8, (bottom - top) // 2)
    place = visible(after).crop(
        (max(0, left - room), max(0, top - room), min(after.width, right + room), min(after.height, bottom + room))
    )
    with models.use(OCR, TextReader) as reader:
        read = " ".join(line.text for line in reader.read(place))
    one, other = ("".join(filter(str.isalnum, words.casefold())) for words in (text, read))
    if one and difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() < _LIKE:
        yield Doubt("I could not read the text on the picture again, so it may be hard to read.")
