"""Requests about files of several pages or frames: what is looked at, and that it is said."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from visiongpt_agent import VisionGPT, sample_photo
from visiongpt_agent.errors import InputError
from visiongpt_agent.graphs.planning.every_page import over_pages
from visiongpt_agent.language.pages import named_pages
from visiongpt_agent.pictures.decoding import Pages
from visiongpt_agent.plan import parse_plan
from visiongpt_agent.request import chosen_pages, left_out

LINES = ("Rent agreement", "Clause two: no pets", "Signed in Lyon")


def document(kind: str) -> bytes:
    """A page for each of the lines."""
    pages = []
    for words in LINES:
        page = Image.new("RGB", (800, 300), "white")
        ImageDraw.Draw(page).text((60, 100), words, font=ImageFont.load_default(size=40), fill=0)
        pages.append(page)
    buffer = io.BytesIO()
    pages[0].save(
        buffer, kind, save_all=True, append_images=pages[1:], **({"resolution": 100} if kind == "PDF" else {})
    )
    return buffer.getvalue()


def animation() -> bytes:
    """A black frame, then three of a cat."""
    cat = Image.open(sample_photo("chelsea")).convert("RGB")
    frames = [cat, ImageOps.mirror(cat), cat]  # alike frames in a row would be kept as one
    buffer = io.BytesIO()
    Image.new("RGB", cat.size).save(buffer, "GIF", save_all=True, append_images=frames, duration=200)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def agent() -> VisionGPT:
    return VisionGPT()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_all_pages_of_a_document_are_read(kind: str, agent: VisionGPT, tmp_path: Path) -> None:
    path = tmp_path / f"lease.{kind.lower()}"
    path.write_bytes(document(kind))
    answer = agent.run("read the text", path).answer
    assert all(words.split()[-1] in answer for words in LINES)


@pytest.mark.slow
def test_a_page_that_is_named_is_read_and_no_other(agent: VisionGPT) -> None:
    answer = agent.run("read the text on page 2", document("TIFF")).answer
    assert "no pets" in answer
    assert "Lyon" not in answer
    answer = agent.run("read the text", document("TIFF"), pages="3").answer
    assert "Lyon" in answer
    assert "no pets" not in answer


@pytest.mark.slow
def test_of_an_animation_the_first_frame_is_used_and_that_is_said(agent: VisionGPT) -> None:
    result = agent.run("is there a cat?", animation())
    note = "Of the picture I used only the first of 4 frames; pages chooses others."
    assert note in result.answer
    assert note in result.warnings
    chosen = agent.run("is there a cat?", animation(), pages=2)
    assert "frame" not in chosen.answer
    assert chosen.regions[0].items


def test_a_page_that_is_not_there(agent: VisionGPT) -> None:
    with pytest.raises(InputError, match="has 4 frames, there is no frame 9"):
        agent.run("is there a cat?", animation(), pages=9)
    with pytest.raises(InputError, match="pages are given as"):
        agent.run("is there a cat?", animation(), pages="some")


@pytest.mark.parametrize(
    ("request_", "asked", "pages", "taken"),
    [
        ("read the text", (), Pages(3, "page"), (1, 2, 3)),
        ("what is the total?", (), Pages(3, "page"), (1, 2, 3)),
        ("crop page 2", (), Pages(3, "page"), (1, 2, 3)),
        ("make it black and white", (), Pages(3, "page"), (1,)),
        ("read the text", (), Pages(3, "frame"), (1,)),
        ("read the text", (2,), Pages(3, "page"), (2,)),
        ("flip it", (0,), Pages(3, "frame"), (1, 2, 3)),
        ("flip it", (2,), Pages(1, "frame"), (1,)),
    ],
)
def test_which_pages_are_taken(request_: str, asked: tuple[int, ...], pages: Pages, taken: tuple[int, ...]) -> None:
    assert chosen_pages(pages, asked, request_) == taken


def test_what_is_left_out_is_said() -> None:
    assert (
        left_out("a.gif", Pages(4, "frame"), 1) == "Of a.gif I used only the first of 4 frames; pages chooses others."
    )
    assert left_out("a.pdf", Pages(90, "page"), 20) == "Of a.pdf I used the first 20 of 90 pages; pages chooses others."
    assert left_out("a.pdf", Pages(3, "page"), 3) == ""


@pytest.mark.parametrize(
    ("words", "pages"),
    [
        ("read page 2", (2,)),
        ("read pages 2, 3 and five", (2, 3, 5)),
        ("what do pages 2-4 say", (2, 3, 4)),
        ("the second page and the last page", (2, 9)),
        ("read the page", ()),
        ("turn the page by 90 degrees", ()),
    ],
)
def test_pages_that_a_request_names(words: str, pages: tuple[int, ...]) -> None:
    assert named_pages(words, 9) == pages


@pytest.mark.parametrize(
    ("words", "plan", "expected"),
    [
        (
            "read the text",
            "#1 = read_text(image=$2)",
            "#1 = read_text(image=$2)\n#2 = read_text(image=$3)\n#3 = read_text(image=$4)",
        ),
        ("read the text", "#1 = read_text(image=$4)", None),
        ("read the second page", "#1 = read_text(image=$2)", "#1 = read_text(image=$3)"),
        ("read the text", "#1 = read_text(image=$1)", "#1 = read_text(image=$1)"),
        ("how many cats?", '#1 = detect_objects(image=$2, query="cat")', '#1 = detect_objects(image=$2, query="cat")'),
    ],
)
def test_a_plan_reads_every_page(words: str, plan: str, expected: str | None) -> None:
    every = "#1 = read_text(image=$2)\n#2 = read_text(image=$3)\n#3 = read_text(image=$4)"
    assert str(over_pages(parse_plan(plan), words, [[2, 3, 4]])) == (expected or every)
