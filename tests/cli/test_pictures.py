"""Pictures as a terminal is told to draw them, read back as a terminal would."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from visiongpt_agent.cli.pictures import Drawing, draw, how

_CELL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")


def read_blocks(text: str) -> Image.Image:
    """What a terminal shows of half-blocks."""
    rows = [
        [[int(part) for part in cell.groups()] for cell in _CELL.finditer(line)] for line in text.splitlines() if line
    ]
    cells = np.array(rows, np.uint8).reshape(len(rows), len(rows[0]), 2, 3)
    return Image.fromarray(cells.transpose(0, 2, 1, 3).reshape(len(rows) * 2, len(rows[0]), 3))


def read_kitty(text: str) -> tuple[dict[str, str], Image.Image]:
    """The first piece's keys, and the picture of all pieces together."""
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert all(len(data) <= 4096 and len(data) % 4 == 0 for _, data in pieces)
    assert [keys.rpartition("m=")[2] for keys, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    data = base64.b64decode("".join(data for _, data in pieces), validate=True)
    return dict(key.split("=") for key in pieces[0][0].split(",")), Image.open(io.BytesIO(data))


def far(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, of 255."""
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other.convert("RGB"), np.float32)).mean())


def test_half_blocks_show_the_picture(photo: Callable[[str], Image.Image]) -> None:
    cat = photo("chelsea")

    seen = read_blocks(draw(cat, Drawing.BLOCKS))

    assert seen.size == (46, 30)
    assert far(seen, cat.resize(seen.size, Image.Resampling.BOX)) < 6


@pytest.mark.parametrize(
    ("size", "width", "cells"),
    [((1000, 500), 80, (60, 15)), ((1000, 500), 20, (20, 5)), ((100, 4000), 80, (1, 24)), ((1, 1), 80, (1, 1))],
)
def test_sizes(size: tuple[int, int], width: int, cells: tuple[int, int]) -> None:
    seen = read_blocks(draw(Image.new("RGB", size, "red"), Drawing.BLOCKS, width))

    assert (seen.width, seen.height / 2) == cells
    assert seen.getpixel((0, 0)) == (255, 0, 0)


def test_kitty_is_sent_the_picture_in_pieces(photo: Callable[[str], Image.Image]) -> None:
    keys, seen = read_kitty(draw(photo("coffee"), Drawing.KITTY))

    assert {key: keys[key] for key in ("a", "f", "q", "c")} == {"a": "T", "f": "100", "q": "2", "c": "60"}
    assert seen.size == (600, 400)
    assert far(photo("coffee"), seen) == 0


def test_iterm_is_sent_the_picture(photo: Callable[[str], Image.Image]) -> None:
    text = draw(photo("coffee"), Drawing.ITERM)

    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);width=60;preserveAspectRatio=1:([^\x07]*)\x07\n", text)
    assert found
    data = base64.b64decode(found[2], validate=True)
    assert len(data) == int(found[1])
    assert far(photo("coffee"), Image.open(io.BytesIO(data))) == 0


def test_what_is_transparent_is_white() -> None:
    assert read_blocks(draw(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), Drawing.BLOCKS)).getpixel((0, 0)) == (255,) * 3


@pytest.mark.parametrize(
    ("environ", "drawing"),
    [
        ({"TERM": "xterm-kitty"}, Drawing.KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, Drawing.KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, Drawing.ITERM),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, Drawing.ITERM),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1", "COLORTERM": "truecolor"}, Drawing.BLOCKS),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux", "COLORTERM": "truecolor"}, Drawing.BLOCKS),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Drawing.BLOCKS),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, None),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, None),
    ],
)
def test_what_a_terminal_can(environ: dict[str, str], drawing: Drawing | None) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, _environ=environ)
    assert how(console, environ) is drawing


def test_a_pipe_gets_no_pictures() -> None:
    environ = {"TERM": "xterm-kitty", "COLORTERM": "truecolor"}
    assert how(Console(file=io.StringIO(), _environ=environ), environ) is None
