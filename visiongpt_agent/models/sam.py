"""Segment Anything: cuts out what a box or a point means.

Kirillov et al., *Segment Anything* (ICCV 2023), https://github.com/facebookresearch/segment-anything, in the format of
``transformers``. The repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.regions import BoolArray, FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_HALVED: Final = ("vision_encoder",)
_BATCH: Final = 16
"""Prompts decoded at a time; each takes some 20 MB of activations."""
_GRID: Final = 16
"""Points along each side of the picture; a CPU takes about a minute for them, and four for the 32 of the paper."""
_LEAST_QUALITY: Final = 0.88
_LEAST_STABILITY: Final = 0.95
_SAME_PART: Final = 0.7
_LONGEST_STRIP: Final = 500
"""Long by short side: a picture more stretched than that would be scaled to no pixels at all, and it shows nothing."""


class Sam(PlacedModel):
    """The network on ViT-B.

    Each prompt gives three masks, of the whole, a part and a part of that, each with a guess at its own IoU.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="sam-vit-base",
        title="Segment Anything ViT-B",
        jobs=(SEGMENTATION_PROMPTABLE,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/facebook/sam-vit-base",
        memory=2_400_000_000,  # 94 million parameters in float32; with its attention, measured on random weights
        rank=0,
        source=Hub("facebook/sam-vit-base", "main", networks=("",), size=375_000_000, listed="2026-11-30"),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )
    caveat: str = ""
    _head: ClassVar[str] = "SamModel"

    def __init__(self, network: Any, pixels: Any, placement: Placement) -> None:
        self._network, self._pixels, self.placement = network, pixels, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels = read_checkpoint(cls.card, folder, placement, cls._head, "AutoImageProcessor", halved=_HALVED)
        return cls(network, pixels, placement)

    def segment(self, image: Image.Image, boxes: FloatArray) -> BoolArray:
        """Masks, bool ``(N, H, W)``, of the things in boxes ``xyxy`` ``(N, 4)`` in pixels; they may reach out of them.

        Of the three masks for a box it is the one that the network thinks best of.
        """
        wanted = np.asarray(boxes, np.float32).reshape(-1, 4)
        masks = np.zeros((len(wanted), image.height, image.width), np.bool_)
        if len(wanted) and not _is_strip(image):
            frame, embedding = self._look(image)
            answers = self._decode(embedding, input_boxes=frame.to_input(wanted))
            for mask, (logits, quality) in zip(masks, answers, strict=True):
                mask[:] = frame.to_picture(logits[quality.argmax()])
        return masks

    def segment_everything(self, image: Image.Image) -> BoolArray:
        """Masks, bool ``(N, H, W)``, of what lies under a grid of points, largest first; parts may lie in wholes.

        As in the paper, a mask stays if the network thinks well of it and if it hardly changes with the threshold.
        """
        if _is_strip(image):
            return np.zeros((0, image.height, image.width), np.bool_)
        frame, embedding = self._look(image)
        steps = (np.arange(_GRID) + 0.5) / _GRID
        points = np.stack(np.meshgrid(steps * image.width, steps * image.height), axis=-1).reshape(-1, 1, 2)
        parts, qualities = list[FloatArray](), list[float]()
        for logits, quality in self._decode(embedding, input_points=frame.to_input(points)):
            for i in np.flatnonzero((quality > _LEAST_QUALITY) & (stability(frame.cut(logits)) > _LEAST_STABILITY)):
                parts.append(logits[i])
                qualities.append(float(quality[i]))
        chosen = distinct([frame.cut(part) > 0 for part in parts], qualities)
        masks = [mask for mask in (frame.to_picture(parts[i]) for i in chosen) if mask.any()]
        masks.sort(key=np.count_nonzero, reverse=True)
        return np.stack(masks) if masks else np.zeros((0, image.height, image.width), np.bool_)

    def _look(self, image: Image.Image) -> tuple[FittedInput, dict[str, Any]]:
        """Where the picture lies in the input, and what the network sees in it, computed once for all prompts."""
        import torch

        seen = self._pixels(images=image.convert("RGB"), return_tensors="pt")
        pixels = seen["pixel_values"]
        height, width = (int(v) for v in seen["reshaped_input_sizes"][0])
        frame = FittedInput(image.size, (width, height), int(pixels.shape[-1]))
        with torch.inference_mode():
            return frame, self._embedding(pixels.to(self.placement.device))

    def _embedding(self, pixels: Any) -> dict[str, Any]:
        """What the decoder wants of the input, by the names of its arguments."""
        return {"image_embeddings": self._network.get_image_embeddings(pixels)}

    def _decode(self, embedding: dict[str, Any], **prompts: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """For each of the prompts, ``(N, ...)``, the logits of its masks ``(M, h, w)`` and their guessed IoUs."""
        import torch

        (name, values), *_ = prompts.items()
        for first in range(0, len(values), _BATCH):
            batch = torch.from_numpy(values[None, first : first + _BATCH]).to(self.placement.device)
            with torch.inference_mode():
                out = self._network(**embedding, **{name: batch})
            logits, quality = out.pred_masks[0].float().cpu().numpy(), out.iou_scores[0].float().cpu().numpy()
            yield from zip(logits, quality, strict=True)


@dataclass(frozen=True)
class FittedInput:
    """Where a picture lies in the network's input: in its upper left, scaled to fit, the rest padding.

    Attributes:
        size: ``(width, height)`` of the picture.
        fitted: The same once it is scaled.
        side: That of the square input, in pixels.
    """

    size: tuple[int, int]
    fitted: tuple[int, int]
    side: int

    def to_input(self, places: npt.NDArray[np.floating]) -> FloatArray:
        """Pixels of the picture, ``(..., 2)`` or ``(..., 4)`` with x before y, as pixels of the input."""
        factor = np.divide(self.fitted, self.size)
        return np.asarray(places * np.tile(factor, places.shape[-1] // 2), np.float32)

    def cut(self, logits: FloatArray) -> FloatArray:
        """Logits ``(..., h, w)`` of the whole input without those of the padding."""
        height, width = logits.shape[-2:]
        across, down = self.fitted
        return logits[..., : math.ceil(down * height / self.side), : math.ceil(across * width / self.side)]

    def to_picture(self, logits: FloatArray) -> BoolArray:
        """The mask of the picture, bool ``(H, W)``, from logits ``(h, w)`` of the whole input."""
        from torch import from_numpy
        from torch.nn.functional import interpolate

        (width, height), (across, down) = self.size, self.fitted
        whole = interpolate(from_numpy(logits)[None, None], (self.side, self.side), mode="bilinear")
        picture = interpolate(whole[..., :down, :across], (height, width), mode="bilinear")[0, 0]
        return np.asarray((picture > 0).numpy(), np.bool_)


def _is_strip(image: Image.Image) -> bool:
    return max(image.size) > _LONGEST_STRIP * min(image.size)


def stability(logits: FloatArray) -> FloatArray:
    """How little masks change with the threshold: IoU of those at logits 1 and -1, ``(..., h, w)`` to ``(...)``."""
    narrow, wide = (np.count_nonzero(logits > level, axis=(-2, -1)) for level in (1, -1))
    return np.asarray(narrow / np.maximum(wide, 1), np.float32)


def distinct(masks: Sequence[BoolArray], qualities: Sequence[float]) -> list[int]:
    """Non-maximum suppression: of two masks with IoU over 0.7 the better stays; their positions, the best first."""
    kept = list[int]()
    for i in sorted(range(len(masks)), key=lambda i: -qualities[i]):
        if all(_iou(masks[i], masks[j]) <= _SAME_PART for j in kept):
            kept.append(i)
    return kept


def _iou(one: BoolArray, other: BoolArray) -> float:
    return int((one & other).sum()) / max(1, int((one | other).sum()))
