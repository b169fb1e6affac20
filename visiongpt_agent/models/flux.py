"""FLUX.1 [schnell]: pictures from words by a transformer of 12 billion parameters, in four steps.

Black Forest Labs, https://github.com/black-forest-labs/flux; distilled as Sauer et al., *Fast High-Resolution Image
Synthesis with Latent Adversarial Diffusion Distillation* (SIGGRAPH Asia 2024) describe. The repository is taken at
``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.checkpoints import unusable
from visiongpt_agent.models.diffusion import diffusion_card
from visiongpt_agent.models.jobs import TEXT_TO_IMAGE
from visiongpt_agent.models.stable_diffusion import PictureFromWords
from visiongpt_agent.weights import Hub


class FluxSchnell(PictureFromWords):
    """FLUX.1 [schnell], in the precision it is published in; pictures of 1024x1024 pixels, no guidance."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="flux.1-schnell",
        title="FLUX.1 [schnell]",
        job=TEXT_TO_IMAGE,
        licence="Apache-2.0",
        homepage="https://huggingface.co/black-forest-labs/FLUX.1-schnell",
        # Estimated: 11,891 M parameters of the transformer, 4,762 M and 123 M of the text encoders, 84 M of the
        # decoder, two bytes each, a fifth on top.
        memory=40_500_000_000,
        rank=4,
        source=Hub(
            "black-forest-labs/FLUX.1-schnell",
            "main",
            pipeline=True,
            size=33_726_000_000,
            listed="2026-11-30",
            verified=True,
        ),
        notice="The repository is gated: accept its conditions on the model's page and set HF_TOKEN before you pull.",
        dtypes=("bfloat16",),
    )
    _saved_as = "FluxPipeline"
    _steps = 4
    _guidance = 0.0
    _also: ClassVar = {"max_sequence_length": 256}  # tokens, what it was distilled with

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        model = super().load(folder, placement)
        if model._pipeline.transformer.config.guidance_embeds:
            raise unusable(cls.card, folder, "it takes guidance, as FLUX.1 [dev] does")
        return model
