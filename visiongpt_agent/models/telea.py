"""Inpainting by fast marching (Telea, "An image inpainting technique based on the fast marching method", 2004)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import INPAINT_REMOVE
from visiongpt_agent.models.lama import LaMa
from visiongpt_agent.regions import BoolArray

if TYPE_CHECKING:
    from PIL import Image

_RADIUS: Final = 5


class Telea(Model):
    """OpenCV's Telea: continues the colours around a hole smoothly; it invents no texture, so only small holes work."""

    card: ClassVar[ModelCard] = ModelCard(
        name="telea",
        title="Telea inpainting",
        jobs=(INPAINT_REMOVE,),
        licence="Apache-2.0",
        homepage="https://docs.opencv.org/4.x/df/d3d/tutorial_py_inpainting.html",
        memory=1_000_000,
        rank=100,
    )
    max_share: float = 0.06
    beyond: str = f"more needs a neural inpainting model: visiongpt models pull {LaMa.card.name}"

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()

    def remove(self, image: Image.Image, mask: BoolArray) -> Image.Image:
        """The picture with the mask, bool ``(H, W)``, filled in from its rim; pixels outside it unchanged."""
        import cv2
        from PIL import Image

        pixels = np.asarray(image.convert("RGB"))
        filled = cv2.inpaint(pixels, mask.astype(np.uint8), _RADIUS, cv2.INPAINT_TELEA)
        return Image.fromarray(np.where(mask[:, :, None], filled, pixels).astype(np.uint8))
