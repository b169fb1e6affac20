"""The page in a real browser: a person's way through it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.tiny_pictures import png
from tests.web.conftest import Served, Tab
from visiongpt_agent import VisionGPT, sample_photo
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.web.conversations import PageLimits
from visiongpt_agent.web.server import agent_of_a_tab

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
Maker = Callable[..., Callable[[], VisionGPT]]
PHONE: Any = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
FIND = '#1 = detect_objects(image=$1, query="person")'
BLUR = "#1 = select_regions(image=$1, boxes=[{pointed}])\n#2 = blur_regions(image=$1, regions=#1)"


def add(page: Page, *files: tuple[str, bytes]) -> None:
    payload: Any = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    page.set_input_files('.vg-stage input[type="file"]', payload)


def ask(page: Page, request: str) -> str:
    """Send a request with Enter; returns the answer."""
    turns = page.locator(".vg-turn").count()
    page.fill("#vg-request textarea", request)
    page.keyboard.press("Enter")
    return answer(page, turns + 1)


def answer(page: Page, turn: int) -> str:
    page.wait_for_selector(f".vg-turn:nth-child({turn}) .vg-footer")
    return page.locator(f".vg-turn:nth-child({turn}) .vg-answer").inner_text()


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the picture, from and to shares of its width and height."""
    frame = page.locator(".vg-frame").bounding_box()
    assert frame is not None
    places = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()


def boxes(page: Page) -> list[list[int]]:
    """The boxes that the last request pointed at, in pixels of the picture."""
    call = page.locator(".vg-turn:last-child .vg-steps code").first.inner_text()
    return [[int(edge) for edge in box.split()] for box in re.findall(r'"(\d+ \d+ \d+ \d+)"', call)]


def test_a_request_a_region_a_follow_up_with_the_real_planner(
    serve: Callable[..., Served], open_tab: Callable[..., Tab], pool: ModelPool, needs: Callable[[str], None]
) -> None:
    needs(jobs.LLM)
    needs(jobs.DETECTION_CLOSED)
    page = open_tab(serve(make_agent=lambda: agent_of_a_tab(pool)).url).page
    add(page, ("astronaut.png", _astronaut()))
    page.wait_for_selector(".vg-frame img")

    assert "one person" in ask(page, "find the person")
    assert page.locator(".vg-turn .vg-accepted").count() == 1
    page.click(".vg-region")
    page.get_by_role("button", name="Blur this", exact=True).click()
    assert page.input_value("#vg-request textarea") == "blur this person"
    page.keyboard.press("Enter")
    assert "blurred" in answer(page, 2)
    assert len(boxes(page)) == 1
    assert "black and white" in ask(page, "now make it black and white")
    assert page.locator(".vg-thumb").count() == 3
    assert page.locator(".vg-thumb[aria-pressed=true] span").inner_text() == "$3"

    with page.expect_download() as download:
        page.locator(".vg-turn:last-child figcaption a").click()
    assert download.value.suggested_filename.endswith("adjust_image.png")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").last.click()
    assert '"status": "done"' in download.value.path().read_text()
    page.get_by_text("Copy as Python").last.click()
    code = page.locator(".vg-code code").last.inner_text()
    assert "\"request\": 'blur this person'" in code
    assert '"pointed": [{' in code


def test_boxes_by_mouse_by_taps_and_by_keys(
    serve: Callable[..., Served], open_tab: Callable[..., Tab], scripted: Maker
) -> None:
    page = open_tab(serve(make_agent=scripted(BLUR, "done")).url).page
    add(page, ("plain.png", png(400, 300)))
    page.wait_for_selector(".vg-frame img")

    drag(page, (0.25, 0.25), (0.5, 0.75))
    ask(page, "blur this")
    assert boxes(page)[0] == pytest.approx([100, 75, 200, 225], abs=3)

    page.click(".vg-thumb >> nth=0")
    page.click(".vg-draw")
    frame = page.locator(".vg-frame")
    size = frame.bounding_box()
    assert size is not None
    frame.click(position={"x": size["width"] * 0.1, "y": size["height"] * 0.1})
    frame.click(position={"x": size["width"] * 0.9, "y": size["height"] * 0.5})
    ask(page, "blur this")
    assert boxes(page)[0] == pytest.approx([40, 30, 360, 150], abs=3)

    page.click(".vg-thumb >> nth=0")
    page.focus(".vg-draw")
    page.keyboard.press("Enter")
    for key in ("Shift+ArrowLeft", "ArrowUp", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    ask(page, "blur this")
    assert boxes(page)[0] == pytest.approx([160, 142, 200, 182], abs=2)


def test_a_region_clicked_is_named_in_the_request(
    serve: Callable[..., Served], open_tab: Callable[..., Tab], scripted: Maker, needs: Callable[[str], None]
) -> None:
    needs(jobs.DETECTION_CLOSED)
    page = open_tab(serve(make_agent=scripted(FIND, "done")).url).page
    page.get_by_text("blur the background around the person").click()
    page.wait_for_selector(".vg-frame img")
    assert page.input_value("#vg-request textarea") == "blur the background around the person"
    ask(page, "find the person")

    page.fill("#vg-request textarea", "crop to")
    page.locator(".vg-choice").first.press("Enter")

    assert page.input_value("#vg-request textarea") == "crop to this person"
    assert page.locator(".vg-chosen").count() == 1
    assert page.locator('.vg-choice[aria-pressed="true"]').count() == 1
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".vg-chosen").count() == 0


def test_bad_files_are_refused_and_good_ones_beside_them_taken(
    serve: Callable[..., Served], open_tab: Callable[..., Tab], scripted: Maker
) -> None:
    tab = open_tab(serve(PageLimits(picture_bytes=2**20, picture_pixels=1_000_000), make_agent=scripted()).url)
    add(
        tab.page,
        ("words.jpg", b"only words"),
        ("good.png", png(60, 40)),
        ("huge.png", b"x" * (2**20 + 1)),
        ("wide.png", png(1100, 1000)),
    )

    alert = tab.page.locator('[role="alert"]')
    alert.wait_for()
    assert alert.inner_text().splitlines() == [
        "words.jpg is not a picture that can be read: use JPEG, PNG, WEBP, TIFF, BMP, GIF, AVIF",
        "huge.png is larger than 1 MB, the most that is taken: make it smaller",
        "wide.png has 1100x1000 pixels; up to 1 million are taken: make it smaller",
    ]
    assert tab.page.locator(".vg-thumb").count() == 1
    tab.console[:] = [line for line in tab.console if "422" not in line]  # chromium names each refusal on the console


def test_two_tabs_do_not_mix(serve: Callable[..., Served], open_tab: Callable[..., Tab], scripted: Maker) -> None:
    served = serve(make_agent=scripted())
    one, two = open_tab(served.url).page, open_tab(served.url).page
    add(one, ("one.png", png(40, 30)))
    add(two, ("two.png", png(50, 20)))
    for page in (one, two):
        page.wait_for_selector(".vg-frame img")
        page.fill("#vg-request textarea", "turn it")
        page.keyboard.press("Enter")
    for page, name, size in ((one, "one.png", "30×40"), (two, "two.png", "20×50")):
        answer(page, 1)
        assert page.locator(".vg-asked .vg-chip").inner_text() == f"+ {name}"
        page.wait_for_selector(".vg-thumb >> nth=1")
        assert size in page.locator(".vg-caption").inner_text()
    assert len(served.conversations) == 2

    one.get_by_role("button", name="New conversation").click()
    one.wait_for_selector(".vg-card")
    assert one.locator(".vg-turn").count() == 0
    assert two.locator(".vg-turn").count() == 1
    assert len(served.conversations) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_it(
    serve: Callable[..., Served], open_tab: Callable[..., Tab], scripted: Maker, scheme: str
) -> None:
    page = open_tab(serve(make_agent=scripted()).url, color_scheme=scheme, **PHONE).page
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 390
    add(page, ("a-rather-long-name-of-a-picture-that-was-taken-on-holiday.png", png(1200, 200)))
    page.wait_for_selector(".vg-frame img")
    ask(page, "turn it " + "x" * 300)

    assert page.evaluate(width) == 390
    page.get_by_text("Copy as Python").click()
    assert page.evaluate(width) == 390
    dark = page.evaluate("document.body.classList.contains('dark')")
    assert dark == (scheme == "dark")


def test_a_closed_tab_ends_its_conversation(
    serve: Callable[..., Served], open_tab: Callable[..., Tab], scripted: Maker
) -> None:
    served = serve(PageLimits(closed_seconds=0), make_agent=scripted())
    tab = open_tab(served.url)
    assert len(served.conversations) == 1

    tab.page.goto("about:blank")
    for _ in range(100):
        served.conversations.sweep()
        if not len(served.conversations):
            break
        tab.page.wait_for_timeout(100)

    assert len(served.conversations) == 0
    tab.hosts.discard("")


def _astronaut() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(sample_photo("astronaut")).save(buffer, "PNG")
    return buffer.getvalue()


def test_interrupted_it_ends_at_once_and_leaves_nothing(open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "visiongpt_agent", "ui", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    server = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        tab = open_tab(server.stdout.readline().split()[0])
        add(tab.page, ("a.png", png(40, 30)))
        tab.page.wait_for_selector(".vg-frame img")
        assert list(tmp_path.glob("visiongpt-*/img-*.png"))

        server.send_signal(signal.SIGINT)
        begun = time.monotonic()
        out, err = server.communicate(timeout=60)
    finally:
        server.kill()

    assert (server.returncode, out, err) == (130, "", "visiongpt: interrupted\n")
    assert time.monotonic() - begun < 20
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    tab.console.clear()  # that its server is gone
