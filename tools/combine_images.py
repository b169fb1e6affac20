"""Two pictures in one, beside each other or one above the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pictures.likeness import worst_tile
from visiongpt_agent.pictures.transparency import flatten, resampled
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import ToolOutput, one_picture, vision_tool

Layout = Literal["side by side", "stacked"]
_LONGEST: Final = 8000
_GAP: Final = 0.01
"""Width of the line between the pictures, as a share of the side that they share."""
_GRID: Final = 48
_APART: Final = 5.0
"""Difference of colour on a coarse grid, of 255, that other ways of resizing may make."""


@vision_tool("two pictures in one", returns=Kind.IMAGE)
def combine_images(image: Image.Image, other: Image.Image, layout: Layout = "side by side") -> ToolOutput:
    """Put two pictures into one, whole and with their proportions, a narrow white line between them.

    The smaller is enlarged to the height of the larger (``stacked``: to its width); both are made smaller where the
    whole would have more than 8000 pixels a side.

    Args:
        image: The picture on the left, or above.
        other: The picture on the right, or below.
        layout: ``side by side`` or ``stacked``.

    Returns:
        A picture of mode RGB; of mode RGBA where one of them is transparent, and then the line is, too.

    Raises:
        ToolError: If the pictures are so long and narrow that one of them would vanish.
    """
    sizes, places, whole = _places(image.size, other.size, layout)
    parts = [
        resampled(picture, lambda one, size=size: one.resize(size, Image.Resampling.LANCZOS))  # type: ignore[misc]
        for picture, size in zip((image, other), sizes, strict=True)
    ]
    clear = any(part.has_transparency_data for part in parts)
    made = Image.new("RGBA", whole, (255, 255, 255, 0)) if clear else Image.new("RGB", whole, "white")
    for part, place in zip(parts, places, strict=True):
        made.paste(part.convert(made.mode), place)
    way = "side by side" if layout == "side by side" else "one above the other"
    return ToolOutput(made, f"I put the two pictures {way}: {whole[0]}x{whole[1]} pixels.")


Size = tuple[int, int]


def _places(one: Size, other: Size, layout: str) -> tuple[list[Size], list[Size], Size]:
    """The sizes of the two pictures, where their upper left corners lie, and the size of the whole."""
    if layout == "stacked":
        turned, corners, whole = _places(one[::-1], other[::-1], "side by side")
        return [size[::-1] for size in turned], [corner[::-1] for corner in corners], whole[::-1]
    height = float(max(one[1], other[1]))
    gap = max(1.0, _GAP * height)
    width = sum(height * size[0] / size[1] for size in (one, other)) + gap
    scale = 1.0 if max(width, height) <= _LONGEST else (_LONGEST - 2) / max(width, height)  # each width is rounded
    high, between = round(height * scale), max(1, round(gap * scale))
    wide = [round(height * scale * size[0] / size[1]) for size in (one, other)]
    if high < 1 or min(wide) < 1:
        raise ToolError("the pictures are too long and narrow to be put into one: crop them first")
    return (
        [(wide[0], high), (wide[1], high)],
        [(0, 0), (wide[0] + between, 0)],
        (wide[0] + between + wide[1], high),
    )


@combine_images.check
def _holds_both(image: Image.Image, other: Image.Image, layout: str, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    sizes, places, whole = _places(image.size, other.size, layout)
    if made.size != whole:
        yield f"the picture has {made.width}x{made.height} pixels instead of {whole[0]}x{whole[1]}"
        return
    for name, picture, size, (x, y) in zip(("first", "second"), (image, other), sizes, places, strict=True):
        part = made.crop((x, y, x + size[0], y + size[1]))
        grid = (min(_GRID, *size), min(_GRID, *size))
        before = flatten(picture).resize(size, Image.Resampling.BICUBIC)
        shown, expected = (one.resize(grid, Image.Resampling.BOX) for one in (flatten(part), before))
        if worst_tile(shown, expected, 3) > _APART:
            yield f"the {name} picture is not whole in it"
