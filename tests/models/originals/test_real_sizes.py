"""The networks as the packages really build them, against what is known of the published files: bytes and tensors.

The weights are random; a network that differed from that of a file by one layer would not fill it as exactly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models.originals.needed import needed
from tests.models.originals.tiny_yolo import plan_of
from visiongpt_agent.models import grounding_dino_original, segment_anything
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.grounding_dino_original import GroundingDinoSwinB, GroundingDinoSwinT
from visiongpt_agent.models.segment_anything import SegmentAnything, SegmentAnythingHuge, SegmentAnythingLarge
from visiongpt_agent.models.yolo import Yolo, Yolo11Nano, Yolo26Medium, Yolo26Nano, YoloV8Nano, YoloV8Small
from visiongpt_agent.models.yolo_pose import YoloPose, YoloV8Pose
from visiongpt_agent.models.yolo_world import YoloWorld

needed("paper,yolo", "torchvision", "segment_anything", "groundingdino", "ultralytics")
pytestmark = pytest.mark.slow

A_TENSOR = 700
"""Bytes at most that a file spends on naming and aligning a tensor."""
A_LAYER = 1000
"""The same where the layers are pickled with it."""


def bytes_of(weights: dict[str, Any]) -> int:
    """Bytes of tensors, those that are stored once for several names counted once."""
    return sum({weight.data_ptr(): weight.nbytes for weight in weights.values()}.values())


@pytest.mark.parametrize(
    ("kind", "size"),
    [(SegmentAnything, 375_042_383), (SegmentAnythingLarge, 1_249_524_607), (SegmentAnythingHuge, 2_564_550_879)],
)
def test_segment_anything_fills_its_file(kind: type[SegmentAnything], size: int) -> None:
    import torch
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        weights = sam_model_registry[kind._kind]().state_dict()
    rest = size - sum(weight.nbytes for weight in weights.values())
    assert 0 < rest < A_TENSOR * len(weights)
    assert kind.card.source is not None
    assert kind.card.memory > size


@pytest.mark.parametrize(
    ("kind", "size", "tensors"), [(GroundingDinoSwinT, 693_997_677, 940), (GroundingDinoSwinB, 938_057_991, 1108)]
)
def test_grounding_dino_fills_its_file(kind: type[GroundingDinoSwinT], size: int, tensors: int) -> None:
    from transformers import BertConfig, BertModel

    class Words:
        def convert_tokens_to_ids(self, tokens: list[str]) -> list[int]:
            return list(range(len(tokens)))

    bert: Any = BertModel(BertConfig())
    weights = grounding_dino_original._build(kind._configuration, Words(), bert).state_dict()
    assert len(weights) + len(grounding_dino_original._UNUSED) == tensors
    unused = 2001 * 256 * 4 + 512 * 8  # a label for each of 2000 classes and one more; the positions of BERT
    assert 0 < size - bytes_of(weights) - unused < A_TENSOR * tensors


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (YoloV8Nano, 6_549_796),
        (Yolo11Nano, 5_613_764),
        (Yolo, 40_684_120),
        (Yolo26Medium, 44_255_705),
        (YoloPose, 6_255_593),
        (YoloV8Pose, 6_832_633),
        (YoloWorld, 25_923_032),
    ],
)
def test_yolo_fills_its_file(kind: type[Yolo | YoloPose | YoloWorld], size: int) -> None:
    network = plan_of(f"{kind.card.name}.yaml")
    weights = network.half().state_dict()
    assert 0 < size - bytes_of(weights) < A_LAYER * len(weights)


@pytest.mark.parametrize("kind", [YoloV8Small, Yolo26Nano, Yolo26Medium])
def test_yolo_of_the_real_size_runs(kind: type[Yolo], tmp_path: Path) -> None:
    import torch

    network = plan_of(f"{kind.card.name}.yaml")
    torch.save({"model": network.half(), "ema": None, "train_args": {"imgsz": 640}}, tmp_path / f"{kind.card.name}.pt")
    model = kind.load(tmp_path, Placement())
    assert model._network.side == 640
    assert model.detect(Image.new("RGB", (640, 480)), threshold=0.0).size == (640, 480)


def test_segment_anything_of_the_real_size_runs(tmp_path: Path) -> None:
    import torch
    from segment_anything import sam_model_registry

    torch.save(sam_model_registry["vit_b"]().state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    model = segment_anything.SegmentAnything.load(tmp_path, Placement())
    masks = model.segment(Image.new("RGB", (120, 80)), np.array([[10, 10, 60, 60]], np.float32))
    assert masks.shape == (1, 80, 120)
