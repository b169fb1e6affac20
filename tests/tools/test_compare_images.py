"""Comparing: what was done to a picture is what is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.compare_images import compare_images, ssim

Photo = Callable[[str], Image.Image]


def marked(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    copy = image.copy()
    ImageDraw.Draw(copy).rectangle(box, fill=(255, 0, 255))
    return copy


CHANGES: dict[str, tuple[Callable[[Image.Image], Image.Image], list[str], list[str]]] = {
    "a mark in a corner": (
        lambda i: marked(i, (440, 20, 500, 80)),
        ["in the upper right", "nearly the same"],
        ["brighter"],
    ),
    "brighter": (lambda i: ImageEnhance.Brightness(i).enhance(1.3), ["brighter by"], ["darker", "black and white"]),
    "darker": (lambda i: ImageEnhance.Brightness(i).enhance(0.7), ["darker by"], ["brighter"]),
    "black and white": (lambda i: i.convert("L").convert("RGB"), ["The second is black and white"], ["darker"]),
    "smaller": (lambda i: i.resize((256, 256)), ["512x512", "256x256", "No place changed"], ["shapes"]),
    "squeezed": (lambda i: i.resize((512, 256)), ["different shapes"], []),
    "warmer": (
        lambda i: Image.fromarray(np.clip(np.asarray(i, np.int16) + np.array((20, 0, -20)), 0, 255).astype(np.uint8)),
        ["warmer"],
        ["cooler"],
    ),
    "one grey level": (
        lambda i: Image.fromarray((np.asarray(i) // 2 * 2).astype(np.uint8)),
        ["nearly the same", "No place changed"],
        ["identical"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_done_is_told(pool: ModelPool, photo: Photo, change: str) -> None:
    image = photo("astronaut")
    make, said, unsaid = CHANGES[change]
    other = make(image)
    output = compare_images(image, other, models=pool)
    assert isinstance(output.value, str)
    for words in said:
        assert words in output.value
    for words in unsaid:
        assert words not in output.value
    assert compare_images.problems({"image": image, "other": other}, output) == []


def test_identical(pool: ModelPool, photo: Photo) -> None:
    output = compare_images(photo("coffee"), photo("coffee"), models=pool)
    assert output.value == "The two pictures are identical, pixel for pixel."


def test_two_photos(pool: ModelPool, photo: Photo) -> None:
    output = compare_images(photo("coffee"), photo("astronaut"), models=pool)
    assert isinstance(output.value, str)
    assert "look different" in output.value
    assert output.facts["ssim"] < 0.45


def test_things_seen_in_one_only(pool: ModelPool, photo: Photo, bus: Image.Image) -> None:
    output = compare_images(bus, photo("chelsea"), models=pool)
    assert isinstance(output.value, str)
    assert "The first shows" in output.value
    assert "one bus" in output.value
    assert "The second shows one cat that I do not see in the first." in output.value


def test_ssim_against_its_definition() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 64)).astype(np.float32)
    assert ssim(picture, picture) == pytest.approx(1)
    assert abs(ssim(picture, rng.integers(0, 256, (64, 64)).astype(np.float32))) < 0.1
    assert ssim(picture, 255 - picture) < -0.3
    flat, lighter = np.full((32, 32), 100, np.float32), np.full((32, 32), 150, np.float32)
    c1 = (0.01 * 255) ** 2  # structure is 1 where nothing varies: only luminance counts
    assert ssim(flat, lighter) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-4)


def test_faults_are_caught(photo: Photo) -> None:
    image, other = photo("coffee"), photo("chelsea")

    def problems(text: Any, second: Image.Image) -> list[str]:
        return compare_images.problems({"image": image, "other": second}, ToolOutput(text, ""))

    assert problems("", other) == ["the comparison is empty"]
    assert problems("They are identical.", other)
    assert problems("They look different.", image)
    assert problems("They look different.", other) == []
