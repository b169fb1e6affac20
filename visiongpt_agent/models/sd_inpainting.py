"""Stable Diffusion inpainting: paints what words describe into a mask.

Rombach et al., *High-Resolution Image Synthesis with Latent Diffusion Models* (CVPR 2022); the U-Net sees the mask and
the masked picture beside the noise. The repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.diffusion import (
    OPEN_RAIL,
    PipelineModel,
    diffusion_card,
    native_side,
    paint,
    working_size,
)
from visiongpt_agent.models.jobs import INPAINT_REPLACE
from visiongpt_agent.regions import BoolArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

Window = tuple[int, int, int, int]

_STEPS: Final = 25


class MaskPainter(PipelineModel):
    """What the painters over an inpainting pipeline of ``diffusers`` share.

    They paint a part of the picture around the mask, as large as they are made for, and paste the mask alone.
    """

    _guidance: ClassVar[float]
    _also: ClassVar[Mapping[str, Any]] = {}

    def replace(self, image: Image.Image, mask: BoolArray, prompt: str, *, seed: int) -> Image.Image:
        """The picture, same size, the mask, bool ``(H, W)``, showing the prompt; every pixel outside it as it was.

        Raises:
            ToolError: If the model's own safety checker holds the picture back.
        """
        from PIL import Image

        rgb = image.convert("RGB")
        if not mask.any():
            return rgb
        native = native_side(self._pipeline)
        window = window_around(mask, native)
        hole = Image.fromarray(mask).convert("L").crop(window)
        width, height = working_size(hole.size, native)
        painted = paint(
            self._pipeline,
            self.card,
            seed=seed,
            prompt=prompt,
            image=rgb.crop(window).resize((width, height)),
            mask_image=hole.resize((width, height)),
            width=width,
            height=height,
            num_inference_steps=_STEPS,
            guidance_scale=self._guidance,
            **self._also,
        )
        filled = rgb.copy()
        filled.paste(painted.resize(hole.size), window[:2], hole)
        return filled


class StableDiffusionInpainting(MaskPainter):
    """The checkpoint of Stable Diffusion 1.5 that was trained on to fill masks, with its safety checker."""

    card: ClassVar[ModelCard] = diffusion_card(
        name="stable-diffusion-inpainting",
        title="Stable Diffusion inpainting",
        job=INPAINT_REPLACE,
        licence="CreativeML OpenRAIL-M",
        homepage="https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-inpainting",
        # Estimated: 860 M parameters of the U-Net, 123 M of the text encoder, 84 M of the decoder, 304 M of the safety
        # checker, a fifth on top.
        memory=6_600_000_000,
        source=Hub(
            "stable-diffusion-v1-5/stable-diffusion-inpainting",
            "main",
            pipeline=True,
            variant="fp16",
            size=2_742_000_000,
            listed="2026-11-30",
        ),
        notice=OPEN_RAIL,
    )
    _kind = "StableDiffusionInpaintPipeline"
    _guidance = 7.5


def window_around(mask: BoolArray, native: int) -> Window:
    """The part of a picture to paint a hole in: the hole with half its sides around, so that detail is not lost.

    Args:
        mask: bool ``(H, W)``, not empty.
        native: The least side in pixels, as far as the picture has it.

    Returns:
        Left, upper, right and lower edge in pixels, as ``PIL.Image.crop`` takes them.
    """
    height, width = mask.shape
    left, right = _span(mask.any(axis=0), width, native)
    upper, lower = _span(mask.any(axis=1), height, native)
    return left, upper, right, lower


def _span(filled: Any, length: int, least: int) -> tuple[int, int]:
    first, last = int(filled.argmax()), length - int(filled[::-1].argmax())
    side = min(length, max(least, 2 * (last - first)))
    start = min(max(0, (first + last - side) // 2), length - side)
    return start, start + side
