from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image, ImageOps

from visiongpt_agent.pictures.likeness import common_structure, contrast, mean_difference, psnr


def test_figures_of_plain_pictures() -> None:
    black, grey = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), (10, 10, 10))
    assert (mean_difference(black, grey), contrast(grey)) == (10, 0)
    assert psnr(black, black) == float("inf")
    assert psnr(black, grey) == pytest.approx(28.13, abs=0.01)  # 10 log10(255^2 / 100)
    half = Image.new("L", (2, 1))
    half.putpixel((1, 0), 255)
    assert contrast(half) == pytest.approx(127.5)


def test_structure_ignores_colour_but_not_content(photo: Callable[[str], Image.Image]) -> None:
    cat, cup = photo("chelsea"), photo("coffee").resize((451, 300))
    assert common_structure(cat, cat) == pytest.approx(1)
    assert common_structure(cat, ImageOps.invert(cat)) > 0.95
    assert common_structure(cat, cup) < 0.15
    assert common_structure(cat, Image.new("RGB", cat.size)) == 0
