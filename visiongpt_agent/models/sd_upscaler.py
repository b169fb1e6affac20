"""The upscaler of Stable Diffusion: pictures four times as wide and high, with detail that a diffusion model invents.

Rombach et al., *High-Resolution Image Synthesis with Latent Diffusion Models* (CVPR 2022), section 4.4; the U-Net sees
the picture, with a little noise, beside the latent. The repository is taken at ``main``: pinned by the manifest at
first pull.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_pipeline
from visiongpt_agent.models.diffusion import OPEN_RAIL, diffusion_card, paint
from visiongpt_agent.models.jobs import UPSCALE
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_TILE: Final = 128
"""Pixels of a tile before upscaling: the model was trained on 512x512 pixels after it."""
_OVERLAP: Final = 32
_LEAST: Final = 64
_STEP: Final = 8
_STEPS: Final = 25
_NOISE: Final = 20
_PIXELS: Final = {"cuda": 200_000, "cpu": 4_096}
"""A tile takes 31 TFLOP by count: two seconds on a graphics card, minutes on a CPU."""


class StableDiffusionUpscaler(Model):
    """Stable Diffusion x4 upscaler, without a prompt, so that nothing but the picture leads it.

    A picture is cut into tiles of 128 pixels, each with noise of a fixed seed, that fade into each other over 32
    pixels; what is smaller is continued by its mirror image and cut again.
    """

    card: ClassVar[ModelCard] = diffusion_card(
        name="stable-diffusion-x4-upscaler",
        title="Stable Diffusion x4 upscaler",
        job=UPSCALE,
        licence="CreativeML OpenRAIL++-M",
        homepage="https://huggingface.co/stabilityai/stable-diffusion-x4-upscaler",
        # Estimated: 473 M parameters of the U-Net, 340 M of the text encoder, 55 M of the decoder, and 1 GB for what
        # the decoder computes at 512x512 pixels.
        memory=4_500_000_000,
        rank=20,
        source=Hub(
            "stabilityai/stable-diffusion-x4-upscaler",
            "main",
            pipeline=True,
            variant="fp16",
            size=1_740_000_000,
            listed="2026-11-30",
        ),
        notice=OPEN_RAIL,
    )
    factor: int = 4

    def __init__(self, pipeline: Any, device: str) -> None:
        self._pipeline = pipeline
        self.max_pixels = _PIXELS[device.partition(":")[0]]

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        pipeline = read_pipeline("StableDiffusionUpscalePipeline", folder, placement, cls.card)
        return cls(pipeline, placement.device)

    def upscale(self, image: Image.Image) -> Image.Image:
        """The picture, four times as wide and high, RGB; the same picture gives the same result."""
        from PIL import Image

        pixels = np.asarray(image.convert("RGB"))
        height, width = (side * self.factor for side in pixels.shape[:2])
        total = np.zeros((height, width, 3), np.float32)
        weights = np.zeros((height, width, 1), np.float32)
        corners = [(y, x) for y in starts(image.height) for x in starts(image.width)]
        for seed, (y, x) in enumerate(corners):
            large = self._run(pixels[y : y + _TILE, x : x + _TILE], seed)
            share = _ramp(large.shape[0])[:, None, None] * _ramp(large.shape[1])[None, :, None]
            rows = slice(y * self.factor, y * self.factor + large.shape[0])
            columns = slice(x * self.factor, x * self.factor + large.shape[1])
            total[rows, columns] += share * large
            weights[rows, columns] += share
        return Image.fromarray((total / weights + 0.5).astype(np.uint8))

    def _run(self, tile: Any, seed: int) -> FloatArray:
        from PIL import Image

        height, width = tile.shape[:2]
        below, right = _fitting(height) - height, _fitting(width) - width
        padded = np.pad(tile, ((0, below), (0, right), (0, 0)), mode="symmetric")
        painted = paint(
            self._pipeline,
            self.card,
            seed=seed,
            prompt="",
            image=Image.fromarray(padded),
            num_inference_steps=_STEPS,
            guidance_scale=1.0,
            noise_level=_NOISE,
        )
        enlarged: FloatArray = np.asarray(painted, np.float32)
        return enlarged[: height * self.factor, : width * self.factor]


def starts(length: int) -> list[int]:
    """Where tiles begin along a side of a picture, in pixels: evenly spread, sharing the overlap or more."""
    if length <= _TILE:
        return [0]
    count = math.ceil((length - _OVERLAP) / (_TILE - _OVERLAP))
    return [round(number * (length - _TILE) / (count - 1)) for number in range(count)]


def _fitting(side: int) -> int:
    return max(_LEAST, math.ceil(side / _STEP) * _STEP)


def _ramp(length: int) -> FloatArray:
    """float32 ``(length,)``: 1 in the middle, falling off over the overlap towards both ends, nowhere 0."""
    from_end = np.arange(length, dtype=np.float32) + np.float32(0.5)
    ramp: FloatArray = np.minimum(from_end, from_end[::-1]) / np.float32(StableDiffusionUpscaler.factor * _OVERLAP)
    return ramp.clip(max=1)
