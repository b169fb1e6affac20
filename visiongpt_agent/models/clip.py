"""CLIP: how well words fit a picture.

Radford et al., *Learning Transferable Visual Models From Natural Language Supervision* (ICML 2021),
https://github.com/openai/CLIP, in the format of ``transformers``. The repository is taken at ``main``: pinned by the
manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_FILES: Final = {"config.json": "", "*.json": "", "merges.txt": "", "model.safetensors": ""}


class Clip(Model):
    """The ViT-B/32: pictures of 224 pixels, texts of up to 77 tokens."""

    card: ClassVar[ModelCard] = ModelCard(
        name="clip-vit-base-patch32",
        title="CLIP ViT-B/32",
        jobs=(IMAGE_TEXT,),
        licence="MIT",
        homepage="https://huggingface.co/openai/clip-vit-base-patch32",
        memory=800_000_000,
        source=Hub("openai/clip-vit-base-patch32", "main", _FILES, size=610_000_000),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, placement: Placement) -> None:
        self._network, self._pixels, self._tokenizer, self._placement = network, pixels, tokenizer, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels, tokenizer = read_checkpoint(
            cls.card, folder, placement, "CLIPModel", "CLIPImageProcessor", "AutoTokenizer"
        )
        return cls(network, pixels, tokenizer, placement)

    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        """float32 ``(len(texts),)``: cosine of the picture's embedding with each text's, -1 to 1."""
        import numpy as np
        import torch

        pixels = self._pixels(images=image.convert("RGB"), return_tensors="pt").to(self._placement.device)
        longest = self._network.config.text_config.max_position_embeddings
        words = self._tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            seen = self._network(
                pixel_values=pixels["pixel_values"].to(getattr(torch, self._placement.dtype)),
                **words.to(self._placement.device),
            )
            likeness = seen.image_embeds.float() @ seen.text_embeds.float().T
        return np.asarray(likeness[0].cpu().numpy(), np.float32)
