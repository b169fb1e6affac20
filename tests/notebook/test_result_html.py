"""A result in a notebook: everything is in the text, regions can be switched, edits compared."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, VisionResult
from visiongpt_agent.notebook.progress import progress_html
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput, vision_tool


class _Balanced(HTMLParser):
    """Raises where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"img", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@vision_tool("find a shape with a hostile name", returns=Kind.REGIONS)
def find_shape(image: Image.Image) -> ToolOutput:
    """Find it."""
    masks = np.zeros((1, image.height, image.width), np.bool_)
    masks[0, 20:60, 30:90] = True
    return ToolOutput(Regions.from_masks(masks, ["<script>x</script>"], [0.5]), "There is one shape.")


@pytest.fixture
def shown(pool: ModelPool, photo: Callable[[str], Image.Image]) -> Callable[[str], tuple[VisionResult, str]]:
    def carry_out(plan: str) -> tuple[VisionResult, str]:
        chat = ScriptedChat(script=[plan, ""])
        result = VisionGPT(chat, pool=pool, tools=[find_shape]).run("do as planned", photo("coffee"))
        return result, result._repr_html_()

    return carry_out


def test_regions_lie_over_the_original_and_can_be_switched(shown: Callable[[str], tuple[VisionResult, str]]) -> None:
    result, page = shown("#1 = find_shape(image=$1)")

    assert re.findall(r"<input type='checkbox' class='(vg-\w)' checked>", page) == ["vg-b", "vg-m", "vg-l"]
    x, y, width, height = map(
        float, re.findall(r"<rect class='vg-b' x='(\S+)' y='(\S+)' width='(\S+)' height='(\S+)'", page)[0]
    )
    assert (x, y, width, height) == (30, 20, 60, 40)
    size = result.images[0].width, result.images[0].height
    assert f"viewBox='0 0 {size[0]} {size[1]}'" in page
    corners = [tuple(map(float, c.split(","))) for c in re.findall(r"<path class='vg-m' d='M([^Z]+)Z", page)[0].split()]
    assert np.ptp(np.array(corners), axis=0).tolist() == pytest.approx([60, 40], abs=1)


def test_an_edit_has_a_slider_between_before_and_after(shown: Callable[[str], tuple[VisionResult, str]]) -> None:
    _, page = shown("#1 = adjust_image(image=$1, saturation=0)")

    assert "type='range'" in page
    after, before = pictures(page)
    assert after.size == before.size
    grey, colour = (np.ptp(np.asarray(p.convert("RGB"), np.int16), axis=2).mean() for p in (after, before))
    assert grey < 3 < colour


def test_another_size_has_no_slider_and_transparency_stays(
    shown: Callable[[str], tuple[VisionResult, str]], needs: Callable[[str], None]
) -> None:
    _, turned = shown("#1 = transform_image(image=$1, rotate=90)")
    assert "type='range'" not in turned

    needs("segmentation.foreground")
    _, cut = shown("#1 = remove_background(image=$1)")
    assert pictures(cut)[0].mode == "RGBA"


def test_nothing_is_fetched_and_words_stay_words(shown: Callable[[str], tuple[VisionResult, str]]) -> None:
    for plan in ("#1 = find_shape(image=$1)", "#1 = adjust_image(image=$1, brightness=1.5)"):
        _, page = shown(plan)

        assert "<script" not in page
        addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
        assert addresses
        assert all(address.startswith("data:image/") for address in addresses)
        assert "url(" not in page
        parser = _Balanced()
        parser.feed(page)
        assert parser.open == []
        assert "<details>" in page


def test_a_result_without_pictures_is_shown_too() -> None:
    page = VisionResult("You're welcome!", "reply()")._repr_html_()

    assert "You&#x27;re welcome!" in page
    assert "<figure" not in page


def test_progress_shows_the_plan_in_force() -> None:
    plan = "#1 = read_text(image=$1)\n#2 = read_codes(image=$1)"
    begun = [{"plan": plan}, {"started": {"id": 1, "tool": "read_text", "call": ""}}]
    ended = {"finished": {"id": 1, "tool": "read_text", "seconds": 0.25, "verdict": "accepted", "told": ""}}

    assert "value='0.00'" in progress_html(begun)  # type: ignore[arg-type]
    page = progress_html([*begun, ended])  # type: ignore[list-item]
    assert "value='0.50'" in page
    assert "✓ 0.2 s" in page
    assert page.count("<tr>") == 2
    assert "✓" not in progress_html([*begun, ended, {"plan": "#1 = read_codes(image=$1)"}])  # type: ignore[list-item]
    load = {"model": "sam", "title": "SAM <H>"}
    assert "loading SAM &lt;H&gt;" in progress_html([*begun, {"loading": load}])  # type: ignore[list-item]
    assert "SAM" not in progress_html([*begun, {"loading": load}, {"loaded": load}])  # type: ignore[list-item]


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]
