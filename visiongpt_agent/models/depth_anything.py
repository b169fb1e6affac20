"""Depth Anything V2: relative depth from one picture.

Yang et al., *Depth Anything V2* (NeurIPS 2024), https://github.com/DepthAnything/Depth-Anything-V2, in the format of
``transformers``. The repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import DEPTH
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image


class DepthAnything(Model):
    """The small network, the one of the family under a free licence."""

    card: ClassVar[ModelCard] = ModelCard(
        name="depth-anything-v2-small",
        title="Depth Anything V2 Small",
        jobs=(DEPTH,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/depth-anything/Depth-Anything-V2-Small-hf",
        memory=600_000_000,
        source=Hub(
            "depth-anything/Depth-Anything-V2-Small-hf",
            "main",
            {"config.json": "", "preprocessor_config.json": "", "model.safetensors": ""},
            size=100_000_000,
        ),
        dtypes=("float32", "float16"),  # bfloat16 would leave steps in the depth
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, processor: Any, placement: Placement) -> None:
        self._network, self._processor, self._placement = network, processor, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        head = "DepthAnythingForDepthEstimation"
        network, processor = read_checkpoint(
            cls.card, folder, placement, head, "DPTImageProcessorPil", halved=("backbone",)
        )
        return cls(network, processor, placement)

    def depth(self, image: Image.Image) -> FloatArray:
        """How near each pixel is, float32 ``(H, W)``: 1 the nearest, 0 the farthest; no unit of length."""
        import numpy as np
        import torch

        given = self._processor(images=image.convert("RGB"), return_tensors="pt").to(self._placement.device)
        with torch.inference_mode():
            near = self._network(**given).predicted_depth[:, None].float()
            full = torch.nn.functional.interpolate(near, (image.height, image.width), mode="bicubic")[0, 0]
        span = float(full.max() - full.min())
        return np.asarray(((full - full.min()) / (span or 1.0)).cpu().numpy(), np.float32)
