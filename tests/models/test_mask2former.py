"""Mask2Former on a tiny random checkpoint of the real format, and its masks against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import SEGMENTATION_SEMANTIC
from visiongpt_agent.models.mask2former import Mask2Former
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.upernet import UperNet
from visiongpt_agent.settings import Settings

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("wall", "sky", "road, route", "water", "sea")


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    stages: dict[str, Any] = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    backbone = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        **stages,
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
    )
    torch.manual_seed(0)
    transformers.Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("mask2former"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Mask2Former:
    return Mask2Former.load(checkpoint, Placement())


class Bright:
    """In the network's place: one query has a mask of the bright pixels and is of one class, the other of the rest."""

    def __init__(self, bright: int, dark: int) -> None:
        self._classes = bright, dark

    def __call__(self, pixel_values: Any) -> Any:
        import torch

        light = 20 * pixel_values.mean(dim=1)
        classes = torch.full((1, 2, len(CLASSES) + 1), -50.0)
        for query, number in enumerate(self._classes):
            classes[:, query, number] = 50.0
        return SimpleNamespace(class_queries_logits=classes, masks_queries_logits=torch.stack([light, -light], dim=1))


def test_a_checkpoint_is_read_and_answers_for_every_pixel(
    model: Mask2Former, photo: Callable[[str], Image.Image]
) -> None:
    image = photo("coffee")
    found = model.segment(image, ["wall", "road", "water"], threshold=0.0)
    assert found.labels == ("wall", "road", "water")
    assert found.masks is not None
    assert found.masks.dtype == np.bool_
    assert found.masks.shape == (3, image.height, image.width)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    again = model.segment(image, ["wall", "road", "water"], threshold=0.0)
    assert again.confidence.tolist() == found.confidence.tolist()


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (64, 64), (1000, 750), (3000, 40)])
def test_a_rectangle_keeps_its_place(
    model: Mask2Former, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1])
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    monkeypatch.setattr(model, "_network", Bright(CLASSES.index("sea"), CLASSES.index("wall")))
    found = model.segment(image, ["sky", "water", "wall"], threshold=0.5)
    assert found.labels == ("water", "wall"), "water is the classes water and sea"
    assert np.abs(found.boxes[0] - box).max() <= 2
    assert found.masks is not None
    assert (found.masks[0] ^ found.masks[1]).mean() > 0.98, "what is not the one is the other"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(checkpoint: Path, model: Mask2Former, photo: Callable[[str], Image.Image], dtype: str) -> None:
    half = Mask2Former.load(checkpoint, Placement(dtype=dtype))
    exact, rough = (np.stack(list(one._scores(photo("rocket"), ["sky", "road"]))) for one in (model, half))
    assert rough.dtype == np.float32
    assert np.abs(rough - exact).mean() < 0.02


def test_the_one_with_a_free_licence_comes_first(tmp_path: Path) -> None:
    names = [one.card.name for one in Registry(Settings(home=tmp_path)).for_job(SEGMENTATION_SEMANTIC)]
    assert names.index(UperNet.card.name) < names.index(Mask2Former.card.name)
    chosen = Settings(home=tmp_path, models={SEGMENTATION_SEMANTIC: Mask2Former.card.name})
    assert Registry(chosen).for_job(SEGMENTATION_SEMANTIC)[0] is Mask2Former
    assert "commercially" in Mask2Former.card.notice


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({**json.loads((checkpoint / "config.json").read_text()), "model_type": "upernet"})
    )
    with pytest.raises(WeightsError, match=f"visiongpt models pull {Mask2Former.card.name}"):
        Mask2Former.load(tmp_path, Placement())
