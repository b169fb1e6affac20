from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageOps

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.read_codes import read_codes


def code(kind: str, text: str, scale: int = 4) -> Image.Image:
    made = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    return Image.fromarray(np.array(made.to_image(scale=scale))).convert("RGB")


def ask(pool: ModelPool, image: Image.Image) -> ToolOutput:
    output = read_codes(image, models=pool)
    assert read_codes.problems({"image": image}, output) == []
    return output


def test_the_catalogue_line() -> None:
    assert str(read_codes.signature) == "read_codes(image) -> text: read QR codes and bar codes"


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("QRCode", "https://example.org/a?b=1", "QR Code"),
        ("EAN13", "5901234123457", "EAN-13"),
        ("Code128", "ABC-123", "Code 128"),
        ("DataMatrix", "lot 42", "Data Matrix"),
        ("PDF417", "boarding pass", "PDF417"),
    ],
)
def test_a_code_is_read_back(pool: ModelPool, kind: str, text: str, name: str) -> None:
    output = ask(pool, code(kind, text))
    assert output.value == text
    assert output.facts["codes"][0]["format"] == name
    assert text in output.summary


CHANGES: list[Callable[[Image.Image], Image.Image]] = [
    ImageOps.invert,
    lambda image: image.rotate(30, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC),
    lambda image: image.resize((image.width // 3, image.height // 3), Image.Resampling.BOX),
    lambda image: image.convert("L"),
    lambda image: ImageOps.expand(image, 1500, fill="white"),
]


@pytest.mark.parametrize("change", CHANGES, ids=["inverted", "turned", "small", "grey", "lost in a large picture"])
def test_a_changed_code_is_read_too(pool: ModelPool, change: Callable[[Image.Image], Image.Image]) -> None:
    assert ask(pool, change(code("QRCode", "planted", 6))).value == "planted"


def test_two_codes_from_top_to_bottom_and_their_places(pool: ModelPool) -> None:
    sheet = Image.new("RGB", (700, 900), "white")
    sheet.paste(code("QRCode", "below"), (300, 600))
    sheet.paste(code("EAN13", "5901234123457"), (50, 80))
    output = ask(pool, sheet)
    assert output.value == "5901234123457\nbelow"
    (x, y), *_ = output.facts["codes"][1]["corners"]
    assert 300 <= x <= 330
    assert 600 <= y <= 630
    assert output.summary == 'There is an EAN-13 that says "5901234123457" and a QR Code that says "below".'


def test_a_code_on_a_photo(pool: ModelPool, bus: Image.Image) -> None:
    photo = bus.copy()
    photo.paste(code("QRCode", "on the bus"), (400, 500))
    assert ask(pool, photo).value == "on the bus"


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (3000, 2000)])
def test_no_code(pool: ModelPool, size: tuple[int, int]) -> None:
    output = ask(pool, Image.new("RGB", size, "white"))
    assert (output.value, output.summary, output.missing) == ("", "I found no QR code or bar code.", ("code",))


def test_what_is_wrong_is_noticed() -> None:
    output = ToolOutput("a", "", facts={"codes": [{"format": "QR Code", "text": " "}]})
    assert read_codes.problems({}, output) == [
        "the text is not that of the codes",
        "a code without content was told",
        "the sentence about the codes does not quote them",
    ]
