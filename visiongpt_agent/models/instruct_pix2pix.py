"""InstructPix2Pix: edits by instruction.

Brooks et al., *InstructPix2Pix: Learning to Follow Image Editing Instructions* (CVPR 2023),
https://github.com/timothybrooks/instruct-pix2pix. The repository is taken at ``main``: pinned by the manifest at first
pull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.diffusion import (
    PipelineModel,
    diffusion_card,
    native_side,
    paint,
    working_size,
)
from visiongpt_agent.models.jobs import INSTRUCT
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_STEPS: Final = 25
_TEXT_GUIDANCE: Final = 7.5
_IMAGE_GUIDANCE: Final = 1.5


class InstructPix2Pix(PipelineModel):
    """The published model, over Stable Diffusion 1.5, with its safety checker."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="instruct-pix2pix",
        title="InstructPix2Pix",
        job=INSTRUCT,
        licence="MIT",
        homepage="https://huggingface.co/timbrooks/instruct-pix2pix",
        # Estimated: 860 M parameters of the U-Net, 123 M of the text encoder, 84 M of the decoder, 304 M of the safety
        # checker, a fifth on top.
        memory=6_600_000_000,
        source=Hub("timbrooks/instruct-pix2pix", "main", pipeline=True, size=5_483_000_000, listed="2026-11-30"),
    )
    _kind = "StableDiffusionInstructPix2PixPipeline"

    def edit(self, image: Image.Image, instruction: str, *, seed: int) -> Image.Image:
        """The picture, same size, changed as the instruction says; fine detail is that of about 512x512 pixels.

        Raises:
            ToolError: If the model's own safety checker holds the picture back.
        """
        size = working_size(image.size, native_side(self._pipeline))
        painted = paint(
            self._pipeline,
            self.card,
            seed=seed,
            prompt=instruction,
            image=image.convert("RGB").resize(size),
            num_inference_steps=_STEPS,
            guidance_scale=_TEXT_GUIDANCE,
            image_guidance_scale=_IMAGE_GUIDANCE,
        )
        return painted.resize(image.size)
