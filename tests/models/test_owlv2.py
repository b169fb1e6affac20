"""OWLv2 on a tiny random checkpoint of the real format, and its boxes against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.models.tiny_checkpoints import OWL_SIDE as SIDE
from tests.models.tiny_checkpoints import owlv2
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.grounding_dino import GroundingDino
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.owlv2 import Owlv2, named, squared
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return owlv2(tmp_path_factory.mktemp("owlv2"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Owlv2:
    return Owlv2.load(checkpoint, Placement())


def test_detections(model: Owlv2, photo: Photo) -> None:
    image, nouns = photo("coffee"), ["Dog", "cup", "zebra"]
    found = model.detect(image, nouns, threshold=0.0)
    assert found.size == image.size
    assert len(found) > 0
    assert set(found.labels) <= set(nouns)
    assert found.confidence.tolist() == sorted(found.confidence, reverse=True)
    again = model.detect(image, nouns, threshold=0.0)
    assert (again.labels, again.boxes.tolist()) == (found.labels, found.boxes.tolist())
    overlap = found.iou(found)
    same = np.array(found.labels)[:, None] == np.array(found.labels)[None]
    assert overlap[np.triu(same, 1)].max(initial=0) <= 0.5
    assert len(model.detect(image, nouns, threshold=1.0)) == 0


def test_a_noun_scores_the_same_alone_and_among_others(model: Owlv2, photo: Photo) -> None:
    image = photo("chelsea")
    alone = model.detect(image, ["cat"], threshold=0.0)
    among = model.detect(image, ["cat", "cat", "cat"], threshold=0.0)
    assert among.labels == alone.labels
    assert among.confidence == pytest.approx(alone.confidence, abs=1e-5)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: Owlv2, image: Image.Image) -> None:
    assert model.detect(image, ["dog", "x" * 400], threshold=0.0).size == image.size


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place_through_padding(model: Owlv2, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 1)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    square = squared(image, SIDE)
    assert square.size == (SIDE, SIDE)
    light = np.asarray(square)[..., 0] > 192  # the padding is grey
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    x1, y1, x2, y2 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    planted = np.array([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]], np.float32) / np.float32(SIDE)

    found = named(size, planted, np.array([[0.1, 0.7]], np.float32), ["dog", "cup"], 0.2)
    assert found.labels == ("cup",)
    assert found.boxes[0] == pytest.approx(box, abs=max(1.0, max(size) / SIDE))


def test_the_padding_is_grey_below_and_right() -> None:
    square = np.asarray(squared(Image.new("RGB", (200, 100), "white"), 100))
    assert (square[:49] == 255).all()
    assert (square[51:] == 128).all()


def test_boxes_in_the_padding_are_dropped_and_weak_ones_too() -> None:
    boxes = np.array([[0.5, 0.25, 0.2, 0.2], [0.5, 0.8, 0.2, 0.2], [0.5, 0.25, 0.2, 0.2]], np.float32)
    found = named((400, 200), boxes, np.array([[0.9], [0.9], [0.1]], np.float32), ["dog"], 0.2)
    assert found.boxes.tolist() == [pytest.approx([160, 60, 240, 140])]


def test_the_tool_over_it(checkpoint: Path, tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Owlv2, "threshold", 0.0)  # a random network is sure of nothing
    image, query = photo("coffee"), "dog, red car"
    with ModelPool(Registry(Settings(home=tmp_path, weights={Owlv2.card.name: checkpoint}))) as pool:
        output = detect_objects(image, query, models=pool)
    assert output.models == (Owlv2.card.name,)
    assert isinstance(output.value, Regions)
    assert set(output.value.labels) | set(output.missing) == {"dog", "red car"}
    assert detect_objects.problems({"image": image, "query": query}, output) == []


def test_it_comes_after_grounding_dino(tmp_path: Path) -> None:
    names = [model.card.name for model in Registry(Settings(home=tmp_path)).for_job(DETECTION_OPEN_VOCABULARY)]
    assert names.index(GroundingDino.card.name) < names.index(Owlv2.card.name)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {Owlv2.card.name}"):
        Owlv2.load(tmp_path, Placement())
