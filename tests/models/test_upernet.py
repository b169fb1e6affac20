"""UPerNet on a tiny random checkpoint of the real format, and its words and masks against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.clipseg import ClipSeg
from visiongpt_agent.models.jobs import SEGMENTATION_SEMANTIC
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.upernet import UperNet
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
CLASSES = ("wall", "building", "sky", "floor, flooring", "road ", "grass", "water", "sea", "earth")
SIDE = 64


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    stages: dict[str, Any] = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    config = transformers.UperNetConfig(
        backbone_config=transformers.ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], **stages),
        hidden_size=8,
        auxiliary_in_channels=16,
        auxiliary_channels=8,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
    )
    torch.manual_seed(0)
    transformers.UperNetForSemanticSegmentation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "SegformerImageProcessor",
                "do_resize": True,
                "do_rescale": True,
                "do_normalize": True,
                "do_reduce_labels": True,
                "size": {"height": SIDE, "width": SIDE},
                "resample": 2,
                "rescale_factor": 1 / 255,
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("upernet"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> UperNet:
    return UperNet.load(checkpoint, Placement())


class Bright:
    """In the network's place: bright pixels of its input are of one class, dark ones of another."""

    def __init__(self, bright: int, dark: int) -> None:
        self._bright, self._dark = bright, dark

    def __call__(self, pixel_values: Any) -> Any:
        import torch

        light = 20 * pixel_values.mean(dim=1)
        logits = torch.full((1, len(CLASSES), *light.shape[1:]), -50.0)
        logits[:, self._bright], logits[:, self._dark] = light, -light
        return SimpleNamespace(logits=logits)


def test_every_pixel_is_of_some_class(model: UperNet, photo: Photo) -> None:
    image = photo("coffee")
    names = ["wall", "building", "sky", "floor", "road", "grass", "sea", "earth"]
    scores = np.stack(list(model._scores(image, names)))
    assert scores.dtype == np.float32
    assert scores.shape == (8, SIDE, SIDE)
    only_water = next(model._scores(image, ["water"])) - next(model._scores(image, ["sea"]))
    assert scores.sum(axis=0) + only_water == pytest.approx(np.ones((SIDE, SIDE)), abs=1e-4)

    found = model.segment(image, names, threshold=0.0)
    assert found.labels == tuple(names)
    assert found.masks is not None
    assert found.masks.dtype == np.bool_
    assert found.masks.shape == (8, image.height, image.width)
    assert model.segment(image, names, threshold=0.0).confidence.tolist() == found.confidence.tolist()
    likely = model.segment(image, names, threshold=0.51)
    assert likely.masks is not None
    assert likely.masks.sum(axis=0).max(initial=0) <= 1, "no pixel is more likely than not of two classes"


@pytest.mark.parametrize(
    ("word", "classes"),
    [
        ("sky", ["sky"]),
        ("Sky", ["sky"]),
        ("flooring", ["floor, flooring"]),
        ("road", ["road "]),
        ("street", ["road "]),
        ("ground", ["earth"]),
        ("water", ["water", "sea"]),
        ("lawn", ["grass"]),
        ("blue sky", []),
        ("snow", []),
        ("beach", []),  # this checkpoint knows no sand
        ("", []),
    ],
)
def test_what_a_word_means(model: UperNet, word: str, classes: list[str]) -> None:
    assert [CLASSES[number] for number in model._members(word)] == classes
    assert model.knows(word) is bool(classes)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place(model: UperNet, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1])
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    monkeypatch.setattr(model, "_network", Bright(CLASSES.index("sea"), CLASSES.index("wall")))
    found = model.segment(image, ["grass", "water", "wall"], threshold=0.5)
    assert found.labels == ("water", "wall")
    across, down = max(1.0, size[0] / SIDE), max(1.0, size[1] / SIDE)  # a pixel of the input: more cannot be known
    assert np.abs(found.boxes[0] - box)[[0, 2]].max() <= across
    assert np.abs(found.boxes[0] - box)[[1, 3]].max() <= down
    assert found.masks is not None
    assert (found.masks[0] ^ found.masks[1]).mean() > 0.99, "what is not the one is the other"
    assert found.boxes[1].tolist() == [0, 0, *size]


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: UperNet, image: Image.Image) -> None:
    found = model.segment(image, ["sky", "water"], threshold=0.0)
    assert found.masks is not None
    assert found.masks.shape == (2, image.height, image.width)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(checkpoint: Path, model: UperNet, photo: Photo, dtype: str) -> None:
    half = UperNet.load(checkpoint, Placement(dtype=dtype))
    exact = np.stack(list(model._scores(photo("rocket"), ["sky", "grass"])))
    rough = np.stack(list(half._scores(photo("rocket"), ["sky", "grass"])))
    assert rough.dtype == np.float32
    assert np.abs(rough - exact).mean() < 0.02


def test_it_comes_after_the_one_for_any_words(checkpoint: Path, tmp_path: Path) -> None:
    names = [one.card.name for one in Registry(Settings(home=tmp_path)).for_job(SEGMENTATION_SEMANTIC)]
    assert names.index(ClipSeg.card.name) < names.index(UperNet.card.name)
    with ModelPool(Registry(Settings(home=tmp_path, weights={UperNet.card.name: checkpoint}))) as pool:
        assert pool.name(SEGMENTATION_SEMANTIC) == UperNet.card.name


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "segformer"}))
    with pytest.raises(WeightsError, match=f"visiongpt models pull {UperNet.card.name}"):
        UperNet.load(tmp_path, Placement())


def test_the_older_form_of_the_preprocessors_file_is_read(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    """The library's own choice of a class stumbles over the names of before its image processors."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    told = json.loads((checkpoint / "preprocessor_config.json").read_text())
    del told["image_processor_type"]
    older = {**told, "feature_extractor_type": "SegformerFeatureExtractor", "size": SIDE}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(older))
    old, new = UperNet.load(tmp_path, Placement()), UperNet.load(checkpoint, Placement())
    images = photo("rocket").resize((120, 80))
    seen, again = (model._pixels(images=images, return_tensors="pt")["pixel_values"] for model in (old, new))
    assert seen.shape == (1, 3, SIDE, SIDE)
    assert np.array_equal(seen.numpy(), again.numpy())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {UperNet.card.name}"):
        UperNet.load(tmp_path, Placement())
