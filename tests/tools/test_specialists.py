from __future__ import annotations

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.detect_objects import detect_objects


def code(kind: str, text: str) -> Image.Image:
    made = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    return Image.fromarray(np.array(made.to_image(scale=4))).convert("RGB")


@pytest.fixture(scope="module")
def label() -> Image.Image:
    sheet = Image.new("RGB", (900, 700), "white")
    sheet.paste(code("Code128", "00200000000000000017"), (40, 60))
    sheet.paste(code("QRCode", "https://example.org/a"), (500, 350))
    font = ImageFont.load_default(size=36)
    ImageDraw.Draw(sheet).text((60, 600), "Handle with care", font=font, fill="black")
    return sheet


def ask(pool: ModelPool, image: Image.Image, query: str) -> ToolOutput:
    output = detect_objects(image, query, models=pool)
    assert detect_objects.problems({"image": image, "query": query}, output) == []
    review = detect_objects.review({"image": image, "query": query}, output, pool)
    assert (review.problems, review.doubts) == ((), ())
    return output


def test_codes_are_counted_by_kind(pool: ModelPool, label: Image.Image) -> None:
    both = ask(pool, label, "qr code, barcode")
    assert both.facts["counts"] == {"qr code": 1, "barcode": 1}
    assert isinstance(both.value, Regions)
    x1, y1, x2, y2 = both.value.boxes[0]
    assert 500 <= x1 < x2 <= 660
    assert 350 <= y1 < y2 <= 510
    assert ask(pool, label, "bar codes").facts["counts"] == {"bar code": 1}
    assert ask(pool, label, "code on the right").facts["counts"] == {"code": 1}


def test_text_is_found_line_by_line(pool: ModelPool, label: Image.Image) -> None:
    lines = ask(pool, label, "text").value
    assert isinstance(lines, Regions)
    (box,) = lines.boxes.tolist()
    assert box == pytest.approx([60, 605, 330, 640], abs=24)


def test_faces_are_found_beside_other_things(pool: ModelPool, bus: Image.Image) -> None:
    output = detect_objects(bus, "bus, face", models=pool)
    assert output.facts["counts"] == {"bus": 1, "face": 2}
    assert {"nanodet-g-416", "blazeface"} <= set(output.models)


def test_what_is_not_there_is_told_as_missing(pool: ModelPool, label: Image.Image) -> None:
    empty = Image.new("RGB", (400, 300), "white")
    output = ask(pool, empty, "qr codes")
    assert (output.summary, output.missing) == ("I found no qr codes.", ("qr codes",))


def test_a_code_that_was_moved_is_noticed(pool: ModelPool, label: Image.Image) -> None:
    output = detect_objects(label, "qr code", models=pool)
    assert isinstance(output.value, Regions)
    moved = Regions(label.size, output.value.boxes - 200, output.value.labels, output.value.scores)
    review = detect_objects.review(
        {"image": label, "query": "qr code"}, ToolOutput(moved, output.summary, output.models, facts=output.facts), pool
    )
    assert "a second look does not see a qr code where one was found" in review.problems
