"""DPT, of the MiDaS family: relative depth from one picture.

Ranftl, Bochkovskiy and Koltun, *Vision Transformers for Dense Prediction* (ICCV 2021),
https://github.com/isl-org/MiDaS, in the format of ``transformers``. The repository is taken at ``main``: pinned by the
manifest at first pull.
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


class Dpt(Model):
    """The large network (MiDaS 3.0), on ViT-L/16. The whole picture is squeezed into a square of 384 pixels."""

    card: ClassVar[ModelCard] = ModelCard(
        name="dpt-large",
        title="DPT Large (MiDaS 3.0)",
        jobs=(DEPTH,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/Intel/dpt-large",
        memory=1_800_000_000,  # 343 million parameters in float32; with activations, measured on random weights
        rank=10,
        source=Hub(
            "Intel/dpt-large",
            "main",
            {"config.json": "", "preprocessor_config.json": "", "model.safetensors": ""},
            size=1_370_000_000,
        ),
        dtypes=("float32", "float16"),  # bfloat16 would leave steps in the depth
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, pixels: Any, placement: Placement) -> None:
        self._network, self._pixels, self._placement = network, pixels, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels = read_checkpoint(
            cls.card, folder, placement, "DPTForDepthEstimation", "DPTImageProcessorPil", halved=("dpt",)
        )
        return cls(network, pixels, placement)

    def depth(self, image: Image.Image) -> FloatArray:
        """How near each pixel is, float32 ``(H, W)``: 1 the nearest, 0 the farthest; no unit of length.

        The network predicts inverse depth up to scale and shift, so that near is large without being turned round.
        """
        import numpy as np
        import torch

        seen = self._pixels(images=image.convert("RGB"), return_tensors="pt").to(self._placement.device)
        with torch.inference_mode():
            near = self._network(pixel_values=seen["pixel_values"]).predicted_depth[:, None].float()
            full = torch.nn.functional.interpolate(near, (image.height, image.width), mode="bilinear")[0, 0]
        span = float(full.max() - full.min())
        return np.asarray(((full - full.min()) / (span or 1.0)).cpu().numpy(), np.float32)
