"""Grounding DINO on a tiny random checkpoint of the real format, and its words and boxes against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.models.tiny_checkpoints import grounding_dino
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.grounding_dino import GroundingDino, grounded, prompt, token_members
from visiongpt_agent.models.jobs import DETECTION_CLOSED, DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grounding_dino(tmp_path_factory.mktemp("grounding-dino"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> GroundingDino:
    return GroundingDino.load(checkpoint, Placement())


def alike(one: Regions, other: Regions) -> bool:
    return one.labels == other.labels and np.array_equal(one.boxes, other.boxes)


def test_detections(model: GroundingDino, photo: Photo) -> None:
    image, nouns = photo("coffee"), ["Dog", "hot dog", "lemons"]
    found = model.detect(image, nouns, threshold=0.0)
    assert found.size == image.size
    assert len(found) > 0
    assert set(found.labels) <= set(nouns)
    assert found.confidence.min() > 0.25, "no token below the text threshold counts"
    assert found.confidence.tolist() == sorted(found.confidence, reverse=True)
    assert alike(found, model.detect(image, nouns, threshold=0.0))
    overlap = found.iou(found)
    same = np.array(found.labels)[:, None] == np.array(found.labels)[None]
    assert overlap[np.triu(same, 1)].max(initial=0) <= 0.5
    assert len(model.detect(image, nouns, threshold=1.0)) == 0


def test_more_nouns_than_fit_into_one_text(model: GroundingDino, photo: Photo) -> None:
    nouns = [f"{'red ' * i}car" for i in range(30)]
    groups = list(model._groups(nouns + nouns))
    assert [noun for group in groups for noun in group] == nouns
    assert len(groups) == 2  # 30 times 'car' and '.', and 435 times 'red', are 495 tokens; a text has room for 254
    for group in groups:
        assert len(model._tokenizer(prompt(group)[0])["input_ids"]) <= 256
    assert set(model.detect(photo("chelsea"), nouns, threshold=0.0).labels) <= set(nouns)


@pytest.mark.parametrize("nouns", [["..."], ["red " * 400]])
def test_odd_nouns_do_not_break_it(model: GroundingDino, photo: Photo, nouns: list[str]) -> None:
    assert set(model.detect(photo("chelsea"), nouns, threshold=0.0).labels) <= set(nouns)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: GroundingDino, image: Image.Image) -> None:
    assert model.detect(image, ["dog"], threshold=0.3).size == image.size


@pytest.mark.parametrize(
    ("nouns", "text"),
    [
        (["Dog", "lemon"], "dog. lemon."),
        (["St. Bernard"], "st bernard."),
        (["what is this?", "red  car"], "what is this. red car."),
    ],
)
def test_the_prompt(nouns: list[str], text: str) -> None:
    said, spans = prompt(nouns)
    assert said == text
    assert [said[first:last] for first, last in spans] == text.rstrip(".").split(". ")


def test_tokens_belong_to_their_nouns(model: GroundingDino) -> None:
    text, spans = prompt(["dogs", "red car", "car"])
    words = model._tokenizer(text, return_offsets_mapping=True)
    tokens = model._tokenizer.convert_ids_to_tokens(words["input_ids"])
    members = token_members(spans, np.array(words["offset_mapping"]))
    assert tokens == ["[CLS]", "dog", "##s", ".", "red", "car", ".", "car", ".", "[SEP]"]
    assert [np.flatnonzero(row).tolist() for row in members] == [[1, 2], [4, 5], [7]]


# Tokens of the text "red car. blue car. dog.": [CLS] red car . blue car . dog . [SEP]
MEMBERS = np.zeros((3, 10), np.bool_)
MEMBERS[0, [1, 2]] = MEMBERS[1, [4, 5]] = MEMBERS[2, 7] = True


@pytest.mark.parametrize(
    ("scores", "threshold", "label", "score"),
    [
        ({1: 0.6, 2: 0.5, 4: 0.1, 5: 0.55}, 0.35, "red car", 0.6),
        ({1: 0.1, 2: 0.5, 4: 0.3, 5: 0.5}, 0.35, "Blue car", 0.5),  # what they share does not decide
        ({7: 0.4, 2: 0.3, 5: 0.3}, 0.35, "dog", 0.4),
        ({7: 0.4, 1: 0.34, 2: 0.34, 4: 0.5, 5: 0.1}, 0.35, "dog", 0.4),
        ({3: 0.9, 0: 0.9, 9: 0.9, 7: 0.36}, 0.35, "dog", 0.36),  # separators name nothing
        ({3: 0.9, 7: 0.34}, 0.35, None, 0),
        ({7: 0.2}, 0.1, None, 0),  # below the text threshold
        ({7: 0.26}, 0.1, "dog", 0.26),
    ],
)
def test_a_box_gets_the_noun_that_was_asked(
    scores: dict[int, float], threshold: float, label: str | None, score: float
) -> None:
    table = np.zeros((1, 10), np.float32)
    table[0, list(scores)] = list(scores.values())
    box = np.array([[0.5, 0.5, 0.5, 0.5]], np.float32)
    found = grounded((640, 480), box, table, ["red car", "Blue car", "dog"], MEMBERS, threshold)
    assert found.labels == ((label,) if label else ())
    if label:
        assert found.confidence[0] == pytest.approx(score)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64)])
def test_a_rectangle_keeps_its_place(model: GroundingDino, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 2)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    given = model._pixels(images=image, return_tensors="pt")
    pixels = given["pixel_values"][0, 0].numpy()
    assert given["pixel_mask"].all(), "a padded input would shift the boxes"
    light = pixels > (pixels.min() + pixels.max()) / 2
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    x1, x2 = columns[0] / light.shape[1], (columns[-1] + 1) / light.shape[1]
    y1, y2 = rows[0] / light.shape[0], (rows[-1] + 1) / light.shape[0]
    planted = np.array([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]], np.float32)

    found = grounded(size, planted, np.array([[0.9]], np.float32), ["dog"], np.ones((1, 1), np.bool_), 0.35)
    step = max(size[0] / light.shape[1], size[1] / light.shape[0], 1.0)  # a pixel of the input
    assert found.boxes[0] == pytest.approx(box, abs=step)


def test_the_tool_over_it(checkpoint: Path, tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroundingDino, "threshold", 0.0)  # a random network is sure of nothing
    image, query = photo("coffee"), "dog, red car"
    with ModelPool(Registry(Settings(home=tmp_path, weights={GroundingDino.card.name: checkpoint}))) as pool:
        output = detect_objects(image, query, models=pool)
        assert pool.name(DETECTION_OPEN_VOCABULARY) == GroundingDino.card.name
    assert output.models == (GroundingDino.card.name,)
    assert isinstance(output.value, Regions)
    assert set(output.value.labels) | set(output.missing) == {"dog", "red car"}
    assert detect_objects.problems({"image": image, "query": query}, output) == []


def test_without_its_weights_nothing_changes(tmp_path: Path) -> None:
    with ModelPool(Registry(Settings(home=tmp_path))) as pool:
        assert not pool.has(DETECTION_OPEN_VOCABULARY)
        assert pool.name(DETECTION_CLOSED) == "nanodet-g-416"
        assert pool.remedy(DETECTION_OPEN_VOCABULARY) == f"visiongpt models pull {GroundingDino.card.name}"


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {GroundingDino.card.name}"):
        GroundingDino.load(tmp_path, Placement())
