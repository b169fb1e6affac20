"""CLIP: how well words fit a picture.

Radford et al., *Learning Transferable Visual Models From Natural Language Supervision* (ICML 2021),
https://github.com/openai/CLIP, in the format of ``transformers``. The repository is taken at ``main``: pinned by the
manifest at first pull.
"""

from __future__ import annotations

from typing import ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.models.pair_encoder import PairEncoder
from visiongpt_agent.weights import Hub


class Clip(PairEncoder):
    """The ViT-B/32: pictures of 224 pixels, texts of up to 77 tokens."""

    card: ClassVar[ModelCard] = ModelCard(
        name="clip-vit-base-patch32",
        title="CLIP ViT-B/32",
        jobs=(IMAGE_TEXT,),
        licence="MIT",
        homepage="https://huggingface.co/openai/clip-vit-base-patch32",
        memory=800_000_000,
        # main has a pickle alone; this commit is the library's own conversion of it, refs/pr/66.
        source=Hub(
            "openai/clip-vit-base-patch32",
            "c237dc49a33fc61debc9276459120b7eac67e7ef",
            networks=("",),
            size=609_500_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )
    _head = "CLIPModel"
    _pixel_processor = "CLIPImageProcessor"
