"""What was read, said and measured is in the result as data, whole, whatever the answer's sentences shorten."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, VisionResult
from visiongpt_agent.notebook.result_html import result_html
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import Label, ToolOutput, vision_tool


def carry_out(pool: ModelPool, plan: str, *images: Image.Image) -> VisionResult:
    return VisionGPT(ScriptedChat(script=[plan, ""]), pool=pool, tools=(classify, measure)).run("do it", *images)


@vision_tool("name a class", returns=Kind.LABELS)
def classify(image: Image.Image) -> ToolOutput:
    """Say what it is."""
    return ToolOutput((Label("teapot", 0.75), Label("jug", 0.125)), "It is a teapot (75%).")


@vision_tool("measure", returns=Kind.REGIONS)
def measure(image: Image.Image) -> ToolOutput:
    """Measure it."""
    box = Regions(image.size, np.array([[1, 2, 11, 22]]), ("bolt",))
    return ToolOutput(box, "There is one bolt.", facts={"lengths": [20.5], "unit": "mm"})


def page(lines: list[tuple[int, int, str]], size: tuple[int, int], points: int = 28) -> Image.Image:
    image = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=points)
    for x, y, text in lines:
        draw.text((x, y), text, font=font, fill="black")
    return image


def code(text: str) -> Image.Image:
    made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(np.array(made.to_image(scale=6))).convert("RGB")


# ------------------------------------------------------------------------------------------------------------- codes

CONTENTS = [
    "https://shop.example.net/p?ref=7391&size=large&colour=dark+green&utm=newsletter&sig=0a1b2c3d4e5f60718293",
    '{"sku": "K-11", "note": "say \\"open\\""}',
    "BEGIN:VEVENT\nSUMMARY:Tea\nDTSTART:20270301T150000Z\nLOCATION:Harbour 4\nEND:VEVENT",
]


@pytest.mark.parametrize("content", CONTENTS, ids=["long", "quotation marks", "lines"])
def test_the_whole_content_of_a_code_is_in_the_result(pool: ModelPool, content: str) -> None:
    result = carry_out(pool, "#1 = read_codes(image=$1)", code(content))

    (read,) = result.codes
    assert (read.of, read.format, read.text, read.page) == ("$1", "QR Code", content, 1)
    assert result.text == content
    (entry,) = json.loads(result.to_json())["codes"]
    assert (entry["image"], entry["text"]) == ("$1", content)
    assert entry["box"][0] < entry["box"][2] <= code(content).width
    assert ("The whole text is in the result." in result.answer) == (len(" ".join(content.split())) > 80)


def shelf(*contents: str) -> Image.Image:
    sheet = Image.new("RGB", (380 * len(contents), 320), "white")
    for place, content in enumerate(contents):
        sheet.paste(code(content), (40 + 380 * place, 40))
    return sheet


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (["menu"] * 3, 'There are three QR Codes that say "menu".'),
        (["menu", "exit", "menu"], 'There are two QR Codes that say "menu" and a QR Code that says "exit".'),
        (["a", "b"], 'There is a QR Code that says "a" and a QR Code that says "b".'),
    ],
)
def test_equal_codes_are_all_there(pool: ModelPool, contents: list[str], sentence: str) -> None:
    result = carry_out(pool, "#1 = read_codes(image=$1)", shelf(*contents))

    assert result.status == "done"
    assert sorted(read.text for read in result.codes) == sorted(contents)
    lefts = sorted(min(x for x, _ in read.corners) for read in result.codes)
    assert all(other - one > 300 for one, other in pairwise(lefts))
    assert sentence in result.answer


def test_codes_are_counted_and_blurred_where_they_are(pool: ModelPool) -> None:
    made = zxingcpp.create_barcode("00200000000000000017", zxingcpp.BarcodeFormat.Code128).to_image(scale=4)
    label = Image.new("RGB", (900, 700), "white")
    label.paste(Image.fromarray(np.array(made)), (40, 60))
    label.paste(code("https://example.org/a"), (500, 350))

    counted = carry_out(pool, '#1 = detect_objects(image=$1, query="barcode")', label)
    assert (counted.status, len(counted.regions[0].items)) == ("done", 1)

    plan = '#1 = detect_objects(image=$1, query="qr code")\n#2 = blur_regions(image=$1, regions=#1)'
    blurred = carry_out(pool, plan, label)
    assert blurred.status == "done", blurred.answer
    (picture,) = [one for one in blurred.images if one.role == "made"]
    assert blurred.store is not None
    assert [str(one.format) for one in zxingcpp.read_barcodes(blurred.store.open(picture.id))] == ["Code 128"]


# --------------------------------------------------------------------------------------------------------- documents


def receipt() -> tuple[Image.Image, list[str]]:
    goods = [
        ("Rye bread", "3.40"),
        ("Butter", "2.79"),
        ("Plum jam", "4.15"),
        ("Green tea", "5.90"),
        ("Oat milk", "1.99"),
        ("Walnuts", "6.25"),
        ("Candles", "7.80"),
        ("Soap", "2.10"),
    ]
    head, foot = ["CORNER STORE", "14 Mill Lane"], [("SUBTOTAL", "34.38"), ("VAT 7", "2.41"), ("TOTAL", "36.79")]
    lines = [(40, 30 + 52 * row, text) for row, text in enumerate(head)]
    rows = [*goods, *foot]
    for row, (name, price) in enumerate(rows, len(head)):
        lines += [(40, 30 + 52 * row, name), (480, 30 + 52 * row, price)]
    lines.append((40, 30 + 52 * (len(head) + len(rows)), "Thank you for your visit"))
    expected = [*head, *(text for row in rows for text in row), "Thank you for your visit"]
    return page(lines, (640, 850)), expected


def notice() -> tuple[Image.Image, list[str]]:
    lines = [
        "WATER WILL BE TURNED OFF",
        "on Tuesday 9 March",
        "from 8 to 12 in the morning",
        "Please fill a kettle before",
    ]
    return page([(60, 60 + 110 * row, text) for row, text in enumerate(lines)], (900, 520), 48), lines


def card() -> tuple[Image.Image, list[str]]:
    lines = ["Ada Moss", "Joiner and carpenter", "+49 30 5550 0199", "ada@moss.example"]
    return page([(50, 40 + 80 * row, text) for row, text in enumerate(lines)], (700, 400), 36), lines


def two_columns() -> tuple[Image.Image, list[str]]:
    left = ["The ferry left at dawn", "with mail and apples.", "Nobody stood at the pier", "to wave it off."]
    right = ["At noon the wind rose", "and the crew made tea.", "By evening the island", "lay dark in the north."]
    lines = [(40, 120 + 60 * row, text) for row, text in enumerate(left)]
    lines += [(620, 120 + 60 * row, text) for row, text in enumerate(right)]
    heading = "A short crossing, told in two columns of one page"
    return page([(200, 30, heading), *lines], (1100, 400)), [heading, *left, *right]


def scanned() -> tuple[Image.Image, list[str]]:
    """A grey, grainy page that lies a little askew."""
    lines = [
        "Minutes of the meeting",
        "Present were nine members",
        "The roof is to be mended",
        "Next meeting in October",
    ]
    image = page([(80, 70 + 100 * row, text) for row, text in enumerate(lines)], (900, 520), 40)
    grain = np.random.default_rng(3).normal(0, 9, (520, 900, 1))
    grey = np.clip(np.asarray(image, np.float64) * 0.75 + 40 + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).rotate(1.2, Image.Resampling.BICUBIC, fillcolor=(215, 215, 215)), lines


DOCUMENTS = [receipt, notice, card, two_columns, scanned]


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_line_of_a_document_is_in_the_result_in_order(pool: ModelPool, document: object) -> None:
    assert callable(document)
    image, expected = document()

    result = carry_out(pool, "#1 = read_text(image=$1)", image)

    read = [line.text.replace(" ", "") for line in result.lines]
    places = [_place(text.replace(" ", ""), read) for text in expected]
    assert places == sorted(set(places)), list(zip(expected, places, strict=True))
    assert [line.order for line in result.lines] == list(range(1, len(read) + 1))
    assert all(line.of == "$1" and 0 < line.score <= 1 and len(line.corners) == 4 for line in result.lines)
    assert result.text.splitlines() == [line.text for line in result.lines if line.sure]
    if len(expected) > 8:
        assert "The whole text is in the result." in result.answer


def _place(text: str, read: list[str]) -> int:
    """Where a line is among those that were read; -1 for nowhere. A reader may take an o for a 0."""
    alike = [SequenceMatcher(None, text, other, autojunk=False).ratio() for other in read]
    return int(np.argmax(alike)) if max(alike, default=0) >= 0.85 else -1


# ------------------------------------------------------------------------------------------------- labels, measurements


def test_labels_and_measurements_are_data(pool: ModelPool) -> None:
    picture = Image.new("RGB", (40, 30), "grey")
    told = carry_out(
        pool, "#1 = classify(image=$1)\n#2 = measure(image=$2)", picture, Image.new("RGB", (50, 30))
    ).to_dict()

    assert told["labels"] == [
        {"image": "$1", "name": "teapot", "score": 0.75},
        {"image": "$1", "name": "jug", "score": 0.125},
    ]
    assert told["measurements"] == [
        {"image": "$2", "tool": "measure", "values": {"lengths": [20.5], "unit": "mm"}},
    ]
    assert told["lines"] == told["codes"] == told["answers"] == []


def test_a_comparison_is_an_answer_with_its_measures(pool: ModelPool) -> None:
    pictures = Image.new("RGB", (40, 30), "grey"), Image.new("RGB", (40, 30), "black")
    result = carry_out(pool, "#1 = compare_images(image=$1, other=$2)", *pictures)

    (answer,), (measured,) = result.answers, result.measurements
    assert (answer.of, answer.tool, answer.question) == ("$1", "compare_images", "")
    assert answer.text == result.steps[0].told
    assert measured.values["identical"] is False


# ------------------------------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("later", ["read_codes(image=#1)", "measure(image=#1)", "classify(image=#1)"])
def test_an_edit_is_delivered_where_a_later_step_only_looked_at_it(pool: ModelPool, later: str) -> None:
    result = carry_out(pool, f"#1 = transform_image(image=$1, rotate=90)\n#2 = {later}", code("there"))

    made = [image for image in result.images if image.role == "made"]
    assert [image.name for image in made] == ["$2"]
    assert [code.of for code in result.codes] == (["$2"] if "codes" in later else [])


# --------------------------------------------------------------------------------------------------------------- doors


def test_what_was_read_is_shown_whole_and_escaped(pool: ModelPool) -> None:
    content = "<script>alert('x')</script> " + "and so on " * 12
    shown = result_html(carry_out(pool, "#1 = read_codes(image=$1)", code(content.strip())))

    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; " + ("and so on " * 12).strip() in shown
    assert "<summary>1 code</summary>" in shown
