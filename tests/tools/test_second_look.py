from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.bench.gallery import StandIns
from visiongpt_agent.models.jobs import DETECTION_CLOSED, IMAGE_TEXT, ClosedDetector
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.tools._second_look import (
    best_overlap,
    detect_again,
    fits_words,
    is_noise,
    misplaced,
    on_edges,
    zoomed_in,
)

Photo = Callable[[str], Image.Image]


def test_boxes_of_the_second_look_are_in_the_picture_itself(bus: Image.Image, pool: ModelPool) -> None:
    with pool.use(DETECTION_CLOSED, ClosedDetector) as detector:
        first = detector.detect(bus, threshold=detector.threshold)
        again = detect_again(bus, lambda view: detector.detect(view, threshold=0.4 * detector.threshold))
    assert again.size == bus.size
    assert best_overlap(first, again).min() > 0.7


def test_nothing_is_seen_twice_where_nothing_is() -> None:
    image = Image.new("RGB", (300, 200))
    assert len(detect_again(image, lambda view: Regions(view.size))) == 0
    assert best_overlap(Regions(image.size, np.array([[1, 1, 9, 9]])), Regions(image.size)).tolist() == [0]


@pytest.mark.parametrize(
    ("shift", "wrong"), [((0, 0), False), ((3, 0), False), ((25, 0), True), ((0, -30), True), ((20, 20), True)]
)
def test_outlines_beside_the_thing(shift: tuple[int, int], wrong: bool) -> None:
    noise = np.random.default_rng(0).normal(120, 12, (300, 400, 3))
    image = Image.fromarray(noise.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((120, 80, 270, 220), fill=(200, 60, 50))
    canvas = Image.new("1", image.size)
    place = (120 + shift[0], 80 + shift[1], 270 + shift[0], 220 + shift[1])
    ImageDraw.Draw(canvas).ellipse(place, fill=1)
    assert misplaced(image, np.asarray(canvas)) is wrong


def test_noise_is_told_from_texture(photo: Photo) -> None:
    assert not any(is_noise(photo(name)) for name in ("astronaut", "chelsea", "coffee", "rocket"))
    assert is_noise(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)))
    assert not is_noise(Image.new("RGB", (64, 64), "red"))


def test_a_closer_look_keeps_the_frame(photo: Photo) -> None:
    image = photo("chelsea")
    assert zoomed_in(image).size == image.size
    assert zoomed_in(Image.new("RGB", (1, 1))).size == (1, 1)


class LikesShortWords:
    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        return np.array([1 / len(text) for text in texts], np.float32)


@pytest.mark.parametrize(("words", "fits"), [("cat", True), ("a very long description of a cat", False)])
def test_words_must_fit_better_than_none(pool: ModelPool, photo: Photo, words: str, fits: bool) -> None:
    assert fits_words(photo("chelsea"), words, StandIns(pool, {IMAGE_TEXT: LikesShortWords})) is fits


def test_straight_sides_lie_on_edges_and_the_box_of_a_disc_does_not() -> None:
    image = Image.new("RGB", (200, 200), (200, 200, 195))
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 79, 79), fill=(30, 90, 160))
    draw.ellipse((110, 110, 179, 179), fill=(30, 90, 160))
    square, disc = np.zeros((200, 200), np.bool_), np.zeros((200, 200), np.bool_)
    square[20:80, 20:80] = disc[110:180, 110:180] = True
    assert on_edges(image, square) > 0.98
    assert on_edges(image, disc) < 0.6
