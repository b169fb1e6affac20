"""HQ-SAM: Segment Anything with finer outlines, for thin and intricate things.

Ke et al., *Segment Anything in High Quality* (NeurIPS 2023), https://github.com/SysCV/sam-hq, in the format of
``transformers``. The repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from typing import Any, ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.models.sam import Sam
from visiongpt_agent.weights import Hub


class SamHq(Sam):
    """The network on ViT-B. Its decoder sees early layers of the encoder too, and corrects SAM's three masks."""

    card: ClassVar[ModelCard] = ModelCard(
        name="sam-hq-vit-base",
        title="HQ-SAM ViT-B",
        jobs=(SEGMENTATION_PROMPTABLE,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/syscv-community/sam-hq-vit-base",
        memory=2_400_000_000,  # 95 million parameters in float32; with its attention, measured on random weights
        rank=10,
        source=Hub("syscv-community/sam-hq-vit-base", "main", networks=("",), size=380_000_000, listed="2026-11-30"),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )
    _head = "SamHQModel"

    def _embedding(self, pixels: Any) -> dict[str, Any]:
        last, between = self._network.get_image_embeddings(pixels)
        return {"image_embeddings": last, "intermediate_embeddings": between}
