"""YOLO-World of Ultralytics on a tiny random checkpoint of the real format, with a tiny CLIP for its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models.originals.needed import needed
from tests.models.originals.tiny_yolo import SIDE, tiny_checkpoint, tiny_clip, tiny_world
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.yolo_world import YoloWorld
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

needed("yolo", "torchvision", "ultralytics")

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
NOUNS = ["dog", "red car", "a very long description of a lemon"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("yolo-world"))


@pytest.fixture(scope="module")
def model(folder: Path) -> YoloWorld:
    return YoloWorld.load(folder, Placement())


def alike(one: Regions, other: Regions) -> bool:
    return one.labels == other.labels and np.array_equal(one.boxes, other.boxes)


def test_detections(model: YoloWorld, photo: Photo) -> None:
    image = photo("coffee")
    found = model.detect(image, NOUNS, threshold=0.0)
    assert found.size == image.size
    assert len(found) > 0
    assert set(found.labels) <= set(NOUNS)
    assert found.confidence.tolist() == sorted(found.confidence, reverse=True)
    assert alike(found, model.detect(image, NOUNS + NOUNS, threshold=0.0)), "a noun said twice is asked once"
    assert len(model.detect(image, NOUNS, threshold=1.0)) == 0


def test_scores_belong_to_their_nouns(model: YoloWorld, photo: Photo) -> None:
    image = photo("chelsea")
    answer = model._network.look(image, model._embed(NOUNS))
    turned = model._network.look(image, model._embed(NOUNS[::-1]))
    assert answer.scores.shape[1] == 3
    assert np.ptp(answer.scores, axis=1).max() > 1e-3, "all nouns score the same"
    assert answer.scores[:, ::-1] == pytest.approx(turned.scores, abs=1e-4)
    assert model._network.look(image, model._embed(["dog"])).scores.shape[1] == 1


def test_words_are_those_of_clip_alone_and_together(folder: Path, model: YoloWorld) -> None:
    import torch
    import transformers

    place = folder / "clip-vit-base-patch32"
    clip: Any = transformers.CLIPModel.from_pretrained(place)  # which is ready to infer
    tokenizer = transformers.CLIPTokenizer.from_pretrained(place)
    together = model._embed(NOUNS)
    assert together.shape == (1, 3, 512)
    for embedded, noun in zip(together[0], NOUNS, strict=True):
        pixels = torch.zeros(1, 3, 32, 32)
        with torch.inference_mode():
            alone = clip(pixel_values=pixels, **tokenizer([noun], return_tensors="pt")).text_embeds[0]
        assert torch.allclose(embedded, alone, atol=1e-5)  # of unit length there


def test_the_network_is_the_one_of_the_package(folder: Path, model: YoloWorld, photo: Photo) -> None:
    """Against the package's own reading of the file, given the same words; it is shown the picture by the package."""
    import torch
    from ultralytics import YOLOWorld

    image, words = photo("rocket"), model._embed(NOUNS)
    package = YOLOWorld(folder / "yolov8s-worldv2.pt")
    package.model.txt_feats = words.clone()
    package.model.model[-1].nc = 3
    package.model.names = dict(enumerate(NOUNS))
    bgr = np.ascontiguousarray(np.asarray(image)[..., ::-1])
    with torch.inference_mode():
        (told,) = package.predict(bgr, conf=0.0001, iou=0.7, imgsz=SIDE, verbose=False, device="cpu")
    boxes, scores, numbers = (part.numpy() for part in (told.boxes.xyxy, told.boxes.conf, told.boxes.cls))
    seen = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    found = model.detect(image, NOUNS, threshold=0.0)
    assert found.confidence[:10] == pytest.approx(scores[seen][:10], abs=1e-4)
    assert found.boxes[:10] == pytest.approx(boxes[seen][:10], abs=0.5)
    assert found.labels[:10] == tuple(NOUNS[int(number)] for number in numbers[seen][:10])


def test_planted_boxes_get_their_nouns(model: YoloWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def see(pixels: Any, txt_feats: Any) -> tuple[Any, None]:
        assert pixels.shape == (1, 3, 96, SIDE)  # 320x192 at half the size
        assert txt_feats.shape == (1, 3, 512)
        out = torch.zeros(1, 7, 3)
        out[0, :4, 0] = torch.tensor([40.0, 48.0, 20.0, 30.0])  # centre and size
        out[0, :4, 1] = torch.tensor([120.0, 48.0, 20.0, 30.0])
        out[0, 4:, 0] = torch.tensor([0.1, 0.8, 0.3])
        out[0, 4:, 1] = torch.tensor([0.4, 0.2, 0.3])
        return out, None

    monkeypatch.setattr(model._network.network, "forward", see)
    found = model.detect(Image.new("RGB", (320, 192)), NOUNS, threshold=0.25)
    assert found.labels == ("red car", "dog")
    assert found.boxes.tolist() == [[60, 66, 100, 126], [220, 66, 260, 126]]
    assert found.confidence == pytest.approx([0.8, 0.4])


@pytest.mark.parametrize("nouns", [["..."], ["red " * 400], [f"thing {i}" for i in range(120)]])
def test_odd_nouns_do_not_break_it(model: YoloWorld, photo: Photo, nouns: list[str]) -> None:
    assert set(model.detect(photo("chelsea"), nouns, threshold=0.0).labels) <= set(nouns)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: YoloWorld, image: Image.Image) -> None:
    assert model.detect(image, ["dog"], threshold=0.0).size == image.size


def test_threads_ask_for_different_words(model: YoloWorld, photo: Photo) -> None:
    from concurrent.futures import ThreadPoolExecutor

    image = photo("coffee").resize((160, 120))
    asked = [NOUNS[:1], NOUNS[:2], NOUNS] * 3
    alone = [model.detect(image, nouns, threshold=0.0) for nouns in asked]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda nouns: model.detect(image, nouns, threshold=0.0), asked))
    assert all(alike(one, other) for one, other in zip(alone, together, strict=True))


def test_the_tool_over_it_asks_no_network(
    folder: Path, tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was asked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(YoloWorld, "threshold", 0.01)  # a random network is sure of nothing
    image, query = photo("coffee"), "dog, red car"
    with ModelPool(Registry(Settings(home=tmp_path, weights={"yolov8s-worldv2": folder}))) as pool:
        assert pool.name(DETECTION_OPEN_VOCABULARY) == "yolov8s-worldv2"
        output = detect_objects(image, query, models=pool)
    assert output.models == ("yolov8s-worldv2",)
    assert isinstance(output.value, Regions)
    assert set(output.value.labels) | set(output.missing) == {"dog", "red car"}


def test_what_is_no_such_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    told = "models pull yolov8s-worldv2"
    tiny_checkpoint(tmp_path / "yolov8s-worldv2.pt", "yolov8n.yaml")
    with pytest.raises(WeightsError, match=f"it ends in Detect.*{told}"):
        YoloWorld.load(tmp_path, Placement())
    shutil.copy(folder / "yolov8s-worldv2.pt", tmp_path)
    with pytest.raises(WeightsError, match=told):
        YoloWorld.load(tmp_path, Placement())
    tiny_clip(tmp_path / "clip-vit-base-patch32", 8)
    with pytest.raises(WeightsError, match=f"gives 8 numbers for a word, and it wants 512.*{told}"):
        YoloWorld.load(tmp_path, Placement())
