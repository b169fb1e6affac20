"""BlazeFace: the two face detectors of MediaPipe, full range and short range.

Bazarevsky et al., *BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs* (2019), arXiv 1907.05047. The
networks are those of the package ``mediapipe`` 0.10.14, converted to ONNX; on photos their outputs differ from LiteRT's
by less than 4 millionths of the largest. Sizes, anchors and decoding are those of ``face_detection_*.pbtxt`` there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx
from visiongpt_agent.models.jobs import DETECTION_FACES
from visiongpt_agent.pictures.tiles import Pixels, Window, cut, windows
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.weights import Packaged

if TYPE_CHECKING:
    from PIL import Image

_FULL, _SHORT = "blazeface_full_range.onnx", "blazeface_short_range.onnx"
_PROPOSED: Final = 0.5
_FAINTEST: Final = 0.05
_SAME_FACE: Final = 0.3
_INSIDE: Final = 0.6
_THRESHOLD: Final = 0.55
_HOPELESS: Final = 0.3
_SMALLEST_WINDOW: Final = 480
"""Side in pixels of the smallest window: the full-range network sees faces from about a twentieth of it."""
_LEVELS: Final = 3
_MARGINS: Final = (2.0, 3.0)
_GROWN: Final = (-0.05, -0.14, 0.05, 0.07)
"""What is added to a box's edges, as shares of its sides: the networks' boxes end at the brow and before the ears."""


@dataclass(frozen=True)
class _Network:
    """One of the two networks: a square input, and boxes relative to anchors in the middle of its grids' cells."""

    session: Any
    side: int
    anchors: FloatArray

    def look(self, rgb: Pixels, window: Window, least: float) -> tuple[FloatArray, FloatArray]:
        """The faces in a window, surest first: boxes ``xyxy`` ``(N, 4)`` in the picture's pixels, scores ``(N,)``."""
        given = cut(rgb, window, self.side).astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        raw, logits = self.session.run(["boxes", "scores"], {"image": np.ascontiguousarray(given, np.float32)})
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        order = np.flatnonzero(scores >= least)
        order = order[np.argsort(-scores[order], kind="stable")]
        middle, sides = raw[0, order, :2] / self.side + self.anchors[order], raw[0, order, 2:4] / self.side
        boxes = np.concatenate([middle - sides / 2, middle + sides / 2], axis=1)
        boxes, scores = _blended(boxes, scores[order])
        return boxes * window.side + np.array([window.left, window.top] * 2, np.float32), scores

    def look_at(self, rgb: Pixels, place: FloatArray, margin: float) -> tuple[float, FloatArray]:
        """The score and the box of the face at a place, a box ``xyxy`` that is shown with a margin; 0 for no face."""
        x1, y1, x2, y2 = (float(edge) for edge in place)
        boxes, scores = self.look(rgb, Window.around((x1, y1, x2, y2), margin), _FAINTEST)
        there = np.flatnonzero(_overlap(place, boxes) > _SAME_FACE)
        return (float(scores[there[0]]), boxes[there[0]]) if len(there) else (0.0, place)


class BlazeFace(Model):
    """Faces from the front, in profile, tilted and partly covered, from about 24 pixels in a picture of 480 on.

    Both networks propose places: the full-range one in the whole picture and in windows down to 480 pixels, the
    short-range one, which sees large faces, in windows as high as the picture and half as high. Each place is then
    looked at by itself, by both networks, at two distances, upright and mirrored; a face's score is the mean of these
    eight looks. On 61 photos faces scored 0.64 to 0.91 so, and all else less than 0.49, so that 0.55 tells them apart.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="blazeface",
        title="MediaPipe BlazeFace, full and short range",
        jobs=(DETECTION_FACES,),
        licence="Apache-2.0",
        homepage="https://github.com/google-ai-edge/mediapipe",
        memory=40_000_000,
        rank=20,
        source=Packaged(
            {
                _FULL: "f5833baff87894186095dcb6743192d046170a4fa57ba28dd1a45a27684c61f1",
                _SHORT: "592b5fc87c526a81b489f361ce9c3de4f7b6be0bef23845ba745457bb33f7d6e",
            }
        ),
    )

    def __init__(self, full: Any, short: Any) -> None:
        self._full = _Network(full, 192, _anchors(192, (4, 1)))
        self._short = _Network(short, 128, _anchors(128, (8, 2), (16, 6)))

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load both networks; they run on the CPU, wherever ``placement`` says."""
        return cls(*(read_onnx(cls.card, folder, name, small=True) for name in (_FULL, _SHORT)))

    def detect(self, image: Image.Image) -> Regions:
        """The faces, surest first, each labelled ``face``, with a score of at least 0.55."""
        rgb = np.ascontiguousarray(np.asarray(image.convert("RGB")))
        mirrored = np.ascontiguousarray(rgb[:, ::-1])
        judged = [self._judge(rgb, mirrored, box) for box in self._proposals(rgb)]
        judged = sorted((one for one in judged if one[0] >= _THRESHOLD), key=lambda one: -one[0])
        boxes, scores = np.array([box for _, box in judged]).reshape(-1, 4), [score for score, _ in judged]
        return _each_once(Regions.clipped(image.size, _grown(boxes), ["face"] * len(judged), scores))

    def _proposals(self, rgb: Pixels) -> FloatArray:
        """Places that may be faces, boxes ``xyxy`` ``(N, 4)``, those that overlap taken together."""
        height, width = rgb.shape[:2]
        found = [self._full.look(rgb, window, _PROPOSED) for window in _full_windows((width, height))]
        found += [self._short.look(rgb, window, _PROPOSED) for window in _short_windows((width, height))]
        boxes, scores = np.concatenate([boxes for boxes, _ in found]), np.concatenate([scores for _, scores in found])
        kept = list[int]()
        for i in np.argsort(-scores, kind="stable"):
            if not kept or _overlap(boxes[i], boxes[kept]).max() <= _SAME_FACE:
                kept.append(int(i))
        return boxes[kept]

    def _judge(self, rgb: Pixels, mirrored: Pixels, box: FloatArray) -> tuple[float, FloatArray]:
        """Mean score of a place over the looks at it, and the mean of the boxes that they see there.

        Where the first looks see little, the mean is that of these alone.
        """
        width, scores, boxes = rgb.shape[1], list[float](), list[FloatArray]()
        for margin in _MARGINS:
            for network in (self._short, self._full):
                score, there = network.look_at(rgb, box, margin)
                in_mirror, mirror_box = network.look_at(mirrored, _mirrored(box, width), margin)
                scores += [score, in_mirror]
                boxes += [there, _mirrored(mirror_box, width)]
                if np.mean(scores) < _HOPELESS:
                    return float(np.mean(scores)), box
        return float(np.mean(scores)), np.average(boxes, axis=0, weights=scores)


def _full_windows(size: tuple[int, int]) -> Iterator[Window]:
    """The whole picture, and windows of sides that are halved from level to level, from the shorter side at most."""
    longer, shorter = float(max(size)), float(min(size))
    first = min(longer / 2, shorter)
    sides = sorted({max(first / 2**level, _SMALLEST_WINDOW) for level in range(_LEVELS)}, reverse=True)
    yield from windows(size, longer, 0)
    for side in sides:
        if side < longer:
            yield from windows(size, side, 0.3)


def _short_windows(size: tuple[int, int]) -> Iterator[Window]:
    """Windows as high as the picture (as wide, of an upright one) and half as high."""
    shorter = float(min(size))
    yield from windows(size, shorter, 0.5)
    yield from windows(size, max(shorter / 2, 1.0), 0.5)


def _anchors(side: int, *grids: tuple[int, int]) -> FloatArray:
    """The middles of the cells of grids, ``(N, 2)`` as shares of the input's side; a grid is (stride, boxes a cell)."""
    layers = list[FloatArray]()
    for stride, number in grids:
        cells = side // stride
        rows, columns = np.mgrid[:cells, :cells]
        middles = (np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) / cells
        layers.append(np.repeat(middles, number, axis=0).astype(np.float32))
    return np.concatenate(layers)


def _mirrored(box: FloatArray, width: int) -> FloatArray:
    return np.array([width - box[2], box[1], width - box[0], box[3]], np.float32)


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """IoU of a box ``(4,)`` with others ``(N, 4)``."""
    shared = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None).prod(axis=1)
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum(area + areas - shared, 1e-9), np.float32)


def _blended(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Boxes that overlap as one, their mean weighted by score, with the best score; boxes come surest first."""
    left, merged, best = np.ones(len(boxes), np.bool_), list[FloatArray](), list[float]()
    for i in range(len(boxes)):
        if left[i]:
            group = left & (_overlap(boxes[i], boxes) > _SAME_FACE)
            group[i] = True
            merged.append(np.average(boxes[group], axis=0, weights=scores[group]))
            best.append(float(scores[i]))
            left &= ~group
    return np.array(merged, np.float32).reshape(-1, 4), np.array(best, np.float32)


def _grown(boxes: FloatArray) -> FloatArray:
    """The boxes with forehead and ears."""
    sides = np.concatenate([boxes[:, 2:] - boxes[:, :2]] * 2, axis=1)
    return np.asarray(boxes + sides * np.array(_GROWN, np.float32), np.float32)


def _each_once(faces: Regions) -> Regions:
    """Of faces that lie mostly in each other the surest; they come surest first."""
    kept = list[int]()
    for i, box in enumerate(faces.boxes):
        if all(_shared(box, faces.boxes[j]) <= _INSIDE for j in kept):
            kept.append(i)
    return faces.select(kept)


def _shared(one: FloatArray, other: FloatArray) -> float:
    """The share of the smaller box that lies in the other."""
    overlap = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None).prod()
    return float(overlap / min((one[2:] - one[:2]).prod(), (other[2:] - other[:2]).prod()))
