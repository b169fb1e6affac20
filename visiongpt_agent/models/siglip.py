"""SigLIP 2: how well words fit a picture, in many languages.

Tschannen et al., *SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic Understanding, Localization,
and Dense Features* (2025), https://github.com/google-research/big_vision, in the format of ``transformers``. The
repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.models.pair_encoder import PairEncoder
from visiongpt_agent.weights import Hub


class Siglip(PairEncoder):
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
            "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
            networks=("",),
            size=1_539_000_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )
    _head = "SiglipModel"
    _pixel_processor = "SiglipImageProcessorPil"

    def _tokens(self, texts: Sequence[str]) -> dict[str, Any]:
        """The texts as the network was trained on them: lower case, each filled up to the full length, no mask.

        It reads a text off the last place, so that the padding has to stand at the end and is part of the text.
        """
        lower = [text.lower() for text in texts]
        tokens = self._tokenizer(lower, padding="max_length", padding_side="right", **self._cut)
        return {"input_ids": tokens["input_ids"]}
