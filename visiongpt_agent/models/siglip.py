"""SigLIP 2: how well words fit a picture, in many languages.

Tschannen et al., *SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic Understanding, Localization,
and Dense Features* (2025), https://github.com/google-research/big_vision, in the format of ``transformers``. The
repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image


class Siglip(Model):
    """The base network with patches of 16 pixels: pictures of 224 pixels, texts of 64 tokens."""

    card: ClassVar[ModelCard] = ModelCard(
        name="siglip2-base-patch16-224",
        title="SigLIP 2 base patch16",
        jobs=(IMAGE_TEXT,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/google/siglip2-base-patch16-224",
        memory=1_650_000_000,  # 375 million parameters in float32; with activations, measured on random weights
        rank=10,
        source=Hub(
            "google/siglip2-base-patch16-224",
            "main",
            {"config.json": "", "*.json": "", "model.safetensors": ""},
            size=1_540_000_000,
        ),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, placement: Placement) -> None:
        self._network, self._pixels, self._tokenizer, self._placement = network, pixels, tokenizer, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels, tokenizer = read_checkpoint(
            cls.card, folder, placement, "SiglipModel", "SiglipImageProcessorPil", "AutoTokenizer"
        )
        return cls(network, pixels, tokenizer, placement)

    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        """float32 ``(len(texts),)``: cosine of the picture's embedding with each text's, -1 to 1."""
        import numpy as np
        import torch

        seen = self._pixels(images=image.convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            out = self._network(
                pixel_values=seen["pixel_values"].to(self._placement.device, getattr(torch, self._placement.dtype)),
                input_ids=self._tokens(texts).to(self._placement.device),
            )
            likeness = out.image_embeds.float() @ out.text_embeds.float().T
        return np.asarray(likeness[0].cpu().numpy(), np.float32)

    def _tokens(self, texts: Sequence[str]) -> Any:
        """The texts as the network was trained on them: lower case, each filled up to the full length, no mask.

        It reads a text off the last place, so that the padding has to stand at the end and is part of the text.
        """
        length = self._network.config.text_config.max_position_embeddings
        return self._tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            padding_side="right",
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )["input_ids"]
