"""Both readers on pages that are drawn here; version 6 where it has been pulled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.pp_ocr import PPOCRv4, PPOCRv6
from visiongpt_agent.models.registry import Registry

Reader = PPOCRv4 | PPOCRv6
LINES = ("Shopping list", "Two loaves of bread", "Half a pound of butter", "One jar of honey")


@pytest.fixture(scope="module")
def v6() -> PPOCRv6:
    registry = Registry()
    if why := registry.usable(PPOCRv6.card):
        pytest.skip(why)
    return PPOCRv6.load(registry.store.folder(PPOCRv6.card), Placement())


@pytest.fixture(scope="module")
def v4() -> PPOCRv4:
    return PPOCRv4.load(Registry().store.folder(PPOCRv4.card), Placement())


def page(*lines: str, size: int = 42, step: int = 105, width: int = 900) -> Image.Image:
    image = Image.new("RGB", (width, 60 + step * len(lines)), "white")
    fonts = Path(cv2.__file__).parent / "qt" / "fonts"  # those of PIL lack most letters with accents
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(fonts / "DejaVuSans.ttf", size)
    for number, line in enumerate(lines):
        draw.text((60, 50 + step * number), line, font=font, fill="black")
    return image


def test_european_letters_and_spaces(v6: PPOCRv6) -> None:
    lines = ("Straße: größer, schöner", "Żółw i łódź, cześć", "Ça va très bien, garçon", "Grüße aus Łódź")
    assert [line.text for line in v6.read(page(*lines))] == list(lines)


TURNS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "upright": lambda image: image,
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "on its left": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "on its right": lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_turned_page_is_read_in_order_and_each_line_at_its_place(
    v6: PPOCRv6, turn: Callable[[Image.Image], Image.Image]
) -> None:
    picture = turn(page(*LINES))
    lines = v6.read(picture)
    assert [line.text for line in lines] == list(LINES)
    ink = np.asarray(picture.convert("L")) < 128
    for line in lines:
        across, down = zip(*line.corners, strict=True)
        ink[round(min(down)) : round(max(down)) + 1, round(min(across)) : round(max(across)) + 1] = False
    assert ink.sum() < 50, "the boxes hold the letters"


def test_the_corners_begin_where_the_text_begins(v6: PPOCRv6) -> None:
    line = v6.read(TURNS["upside down"](page("Shopping list", "Two loaves")))[0]
    (x1, y1), (x2, _), (_, y3), _ = line.corners
    assert x1 > x2
    assert y1 > y3


@pytest.mark.slow
def test_the_quick_reader_reads_a_page_upside_down_too(v4: PPOCRv4) -> None:
    lines = v4.read(TURNS["upside down"](page(*LINES)))  # it may take the two words of a line for two lines
    assert "".join(line.text for line in lines).replace(" ", "") == "".join(LINES).replace(" ", "")


@pytest.mark.slow
def test_every_line_of_a_long_page(v6: PPOCRv6) -> None:
    lines = [f"Line {n}: order {1000 + 37 * n} shipped" for n in range(40)]
    assert [line.text for line in v6.read(page(*lines, size=24, step=222, width=800))] == lines


@pytest.mark.slow
def test_a_line_that_goes_through_several_tiles_is_one(v6: PPOCRv6) -> None:
    words = " ".join(f"word{n}" for n in range(30))
    (line,) = v6.read(page(words, size=40, width=5400))
    assert line.text.replace(" ", "") == words.replace(" ", "")


@pytest.mark.parametrize("reader", [PPOCRv4, PPOCRv6])
def test_missing_weights_are_told(reader: type[Reader], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"onnx is missing: (pip install|visiongpt models pull)"):
        reader.load(tmp_path, Placement())
