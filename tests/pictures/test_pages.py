"""Files of several pages or frames: how many there are, and each of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.decoding import Pages, decode, pages_of

RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (20, 20, 230)


def several(kind: str, **options: object) -> bytes:
    frames = [Image.new("RGB", (40, 30), color) for color in (RED, GREEN, BLUE)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "unit"), [("TIFF", "page"), ("GIF", "frame"), ("WEBP", "frame"), ("PNG", "frame"), ("AVIF", "frame")]
)
def test_each_page_can_be_had(kind: str, unit: str, tmp_path: Path) -> None:
    data = several(kind)
    path = tmp_path / "some.file"
    path.write_bytes(data)
    assert pages_of(data) == pages_of(path) == Pages(3, unit)  # type: ignore[arg-type]
    for number, color in enumerate((RED, GREEN, BLUE), 1):
        middle = np.asarray(decode(path, page=number))[15, 20].astype(int)
        assert np.abs(middle - color).max() < 25
    with pytest.raises(InputError, match=f"has 3 {unit}s, there is no {unit} 4"):
        decode(data, page=4)


def test_a_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pypdfium2")
    data = several("PDF", resolution=72)
    assert pages_of(data) == Pages(3, "page")
    page = decode(data, page=2)
    assert page.size == (112, 84)  # 200 pixels an inch
    assert np.abs(np.asarray(page)[40, 50].astype(int) - GREEN).max() < 25
    with pytest.raises(InputError, match="there is no page 9"):
        decode(data, page=9)
    with pytest.raises(InputError, match="cannot be opened"):
        decode(data[:40] + b"nothing")
    monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)
    with pytest.raises(InputError, match=r"is a PDF: pip install 'visiongpt-agent\[pdf\]'"):
        decode(data)


def test_a_preview_beside_a_picture_is_no_page() -> None:
    large, small = Image.new("RGB", (80, 60), RED), Image.new("RGB", (20, 15), RED)
    buffer = io.BytesIO()
    large.save(buffer, "MPO", save_all=True, append_images=[small])
    assert pages_of(buffer.getvalue()).count == 1
    assert pages_of(Image.new("RGB", (3, 3))) == pages_of(np.zeros((3, 3), np.uint8)) == Pages(1, "frame")
