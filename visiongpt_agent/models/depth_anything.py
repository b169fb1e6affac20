"""Depth Anything V2: relative depth from one picture.

Yang et al., *Depth Anything V2* (NeurIPS 2024), https://github.com/DepthAnything/Depth-Anything-V2, in the format of
``transformers``. The repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from typing import ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.depth_network import DepthNetwork
from visiongpt_agent.models.jobs import DEPTH
from visiongpt_agent.weights import Hub


class DepthAnything(DepthNetwork):
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
            "5426e4f0f36572d16453bbda7a8389317b1bef99",
            networks=("",),
            size=99_176_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=("float32", "float16"),  # bfloat16 would leave steps in the depth
        devices=("cuda", "cpu"),
    )
    _head = "DepthAnythingForDepthEstimation"
    _encoder = "backbone"
    _enlarged_by = "bicubic"
