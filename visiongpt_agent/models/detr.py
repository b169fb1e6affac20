"""DETR and RT-DETR: detectors of the 80 COCO classes that predict a set of boxes without anchors.

Carion et al., *End-to-End Object Detection with Transformers* (ECCV 2020), https://github.com/facebookresearch/detr;
Zhao et al., *DETRs Beat YOLOs on Real-time Object Detection* (CVPR 2024), https://github.com/lyuwenyu/RT-DETR; both in
the format of ``transformers``. RT-DETR's repository is taken at ``main``, DETR's at the branch ``no_timm``, whose
backbone needs no package beyond ``transformers``; both are pinned by the manifest at first pull.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.language.vocabulary import COCO
from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import DETECTION_CLOSED
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_HALVED: Final = ("model.backbone.model",)
_SAME_OBJECT: Final = 0.7
_LONGEST_STRIP: Final = 100
"""Long by short side: a picture more stretched than that shows nothing, and DETR would scale it to a row of pixels."""

_SPELT: Final[Mapping[str, str]] = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""COCO classes under the names of Pascal VOC, as some checkpoints have them."""


class _Detr(PlacedModel):
    """What both have in common: queries, each of which answers with a box and a score for each class."""

    _head: ClassVar[str]
    _processor: ClassVar[str]
    classes: tuple[str, ...] = COCO
    threshold: float

    def __init__(self, network: Any, pixels: Any, placement: Placement) -> None:
        self._network, self._pixels, self.placement = network, pixels, placement
        names = network.config.id2label
        self._names = [_coco(names[number]) for number in range(len(names))]

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels = read_checkpoint(cls.card, folder, placement, cls._head, cls._processor, halved=_HALVED)
        return cls(network, pixels, placement)

    def detect(self, image: Image.Image, *, threshold: float) -> Regions:
        """All objects with a score of at least ``threshold`` (0 to 1), surest first, labelled with ``classes``."""
        import torch

        if max(image.size) > _LONGEST_STRIP * min(image.size):
            return Regions(image.size)
        seen = self._pixels(images=image.convert("RGB"), return_tensors="pt").to(self.placement.device)
        with torch.inference_mode():
            out = self._network(**seen)
        scores = self._scores(out.logits[0].float()).cpu().numpy()
        boxes = out.pred_boxes[0].float().cpu().numpy()
        return classified(image.size, boxes, scores, self._names, threshold)

    @staticmethod
    @abstractmethod
    def _scores(logits: Any) -> Any:
        """Scores from 0 to 1 of each query for each class, from its logits, both ``(queries, ...)``."""


class RtDetr(_Detr):
    """RT-DETR on ResNet-50. The whole picture is squeezed into a square of 640 pixels."""

    card: ClassVar[ModelCard] = ModelCard(
        name="rt-detr-r50",
        title="RT-DETR R50",
        jobs=(DETECTION_CLOSED,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/PekingU/rtdetr_r50vd",
        memory=500_000_000,  # 43 million parameters in float32; with activations, measured on random weights
        rank=10,
        source=Hub("PekingU/rtdetr_r50vd", "main", networks=("",), size=172_000_000, listed="2026-11-30"),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )
    threshold: float = 0.5
    _head = "RTDetrForObjectDetection"
    _processor = "RTDetrImageProcessorPil"

    @staticmethod
    def _scores(logits: Any) -> Any:
        return logits.sigmoid()


class Detr(_Detr):
    """DETR on ResNet-50. The picture is scaled to 800 pixels on its shorter side, 1333 at most on the longer."""

    card: ClassVar[ModelCard] = ModelCard(
        name="detr-resnet-50",
        title="DETR ResNet-50",
        jobs=(DETECTION_CLOSED,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/facebook/detr-resnet-50",
        memory=650_000_000,  # 42 million parameters in float32; with activations, measured on random weights
        rank=20,
        source=Hub("facebook/detr-resnet-50", "no_timm", networks=("",), size=167_000_000, listed="2026-11-30"),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )
    threshold: float = 0.7
    _head = "DetrForObjectDetection"
    _processor = "DetrImageProcessorPil"

    @staticmethod
    def _scores(logits: Any) -> Any:
        return logits.softmax(dim=-1)[:, :-1]  # the last is that of no object


def classified(
    size: tuple[int, int], boxes: FloatArray, scores: FloatArray, names: Sequence[str], threshold: float
) -> Regions:
    """Regions from the network's answer, each box labelled with its best class, surest first.

    Args:
        size: ``(width, height)`` of the picture.
        boxes: ``(queries, 4)``: centre x and y, width, height, as shares of the picture.
        scores: Of each box for each class, 0 to 1, ``(queries, classes)``.
        names: Of the classes, ``""`` for those that stand for nothing.
        threshold: Least score of a box.
    """
    best, score = scores.argmax(axis=1), scores.max(axis=1)
    queries = np.flatnonzero((score >= threshold) & np.array([bool(names[number]) for number in best]))
    middle, half = boxes[queries, :2], boxes[queries, 2:] / 2
    corners = np.concatenate([middle - half, middle + half], axis=1) * np.array([*size, *size], np.float32)
    return Regions.clipped(size, corners, [names[number] for number in best[queries]], score[queries]).nms(_SAME_OBJECT)


def _coco(name: str) -> str:
    """The COCO class of a checkpoint's label; ``""`` for one that is none, as the gaps in COCO's numbers."""
    spelling = _SPELT.get(name, name)
    return spelling if spelling in COCO else ""
