"""OWLv2: finds what words name.

Minderer, Gritsenko and Houlsby, *Scaling Open-Vocabulary Object Detection* (NeurIPS 2023),
https://github.com/google-research/scenic/tree/main/scenic/projects/owl_vit, in the format of ``transformers``. The
repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_HALVED: Final = ("owlv2.vision_model.encoder", "owlv2.text_model.encoder")
_GREY: Final = (128, 128, 128)
_SAME_OBJECT: Final = 0.5


class Owlv2(PlacedModel):
    """The base network with patches of 16 pixels, an ensemble of its self-trained and fine-tuned weights."""

    card: ClassVar[ModelCard] = ModelCard(
        name="owlv2-base",
        title="OWLv2 base patch16 ensemble",
        jobs=(DETECTION_OPEN_VOCABULARY,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/google/owlv2-base-patch16-ensemble",
        memory=1_100_000_000,  # 155 million parameters in float32; with activations, measured on random weights
        rank=10,
        source=Hub("google/owlv2-base-patch16-ensemble", "main", networks=("",), size=620_000_000, listed="2026-11-30"),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )
    threshold: float = 0.2

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, placement: Placement) -> None:
        self._network, self._pixels, self._tokenizer, self.placement = network, pixels, tokenizer, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        head = "Owlv2ForObjectDetection"
        network, pixels, tokenizer = read_checkpoint(
            cls.card, folder, placement, head, "AutoImageProcessor", "AutoTokenizer", halved=_HALVED
        )
        return cls(network, pixels, tokenizer, placement)

    def detect(self, image: Image.Image, nouns: Sequence[str], *, threshold: float) -> Regions:
        """Objects labelled with the nouns, surest first, scores of at least ``threshold`` (0 to 1)."""
        import torch

        names = list(dict.fromkeys(nouns))
        words = self._tokenizer(
            [f"a photo of a {name.lower()}" for name in names],
            padding="max_length",
            truncation=True,
            max_length=self._network.config.text_config.max_position_embeddings,
            return_tensors="pt",
        )
        side = int(self._pixels.size["height"])
        # Padded and resized here: the library's processor needs scipy for it, and its colour of the padding changed.
        seen = self._pixels(images=squared(image, side), do_pad=False, do_resize=False, return_tensors="pt")
        with torch.inference_mode():
            out = self._network(
                pixel_values=seen["pixel_values"].to(self.placement.device), **words.to(self.placement.device)
            )
        scores = out.logits[0].float().sigmoid().cpu().numpy()
        boxes = out.pred_boxes[0].float().cpu().numpy()
        return named(image.size, boxes, scores, names, threshold).nms(_SAME_OBJECT)


def squared(image: Image.Image, side: int) -> Image.Image:
    """The picture in the upper left of a grey square, scaled to ``side`` pixels, mode RGB."""
    from PIL import Image

    square = Image.new("RGB", (max(image.size),) * 2, _GREY)
    square.paste(image.convert("RGB"), (0, 0))
    return square.resize((side, side), Image.Resampling.BILINEAR)


def named(
    size: tuple[int, int], boxes: FloatArray, scores: FloatArray, nouns: Sequence[str], threshold: float
) -> Regions:
    """Regions from the network's answer, each box labelled with its best noun.

    Args:
        size: ``(width, height)`` of the picture.
        boxes: ``(patches, 4)``: centre x and y, width, height, as shares of the square that the picture was padded to.
        scores: Of each box for each noun, 0 to 1, ``(patches, nouns)``.
        nouns: What was asked for.
        threshold: Least score of a box.
    """
    noun, score = scores.argmax(axis=1), scores.max(axis=1)
    queries = np.flatnonzero(score >= threshold)
    middle, half = boxes[queries, :2], boxes[queries, 2:] / 2
    corners = np.concatenate([middle - half, middle + half], axis=1) * max(size)
    return Regions.clipped(size, corners, [nouns[n] for n in noun[queries]], score[queries])
