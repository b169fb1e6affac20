"""CLIPSeg: which pixels show what words name.

Lüddecke and Ecker, *Image Segmentation Using Text and Image Prompts* (CVPR 2022),
https://github.com/timojl/clipseg, in the format of ``transformers``. The repository is taken at ``main``: pinned by the
manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import SEGMENTATION_SEMANTIC
from visiongpt_agent.models.masks import covered, guided
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_BATCH: Final = 4
"""Words looked for at a time; each takes some 50 MB of activations."""


class ClipSeg(PlacedModel):
    """The decoder of width 64 with refined transposed convolutions, on CLIP ViT-B/16.

    The whole picture is squeezed into a square of 352 pixels, in which a patch is 16 pixels wide: its scores run across
    edges, so that they are moved to the edges of the picture.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="clipseg-rd64-refined",
        title="CLIPSeg rd64 refined",
        jobs=(SEGMENTATION_SEMANTIC,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/CIDAS/clipseg-rd64-refined",
        memory=900_000_000,  # 151 million parameters in float32; with activations, measured on random weights
        rank=0,
        source=Hub("CIDAS/clipseg-rd64-refined", "main", networks=("",), size=606_000_000, listed="2026-11-30"),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )
    threshold: float = 0.3

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, placement: Placement) -> None:
        self._network, self._pixels, self._tokenizer, self.placement = network, pixels, tokenizer, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        head = "CLIPSegForImageSegmentation"
        network, pixels, tokenizer = read_checkpoint(
            cls.card, folder, placement, head, "ViTImageProcessorPil", "AutoTokenizer"
        )
        return cls(network, pixels, tokenizer, placement)

    def knows(self, word: str) -> bool:
        """It looks for any words."""
        return bool(word.strip())

    def segment(self, image: Image.Image, words: Sequence[str], *, threshold: float) -> Regions:
        """What the words name, each that is seen as one region with a mask of all its pixels, in the words' order."""
        cell = 1 / 2 / self._patches
        fine = (guided(scores, image, cell) for scores in self._scores(image, words))
        return covered(image.size, words, fine, threshold)

    @property
    def _patches(self) -> int:
        """Along each side of the input."""
        return int(self._pixels.size["height"]) // int(self._network.config.vision_config.patch_size)

    def _scores(self, image: Image.Image, words: Sequence[str]) -> Iterator[FloatArray]:
        """For each word how well it fits each place of the picture, float32 ``(h, w)``, 0 to 1."""
        import torch

        seen = self._pixels(images=image.convert("RGB"), return_tensors="pt")
        picture = seen["pixel_values"].to(self.placement.device, getattr(torch, self.placement.dtype))
        longest = self._network.config.text_config.max_position_embeddings
        for first in range(0, len(words), _BATCH):
            texts = [f"a photo of {word.lower()}" for word in words[first : first + _BATCH]]
            tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            with torch.inference_mode():
                out = self._network(
                    pixel_values=picture.expand(len(texts), -1, -1, -1), **tokens.to(self.placement.device)
                )
            scores = out.logits.float().sigmoid().cpu().numpy()
            yield from np.asarray(scores, np.float32).reshape(len(texts), *scores.shape[-2:])
