"""Segment Anything in the checkpoints that its authors publish, through their own package.

Kirillov et al., *Segment Anything* (ICCV 2023), https://github.com/facebookresearch/segment-anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import fill, read_tensors
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.precision import FLOATS, halve
from visiongpt_agent.regions import BoolArray, FloatArray
from visiongpt_agent.weights import Download

if TYPE_CHECKING:
    from PIL import Image

_SOURCE: Final = "https://dl.fbaipublicfiles.com/segment_anything"
_BATCH: Final = 16
"""Prompts decoded at a time; each takes some 20 MB of activations."""
_PIXELS: Final = 16_000_000
"""The package scales all masks of a batch up to the picture at once: so many pixels of masks take 200 MB."""
_GRID: Final = 16
"""Points along each side of the picture; a CPU takes about a minute for them, and four for the 32 of the paper."""
_LEAST_QUALITY: Final = 0.88
_LEAST_STABILITY: Final = 0.95
_SAME_PART: Final = 0.7
_LONGEST_STRIP: Final = 500
"""Long by short side: a picture more stretched than that would be scaled to no pixels at all, and it shows nothing."""


def _card(kind: str, file: str, sha256: str, *, size: int, memory: int, rank: int) -> ModelCard:
    return ModelCard(
        name=f"sam-vit-{kind}-original",
        title=f"Segment Anything ViT-{kind.upper()}, original",
        jobs=(SEGMENTATION_PROMPTABLE,),
        licence="Apache-2.0",
        homepage="https://github.com/facebookresearch/segment-anything",
        memory=memory,
        rank=rank,
        source=Download({file: (f"{_SOURCE}/{file}", sha256)}, size=size),
        modules=("segment_anything", "torchvision"),
        extra="paper",
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )


class SegmentAnything(Model):
    """The network on ViT-B.

    Each prompt gives three masks, of the whole, a part and a part of that, each with a guess at its own IoU.
    """

    card: ClassVar[ModelCard] = _card(
        "b",
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        size=375_042_383,
        memory=3_000_000_000,  # 94 million parameters in float32; with its attention, measured on random weights
        rank=3,
    )
    caveat: str = ""
    _kind: ClassVar[str] = "vit_b"
    """The builder of the network in the package's registry."""

    def __init__(self, network: Any) -> None:
        self._network = network

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        from segment_anything import sam_model_registry

        assert isinstance(cls.card.source, Download)
        (file,) = cls.card.source.files
        weights = read_tensors(cls.card, folder, file)
        network = sam_model_registry[cls._kind]()
        fill(cls.card, folder, network, weights)
        halve(network, ("image_encoder",), placement.dtype)
        return cls(network.to(placement.device).eval())

    def segment(self, image: Image.Image, boxes: FloatArray) -> BoolArray:
        """Masks, bool ``(N, H, W)``, of the things in boxes ``xyxy`` ``(N, 4)`` in pixels; they may reach out of them.

        Of the three masks for a box it is the one that the network thinks best of.
        """
        import torch
        from segment_anything import SamPredictor

        prompts = torch.from_numpy(np.array(boxes, np.float32).reshape(-1, 4))
        masks = np.zeros((len(prompts), image.height, image.width), np.bool_)
        if not len(prompts) or _is_strip(image):
            return masks
        looking = SamPredictor(self._network)  # one a call: it keeps the picture, and threads share the network
        looking.set_image(np.array(image.convert("RGB")))
        places = looking.transform.apply_boxes_torch(prompts, looking.original_size).to(looking.device)
        step = _at_once(image)
        for first in range(0, len(prompts), step):
            batch = slice(first, first + step)
            three, quality, _ = looking.predict_torch(None, None, boxes=places[batch])
            best = quality.argmax(dim=1)
            masks[batch] = three[torch.arange(len(best)), best].cpu().numpy()
        return masks

    def segment_everything(self, image: Image.Image) -> BoolArray:
        """Masks, bool ``(N, H, W)``, of what lies under a grid of points, largest first; parts may lie in wholes.

        As in the paper, a mask stays if the network thinks well of it and if it hardly changes with the threshold.
        """
        from segment_anything import SamAutomaticMaskGenerator

        if _is_strip(image):
            return np.zeros((0, image.height, image.width), np.bool_)
        generator = SamAutomaticMaskGenerator(
            self._network,
            points_per_side=_GRID,
            points_per_batch=_at_once(image),
            pred_iou_thresh=_LEAST_QUALITY,
            stability_score_thresh=_LEAST_STABILITY,
            box_nms_thresh=_SAME_PART,
        )
        masks = [part["segmentation"] for part in generator.generate(np.array(image.convert("RGB"))) if part["area"]]
        masks.sort(key=np.count_nonzero, reverse=True)
        return np.stack(masks).astype(np.bool_) if masks else np.zeros((0, image.height, image.width), np.bool_)


class SegmentAnythingLarge(SegmentAnything):
    """The network on ViT-L."""

    card: ClassVar[ModelCard] = _card(
        "l",
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        size=1_249_524_607,
        memory=4_800_000_000,  # 312 million parameters, as above
        rank=2,
    )
    _kind: ClassVar[str] = "vit_l"


class SegmentAnythingHuge(SegmentAnything):
    """The network on ViT-H, the one of the paper."""

    card: ClassVar[ModelCard] = _card(
        "h",
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        size=2_564_550_879,
        memory=6_200_000_000,  # 641 million parameters, as above
        rank=1,
    )
    _kind: ClassVar[str] = "vit_h"


def _at_once(image: Image.Image) -> int:
    """How many prompts are decoded together, three masks of the picture's size each."""
    return max(1, min(_BATCH, _PIXELS // (3 * image.width * image.height)))


def _is_strip(image: Image.Image) -> bool:
    return max(image.size) > _LONGEST_STRIP * min(image.size)
