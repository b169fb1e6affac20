"""DPT, of the MiDaS family: relative depth from one picture.

Ranftl, Bochkovskiy and Koltun, *Vision Transformers for Dense Prediction* (ICCV 2021),
https://github.com/isl-org/MiDaS, in the format of ``transformers``. The repository is taken at ``main``: pinned by the
manifest at first pull.
"""

from __future__ import annotations

from typing import ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.depth_network import DepthNetwork
from visiongpt_agent.models.jobs import DEPTH
from visiongpt_agent.weights import Hub


class Dpt(DepthNetwork):
    """The large network (MiDaS 3.0), on ViT-L/16. The whole picture is squeezed into a square of 384 pixels."""

    card: ClassVar[ModelCard] = ModelCard(
        name="dpt-large",
        title="DPT Large (MiDaS 3.0)",
        jobs=(DEPTH,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/Intel/dpt-large",
        memory=1_800_000_000,  # 343 million parameters in float32; with activations, measured on random weights
        rank=10,
        source=Hub("Intel/dpt-large", "main", networks=("",), size=1_370_000_000, listed="2026-11-30"),
        dtypes=("float32", "float16"),  # bfloat16 would leave steps in the depth
        devices=("cuda", "cpu"),
    )
    _head = "DPTForDepthEstimation"
    _encoder = "dpt"
    _enlarged_by = "bilinear"
