"""Stable Diffusion XL: pictures from words, of a megapixel.

Podell et al., *SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis* (ICLR 2024); SDXL-Turbo is
distilled to a few steps after Sauer et al., *Adversarial Diffusion Distillation* (ECCV 2024). The repositories are
taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from typing import ClassVar, Final

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.diffusion import OPEN_RAIL, STABILITY, diffusion_card
from visiongpt_agent.models.jobs import TEXT_TO_IMAGE
from visiongpt_agent.models.stable_diffusion import PictureFromWords
from visiongpt_agent.weights import Hub

XL_MEMORY: Final = 16_700_000_000
"""Estimated: 2,567 M parameters of the U-Net, 123 M and 695 M of the text encoders, 84 M of the decoder, a fifth on
top."""


class StableDiffusionXL(PictureFromWords):
    """Stable Diffusion XL 1.0, the base model without the refiner; pictures of 1024x1024 pixels."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="stable-diffusion-xl",
        title="Stable Diffusion XL 1.0",
        job=TEXT_TO_IMAGE,
        licence="CreativeML OpenRAIL++-M",
        homepage="https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0",
        memory=XL_MEMORY,
        rank=3,
        source=Hub(
            "stabilityai/stable-diffusion-xl-base-1.0",
            "main",
            pipeline=True,
            variant="fp16",
            size=6_941_000_000,
            listed="2026-11-30",
            verified=True,
        ),
        notice=OPEN_RAIL,
    )
    _saved_as = "StableDiffusionXLPipeline"
    _steps = 30
    _guidance = 5.0


class SdxlTurbo(PictureFromWords):
    """SDXL-Turbo: Stable Diffusion XL distilled, four steps and no guidance; pictures of 512x512 pixels."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="sdxl-turbo",
        title="SDXL-Turbo",
        job=TEXT_TO_IMAGE,
        licence="Stability AI Community License",  # of the repository since 2024-07-05
        homepage="https://huggingface.co/stabilityai/sdxl-turbo",
        memory=XL_MEMORY,
        rank=2,
        source=Hub(
            "stabilityai/sdxl-turbo", "main", pipeline=True, variant="fp16", size=6_941_000_000, listed="2026-11-30"
        ),
        notice=STABILITY,
    )
    _saved_as = "StableDiffusionXLPipeline"
    _steps = 4
    _guidance = 0.0
