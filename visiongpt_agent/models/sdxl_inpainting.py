"""Stable Diffusion XL inpainting: paints what words describe into a mask, at twice the sides of Stable Diffusion 1.5.

Podell et al., *SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis* (ICLR 2024); the U-Net sees
the mask and the masked picture beside the noise. The repository is taken at ``main``: pinned by the manifest at first
pull.
"""

from __future__ import annotations

from typing import ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.diffusion import OPEN_RAIL, diffusion_card
from visiongpt_agent.models.jobs import INPAINT_REPLACE
from visiongpt_agent.models.sd_inpainting import MaskPainter
from visiongpt_agent.models.stable_diffusion_xl import XL_MEMORY
from visiongpt_agent.weights import Hub


class SdxlInpainting(MaskPainter):
    """The checkpoint of Stable Diffusion XL that was trained on to fill masks."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="sdxl-inpainting",
        title="Stable Diffusion XL inpainting 0.1",
        job=INPAINT_REPLACE,
        licence="CreativeML OpenRAIL++-M",
        homepage="https://huggingface.co/diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        memory=XL_MEMORY,
        rank=1,
        source=Hub(
            "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
            "main",
            pipeline=True,
            variant="fp16",
            size=6_941_000_000,
            listed="2026-11-30",
        ),
        notice=OPEN_RAIL,
    )
    _kind = "StableDiffusionXLInpaintPipeline"
    _guidance = 8.0
    # From pure noise this checkpoint washes the colours out; the last hundredth is kept of the picture.
    _also: ClassVar = {"strength": 0.99}
