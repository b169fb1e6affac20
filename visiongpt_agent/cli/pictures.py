"""Small pictures in the terminal: as it draws them itself where it can, else as coloured half-blocks."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

COLUMNS: Final = 60
ROWS: Final = 24
_CELL: Final = (10, 20)
"""Pixels of a character, about: where a terminal draws pixels, that many are sent to it."""

_CHUNK: Final = 4096
_KITTY: Final = {"ghostty", "kitty"}
_ITERM: Final = {"iTerm.app", "WezTerm", "mintty"}


class Drawing(Enum):
    """How a terminal can show a picture."""

    KITTY = "kitty graphics"
    ITERM = "iTerm2 inline images"
    BLOCKS = "coloured half-blocks"


def how(console: Console, environ: Mapping[str, str]) -> Drawing | None:
    """How pictures can be shown on a console, None where they cannot.

    A multiplexer between here and the terminal passes colours on, but no pixels.
    """
    if not console.is_terminal or console.is_dumb_terminal or console.no_color:
        return None
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if not environ.get("TMUX") and not term.startswith(("screen", "tmux")):
        if term in ("xterm-kitty", "xterm-ghostty") or program in _KITTY or environ.get("KITTY_WINDOW_ID"):
            return Drawing.KITTY
        if program in _ITERM or environ.get("LC_TERMINAL") == "iTerm2":
            return Drawing.ITERM
    return Drawing.BLOCKS if console.color_system == "truecolor" else None


def draw(picture: Image.Image, drawing: Drawing, width: int = COLUMNS) -> str:
    """A picture as what to write to the terminal, with the line's end.

    Args:
        picture: Mode RGB or RGBA.
        drawing: How.
        width: Columns that there are.
    """
    from visiongpt_agent.pictures.transparency import flatten

    columns, rows = _size(picture, min(width, COLUMNS))
    plain = flatten(picture)
    if drawing is Drawing.BLOCKS:
        return _blocks(plain.resize((columns, rows * 2)))
    plain.thumbnail((columns * _CELL[0], rows * _CELL[1]))
    buffer = io.BytesIO()
    plain.save(buffer, "PNG")
    data = buffer.getvalue()
    return _kitty(data, columns) if drawing is Drawing.KITTY else _iterm(data, columns)


def write(text: str) -> None:
    """Write to stdout what :func:`draw` made."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _size(picture: Image.Image, columns: int) -> tuple[int, int]:
    """Columns and rows: a character is twice as high as wide; small pictures are not blown up."""
    columns = max(1, min(columns, -(-picture.width // _CELL[0])))
    rows = max(1, round(columns * picture.height / picture.width / 2))
    if rows > ROWS:
        columns, rows = max(1, round(ROWS * 2 * picture.width / picture.height)), ROWS
    return columns, rows


def _blocks(picture: Image.Image) -> str:
    """The upper half of a character in one pixel's colour, the ground below it in the other's."""
    lines = []
    for top in range(0, picture.height, 2):
        cells = []
        for left in range(picture.width):
            above, below = picture.getpixel((left, top)), picture.getpixel((left, top + 1))
            assert isinstance(above, tuple)
            assert isinstance(below, tuple)
            cells.append(f"\x1b[38;2;{_triple(above)};48;2;{_triple(below)}m▀")
        lines.append(f"{''.join(cells)}\x1b[0m\n")
    return "".join(lines)


def _triple(color: tuple[int | float, ...]) -> str:
    return ";".join(str(int(part)) for part in color[:3])


def _kitty(png: bytes, columns: int) -> str:
    """In pieces, as the protocol wants it; ``q=2``: the terminal sends no reply, which would be read as typed."""
    text = base64.standard_b64encode(png).decode()
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    written = []
    for number, piece in enumerate(pieces):
        first = f"a=T,f=100,q=2,c={columns}," if number == 0 else ""
        written.append(f"\x1b_G{first}m={int(number + 1 < len(pieces))};{piece}\x1b\\")
    return f"{''.join(written)}\n"


def _iterm(png: bytes, columns: int) -> str:
    text = base64.standard_b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};width={columns};preserveAspectRatio=1:{text}\x07\n"
