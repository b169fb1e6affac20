"""NanoDet-g 416: a small anchor-free detector of the 80 COCO classes (RangiLyu/nanodet, Apache-2.0), on onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.language.vocabulary import COCO
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx
from visiongpt_agent.models.jobs import DETECTION_CLOSED
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.weights import Packaged

if TYPE_CHECKING:
    from PIL import Image

_FILE: Final = "nanodet_g_416.onnx"
_SIDE: Final = 416
_STRIDES: Final = (8, 16, 32)
_BINS: Final = 11
_MEAN: Final = np.array([103.53, 116.28, 123.675], np.float32)  # of B, G, R
_STD: Final = np.array([57.375, 57.12, 58.395], np.float32)
_FLOOR: Final = 0.1
_SAME_OBJECT: Final = 0.5
_SAME_BOX: Final = 0.8


class NanoDet(Model):
    """Looks at each picture four times and believes what the four looks agree on.

    The looks are: stretched to a square, fitted into a square with grey bars, and the mirror image of both. A box's
    score is its mean over the looks, 0 where a look does not have it. A single look at a close-up of a cat also sees a
    person (0.53); the four together give the cat 0.56 and the person 0.28. Four looks take about 0.1 s on a CPU.

    Of two boxes of different classes on the same place (IoU over 0.8) the surer one stays: no cat is also a dog.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="nanodet-g-416",
        title="NanoDet-g 416",
        jobs=(DETECTION_CLOSED,),
        licence="Apache-2.0",
        homepage="https://github.com/RangiLyu/nanodet",
        memory=90_000_000,
        rank=50,
        source=Packaged({_FILE: "305084cb287044a8819222aed75411026eb2706e071585381bd41c3956060a62"}),
    )
    classes: tuple[str, ...] = COCO
    threshold: float = 0.36

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load the ONNX file; it runs on the CPU, wherever ``placement`` says."""
        return cls(read_onnx(cls.card, folder, _FILE))

    def detect(self, image: Image.Image, *, threshold: float) -> Regions:
        """All objects with a score of at least ``threshold`` (0 to 1), surest first, labelled with ``classes``."""
        looks = [self._look(image, fit, mirror) for fit in (False, True) for mirror in (False, True)]
        found = _one_class_a_place(_agreed(looks))
        return found.select(found.confidence >= threshold)

    def _look(self, image: Image.Image, fit: bool, mirror: bool) -> Regions:
        boxes, scores = self._raw(image, fit, mirror)
        place, kind = np.nonzero(scores > _FLOOR)
        labels = [COCO[k] for k in kind]
        return Regions.clipped(image.size, boxes[place], labels, scores[place, kind]).nms(_SAME_OBJECT)

    def _raw(self, image: Image.Image, fit: bool, mirror: bool) -> tuple[FloatArray, FloatArray]:
        """Boxes ``(3549, 4)`` in pixels of the picture, and scores ``(3549, 80)``."""
        canvas, (left, top, across, down) = _canvas(image, fit, mirror)
        names = [output.name for output in self._session.get_outputs()]
        out = dict(zip(names, self._session.run(None, {"image": canvas}), strict=True))
        boxes = np.concatenate([_decode(out[f"boxes_stride{s}"][0], s) for s in _STRIDES])
        scores = np.concatenate([out[f"scores_stride{s}"][0] for s in _STRIDES])
        boxes = (boxes - np.array([left, top, left, top])) / np.array([across, down, across, down])
        if mirror:
            boxes[:, [0, 2]] = image.width - boxes[:, [2, 0]]
        return np.asarray(boxes, np.float32), np.asarray(scores, np.float32)


def _canvas(image: Image.Image, fit: bool, mirror: bool) -> tuple[FloatArray, tuple[float, float, float, float]]:
    """The network's input ``(1, 3, 416, 416)``, and ``left, top`` and the factors across and down that lead to it."""
    import cv2

    width, height = image.size
    factor = _SIDE / max(width, height)
    inner = (max(1, round(width * factor)), max(1, round(height * factor))) if fit else (_SIDE, _SIDE)
    pixels = np.asarray(image.convert("RGB"))[:, :: -1 if mirror else 1, ::-1]
    shrinks = width > inner[0] or height > inner[1]
    small = cv2.resize(
        np.ascontiguousarray(pixels), inner, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    left, top = (_SIDE - inner[0]) // 2, (_SIDE - inner[1]) // 2
    canvas = np.full((_SIDE, _SIDE, 3), 114, np.float32)
    canvas[top : top + inner[1], left : left + inner[0]] = small
    canvas = ((canvas - _MEAN) / _STD).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(canvas), (left, top, inner[0] / width, inner[1] / height)


def _decode(raw: FloatArray, stride: int) -> npt.NDArray[np.float32]:
    """Boxes ``(n, 4)`` on the canvas from ``(n, 44)`` logits: each side's distance is the mean of 11 binned ones."""
    logits = raw.reshape(-1, 4, _BINS)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    distance = (shares / shares.sum(axis=-1, keepdims=True)) @ np.arange(_BINS, dtype=np.float32) * stride
    rows, columns = np.mgrid[: _SIDE // stride, : _SIDE // stride]
    x, y = (columns.ravel() + 0.5) * stride, (rows.ravel() + 0.5) * stride
    edges = (x - distance[:, 0], y - distance[:, 1], x + distance[:, 2], y + distance[:, 3])
    return np.asarray(np.stack(edges, axis=1), np.float32)


def _agreed(looks: Sequence[Regions]) -> Regions:
    """What the looks agree on, surest first: mean box and mean score, one for each object that any look has."""
    everything = looks[0]
    for look in looks[1:]:
        everything = everything.merge(look)
    seeds = everything.nms(_SAME_OBJECT)
    boxes, scores = np.zeros((len(seeds), 4), np.float32), np.zeros(len(seeds), np.float32)
    for look in looks:
        same_label = np.array(seeds.labels)[:, None] == np.array(look.labels)[None, :]
        match = np.where(same_label & (seeds.iou(look) > _SAME_OBJECT), look.confidence[None, :], 0)
        if len(look):
            best = match.argmax(axis=1)
            weight = match[np.arange(len(seeds)), best]
            boxes += look.boxes[best] * weight[:, None]
            scores += weight
    mean = boxes / np.maximum(scores, 1e-6)[:, None]
    fused = Regions.clipped(seeds.size, mean, seeds.labels, scores / len(looks)).nms(_SAME_OBJECT)
    return fused.select(np.argsort(-fused.confidence, kind="stable"))


def _one_class_a_place(found: Regions) -> Regions:
    overlap, chosen = found.iou(found), list[int]()
    for i in range(len(found)):
        if all(overlap[i, j] <= _SAME_BOX for j in chosen):
            chosen.append(i)
    return found.select(chosen)
