"""Regions: boxes, masks, labels and scores on one image; one type for every detector and segmenter."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from visiongpt_agent.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
_SLACK = 1e-3
"""Rounding errors of float32 that are let pass."""


@dataclass(frozen=True, eq=False)
class Regions:
    """N regions of one image.

    Attributes:
        size: ``(width, height)`` of the image in pixels.
        boxes: float32 ``(N, 4)``, ``x1, y1, x2, y2`` in pixels of the image, ``0 <= x1 < x2 <= width`` and likewise y.
        labels: N names; ``""`` where a region has none.
        scores: float32 ``(N,)`` from 0 to 1: how sure the model is.
        masks: bool ``(N, height, width)``, or None where only boxes are known. An empty mask says the same of one
            region among others that have masks.

    Raises:
        InputError: If shapes disagree, a number is not finite, a score is not from 0 to 1, or a box is empty or outside
            the image.

    Example:
        >>> dogs = Regions((640, 480), np.array([[10, 20, 110, 220]]), labels=("dog",), scores=np.array([0.9]))
        >>> len(dogs), dogs.labels
        (1, ('dog',))
    """

    size: tuple[int, int]
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    labels: tuple[str, ...] = ()
    scores: FloatArray | None = None
    masks: BoolArray | None = None

    def __post_init__(self) -> None:
        boxes = np.array(self.boxes, np.float32).reshape(-1, 4)  # copies: the caller's arrays may change later
        count = len(boxes)
        labels = tuple(self.labels) or ("",) * count
        scores = np.ones(count, np.float32) if self.scores is None else np.array(self.scores, np.float32)
        width, height = self.size
        if width < 1 or height < 1:
            raise InputError(f"an image of {width}x{height} pixels has no regions: give the image's real size")
        if len(labels) != count or scores.shape != (count,):
            raise InputError(f"{count} boxes need {count} labels and scores, not {len(labels)} and {scores.shape}")
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise InputError("boxes and scores must be finite numbers")
        if ((scores < -_SLACK) | (scores > 1 + _SLACK)).any():
            raise InputError(f"scores must be from 0 to 1, not {scores.min():g} to {scores.max():g}")
        _check_boxes(boxes, width, height)
        if self.masks is not None and (self.masks.dtype != np.bool_ or self.masks.shape != (count, height, width)):
            raise InputError(
                f"masks must be bool ({count}, {height}, {width}), not {self.masks.dtype} {self.masks.shape}"
            )
        for name, value in (("boxes", boxes), ("labels", labels), ("scores", scores)):
            object.__setattr__(self, name, value)

    @classmethod
    def clipped(
        cls, size: tuple[int, int], boxes: npt.ArrayLike, labels: Sequence[str], scores: npt.ArrayLike
    ) -> Regions:
        """Regions from a model's raw boxes: clipped to the image, those with nothing left inside dropped."""
        raw = np.asarray(boxes, np.float32).reshape(-1, 4)
        limit = np.array([*size, *size], np.float32)
        inside = np.clip(raw, 0, limit)
        keep = (inside[:, 2] - inside[:, 0] >= 1) & (inside[:, 3] - inside[:, 1] >= 1)
        return cls(
            size,
            inside[keep],
            tuple(label for label, stays in zip(labels, keep, strict=True) if stays),
            np.clip(np.asarray(scores, np.float32).reshape(-1)[keep], 0, 1),
        )

    @classmethod
    def from_masks(cls, masks: BoolArray, labels: Sequence[str] = (), scores: npt.ArrayLike | None = None) -> Regions:
        """Regions from masks ``(N, H, W)``, boxes drawn tight round them; empty masks are dropped."""
        masks = np.asarray(masks, np.bool_)
        if masks.ndim != 3:
            raise InputError(f"masks must be (N, height, width), not {masks.shape}")
        keep = [i for i in range(len(masks)) if masks[i].any()]
        names = tuple(labels) or ("",) * len(masks)
        all_scores = np.ones(len(masks), np.float32) if scores is None else np.asarray(scores, np.float32)
        if len(names) != len(masks) or all_scores.shape != (len(masks),):
            raise InputError(
                f"{len(masks)} masks need {len(masks)} labels and scores, not {len(names)} and {all_scores.shape}"
            )
        return cls(
            (masks.shape[2], masks.shape[1]),
            np.array([_tight_box(masks[i]) for i in keep], np.float32).reshape(-1, 4),
            tuple(names[i] for i in keep),
            all_scores[keep],
            masks[keep],
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def confidence(self) -> FloatArray:
        """The scores, float32 ``(N,)``."""
        assert self.scores is not None  # set in __post_init__
        return self.scores

    @property
    def outlined(self) -> BoolArray:
        """Which regions have a mask, bool ``(N,)``."""
        if self.masks is None:
            return np.zeros(len(self), np.bool_)
        return np.asarray(self.masks.any(axis=(1, 2)), np.bool_)

    @property
    def areas(self) -> FloatArray:
        """Area of each region in pixels: of its mask where there is one, else of its box."""
        boxed = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1)
        if self.masks is None:
            return np.asarray(boxed, np.float32)
        return np.asarray(np.where(self.outlined, self.masks.sum(axis=(1, 2)), boxed), np.float32)

    def mask(self, index: int) -> BoolArray | None:
        """The mask of one region, bool ``(height, width)``; None where only its box is known."""
        return self.masks[index] if self.masks is not None and self.masks[index].any() else None

    def select(self, index: npt.ArrayLike | Sequence[int]) -> Regions:
        """The regions that a boolean mask or a list of positions picks, in that order."""
        chosen = np.asarray(index)
        positions = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.intp).reshape(-1)
        return Regions(
            self.size,
            self.boxes[positions],
            tuple(self.labels[i] for i in positions),
            self.confidence[positions],
            None if self.masks is None else self.masks[positions],
        )

    def merge(self, other: Regions) -> Regions:
        """These regions and the other's; those that have masks keep them.

        Raises:
            InputError: If the two belong to images of different size.
        """
        if self.size != other.size:
            raise InputError(f"regions of a {self.size} image cannot join those of a {other.size} image")
        if not len(self) or not len(other):
            return self if len(self) else other
        masks = None
        if self.masks is not None or other.masks is not None:
            masks = np.concatenate([self._masks_or_empty(), other._masks_or_empty()])
        return Regions(
            self.size,
            np.concatenate([self.boxes, other.boxes]),
            self.labels + other.labels,
            np.concatenate([self.confidence, other.confidence]),
            masks,
        )

    def _masks_or_empty(self) -> BoolArray:
        if self.masks is not None:
            return self.masks
        return np.zeros((len(self), self.size[1], self.size[0]), np.bool_)

    def iou(self, other: Regions) -> FloatArray:
        """Intersection over union of the boxes, float32 ``(len(self), len(other))``."""
        top_left = np.maximum(self.boxes[:, None, :2], other.boxes[None, :, :2])
        bottom_right = np.minimum(self.boxes[:, None, 2:], other.boxes[None, :, 2:])
        overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
        areas = [(r.boxes[:, 2:] - r.boxes[:, :2]).prod(axis=1) for r in (self, other)]
        return np.asarray(overlap / (areas[0][:, None] + areas[1][None, :] - overlap), np.float32)

    def nms(self, threshold: float = 0.5) -> Regions:
        """Non-maximum suppression for each label: of two boxes with IoU over ``threshold`` the surer one stays."""
        order = np.argsort(-self.confidence, kind="stable")
        overlap, kept = self.iou(self), list[int]()
        for i in order:
            if all(self.labels[i] != self.labels[j] or overlap[i, j] <= threshold for j in kept):
                kept.append(int(i))
        return self.select(kept)

    def union_mask(self) -> BoolArray:
        """All regions as one mask, bool ``(height, width)``: of their masks, and of the boxes of those without one."""
        width, height = self.size
        union = np.zeros((height, width), np.bool_)
        if self.masks is not None:
            union |= self.masks.any(axis=0)
        for x1, y1, x2, y2 in self.boxes[~self.outlined]:
            union[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = True
        return union

    def to_bytes(self) -> bytes:
        """The regions as a compressed npz file; masks packed to bits."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {
            "size": np.array(self.size),
            "boxes": self.boxes,
            "labels": np.array(self.labels, dtype=np.str_),
            "scores": self.confidence,
        }
        if self.masks is not None:
            arrays["masks"] = np.packbits(self.masks, axis=None)
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Regions:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as saved:
            width, height = (int(v) for v in saved["size"])
            count = len(saved["boxes"])
            masks = None
            if "masks" in saved:
                bits = np.unpackbits(saved["masks"], count=count * height * width)
                masks = bits.reshape(count, height, width).astype(np.bool_)
            labels = tuple(str(label) for label in saved["labels"])
            return cls((width, height), saved["boxes"], labels, saved["scores"], masks)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One plain dict a region: ``label``, ``score`` (0 to 1) and ``box`` (``[x1, y1, x2, y2]`` in pixels)."""
        return [
            {"label": label, "score": round(float(score), 4), "box": [round(float(v), 1) for v in box]}
            for label, score, box in zip(self.labels, self.confidence, self.boxes, strict=True)
        ]

    def draw(self, image: Image.Image) -> Image.Image:
        """The image with the regions drawn on it; see :func:`visiongpt_agent.pictures.drawing.draw_regions`."""
        from visiongpt_agent.pictures.drawing import draw_regions

        return draw_regions(image, self)


def _check_boxes(boxes: FloatArray, width: int, height: int) -> None:
    for x1, y1, x2, y2 in boxes:
        if not (x1 < x2 and y1 < y2):
            raise InputError(f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}) is empty: it needs x1 < x2 and y1 < y2")
        if x1 < -_SLACK or y1 < -_SLACK or x2 > width + _SLACK or y2 > height + _SLACK:
            raise InputError(f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}) reaches outside the {width}x{height} image")


def _tight_box(mask: BoolArray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
