from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.detect_faces import detect_faces

Photo = Callable[[str], Image.Image]


def ask(pool: ModelPool, image: Image.Image) -> ToolOutput:
    output = detect_faces(image, models=pool)
    assert detect_faces.problems({"image": image}, output) == []
    return output


def test_the_catalogue_line() -> None:
    assert str(detect_faces.signature) == "detect_faces(image) -> regions: find faces"


def test_one_face(pool: ModelPool, photo: Photo) -> None:
    output = ask(pool, photo("astronaut"))
    assert (output.summary, output.missing) == ("There is one face, at the top of the picture.", ())
    assert ask(pool, photo("astronaut").convert("L")).facts["count"] == 1


def test_two_faces_by_the_bus(pool: ModelPool, bus: Image.Image) -> None:
    assert ask(pool, bus).summary == "There are two faces."


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_no_face(pool: ModelPool, photo: Photo, name: str) -> None:
    output = ask(pool, photo(name))
    assert (output.summary, output.missing) == ("I found no face.", ("face",))


def test_what_is_wrong_is_noticed() -> None:
    boxes = np.array([[10, 10, 20, 80], [10, 10, 20, 82], [50, 50, 60, 60]], np.float32)
    output = ToolOutput(Regions((100, 100), boxes, ("face", "face", "dog")), "There are three faces.")
    assert detect_faces.problems({}, output) == [
        "something else than a face was found",
        "a face is more than three times as long as wide",
        "a face was counted twice",
    ]
