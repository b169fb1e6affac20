"""What networks of relative depth share: one picture in, the nearness of each of its pixels out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from visiongpt_agent.models.base import PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.regions import FloatArray

if TYPE_CHECKING:
    from PIL import Image


class DepthNetwork(PlacedModel):
    """A network that predicts inverse depth up to scale and shift, so that large is near."""

    _head: ClassVar[str]
    _encoder: ClassVar[str]
    """The submodule that runs in half precision."""
    _enlarged_by: ClassVar[str]
    """The interpolation from the network's resolution to the picture's, as its authors chose it."""

    def __init__(self, network: Any, pixels: Any, placement: Placement) -> None:
        self._network, self._pixels, self.placement = network, pixels, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels = read_checkpoint(
            cls.card, folder, placement, cls._head, "DPTImageProcessorPil", halved=(cls._encoder,)
        )
        return cls(network, pixels, placement)

    def depth(self, image: Image.Image) -> FloatArray:
        """How near each pixel is, float32 ``(H, W)``: 1 the nearest, 0 the farthest; no unit of length."""
        import numpy as np
        import torch

        pixels = self._pixels(images=image.convert("RGB"), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            near = self._network(pixel_values=pixels.to(self.placement.device)).predicted_depth[:, None].float()
            size = (image.height, image.width)
            full = torch.nn.functional.interpolate(near, size, mode=self._enlarged_by)[0, 0]
        span = float(full.max() - full.min())
        return np.asarray(((full - full.min()) / (span or 1.0)).cpu().numpy(), np.float32)
