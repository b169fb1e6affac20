"""Questions about a picture as a file are answered from what is known of it."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.graphs.answering.picture_files import describe_files
from visiongpt_agent.graphs.state import ImageEntry
from visiongpt_agent.pool import ModelPool


def entry(title: str, origin: str = "user") -> ImageEntry:
    return ImageEntry(id="", origin=origin, title=title, width=64, height=48, turn=1)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("what format is it", "a.jpg is 64 pixels wide and 48 pixels high; its name says JPEG."),
        ("what format is $2", "inpaint is 64 pixels wide and 48 pixels high."),
    ],
)
def test_size_and_format(request_: str, answer: str) -> None:
    assert describe_files(request_, [entry("a.jpg"), entry("inpaint", "inpaint")]) == answer


def test_it_is_the_answer_to_a_reply(pool: ModelPool) -> None:
    agent = VisionGPT(ScriptedChat(script=["Sure."]), pool=pool)

    result = agent.run("what are the dimensions of it?", Image.new("RGB", (64, 48)))

    assert result.answer == "image is 64 pixels wide and 48 pixels high."
