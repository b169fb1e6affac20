"""Writing on a picture: the words can be read there, and nothing beside them has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.add_text import add_text
from visiongpt_agent.tools.base import ToolOutput, one_picture
from visiongpt_agent.tools.read_text import read_text

Photo = Callable[[str], Image.Image]


@pytest.mark.parametrize(
    ("position", "rows", "told"),
    [
        ("bottom", (240, 400), "at the bottom"),
        ("top", (0, 160), "at the top"),
        ("center", (120, 280), "in the middle"),
    ],
)
def test_words_are_written_and_read(
    position: str, rows: tuple[int, int], told: str, photo: Photo, pool: ModelPool
) -> None:
    image = photo("coffee")
    output = add_text(image, "Good morning 2026", position)
    made = one_picture(output.value)
    changed = np.flatnonzero((np.asarray(made) != np.asarray(image)).any(axis=(1, 2)))

    assert output.summary == f'I wrote "Good morning 2026" {told} of the picture.'
    assert rows[0] <= changed[0] <= changed[-1] < rows[1]
    assert "goodmorning2026" in str(read_text(made, models=pool).value).lower().replace(" ", "")
    args = {"image": image, "text": "Good morning 2026", "position": position}
    assert add_text.review(args, output, pool) == ((), ())


@pytest.mark.parametrize("ground", ["white", "black", "grey", "yellow"])
def test_it_is_read_on_any_ground(ground: str, pool: ModelPool) -> None:
    image = Image.new("RGB", (300, 200), ground)
    output = add_text(image, "HELLO")

    assert add_text.review({"image": image, "text": "HELLO"}, output, pool) == ((), ())


def test_a_long_text_is_broken_and_fits(photo: Photo) -> None:
    image = photo("coffee")
    text = "The quick brown fox jumps over the lazy dog while the others look on from behind the garden fence"
    output = add_text(image, text)
    left, top, right, bottom = output.facts["box"]

    assert 0 <= left < right <= 600
    assert 200 < top < bottom <= 400
    assert bottom - top > 40  # several lines
    assert add_text.problems({"image": image, "text": text}, output) == []


def test_on_a_transparent_ground_the_letters_show() -> None:
    clear = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    output = add_text(clear, "HELLO")
    made = one_picture(output.value)

    assert made.mode == "RGBA"
    assert made.getchannel("A").getextrema() == (0, 255)
    assert add_text.problems({"image": clear, "text": "HELLO"}, output) == []


@pytest.mark.parametrize(
    ("text", "size", "message"),
    [
        ("  ", (100, 100), "nothing to write"),
        ("x" * 201, (1000, 1000), "201 characters"),
        ("a" * 150, (100, 100), "does not fit"),
        ("hello", (5, 5), "does not fit"),
        ("signed \U0010fffd", (400, 400), "no font here has the letters \U0010fffd"),
    ],
)
def test_what_cannot_be_written(text: str, size: tuple[int, int], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        add_text(Image.new("RGB", size), text)


def test_faults_are_caught(photo: Photo, pool: ModelPool) -> None:
    image = photo("coffee")
    args = {"image": image, "text": "HELLO"}
    output = add_text(image, "HELLO")
    scratched = one_picture(output.value).copy()
    scratched.paste("red", (10, 10, 20, 20))

    assert add_text.problems(args, replace(output, value=scratched)) == ["something beside the text changed"]
    assert add_text.problems(args, replace(output, value=image)) == ["nothing was written"]
    assert add_text.problems({**args, "position": "top"}, output) == ["the text is not at the top"]
    assert "60x40 pixels instead of" in add_text.problems(args, ToolOutput(image.resize((60, 40)), ""))[0]
    (doubt,) = add_text.review({**args, "text": "A wholly other sentence"}, output, pool).doubts
    assert doubt == "I could not read the text on the picture again, so it may be hard to read."
