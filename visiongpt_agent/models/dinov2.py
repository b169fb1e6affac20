"""DINOv2: features of patches that a vision transformer learnt without labels.

Oquab et al., *DINOv2: Learning Robust Visual Features without Supervision* (TMLR 2024),
https://github.com/facebookresearch/dinov2, in the format of ``transformers``; Damm et al., *AnomalyDINO* (WACV 2025),
tell how anomalies are found with them. The repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import IMAGE_FEATURES
from visiongpt_agent.models.pixels import normalised
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_PATCHES: Final = 48
"""On the longer side of the picture: 672 pixels, the larger of the two sizes that AnomalyDINO was tried at."""


class Dinov2(PlacedModel):
    """The small network, with patches of 14 pixels."""

    card: ClassVar[ModelCard] = ModelCard(
        name="dinov2-small",
        title="DINOv2 ViT-S/14",
        jobs=(IMAGE_FEATURES,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/facebook/dinov2-small",
        memory=300_000_000,  # 22 million parameters in float32; with activations, measured on random weights
        rank=0,
        source=Hub(
            "facebook/dinov2-small",
            "ed25f3a31f01632728cabb09d1542f84ab7b0056",
            networks=("",),
            size=88_251_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, placement: Placement) -> None:
        self._network, self.placement = network, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        (network,) = read_checkpoint(cls.card, folder, placement, "Dinov2Model")
        return cls(network, placement)

    def features(self, image: Image.Image) -> FloatArray:
        """The last layer's features of every patch of the picture, whose longer side has 48 patches.

        Returns:
            float32 ``(C, h, w)``: one vector for each cell of an even grid over the whole picture.
        """
        import torch
        from PIL import Image

        scale = _PATCHES / max(image.size)
        columns, rows = (max(1, round(side * scale)) for side in image.size)
        patch = int(self._network.config.patch_size)
        scaled = image.convert("RGB").resize((columns * patch, rows * patch), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(normalised(scaled))
        with torch.inference_mode():
            seen = self._network(
                pixel_values=pixels.to(self.placement.device, getattr(torch, self.placement.dtype))
            ).last_hidden_state[0, 1:]  # the first is that of the whole picture
        return np.ascontiguousarray(seen.float().cpu().numpy().T.reshape(-1, rows, columns), np.float32)
