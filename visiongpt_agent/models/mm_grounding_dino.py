"""MM-Grounding-DINO and LLMDet: Grounding DINO trained anew, on more data and with a language model's captions.

Zhao et al., *An Open and Comprehensive Pipeline for Unified Object Grounding and Detection* (2024, arXiv 2401.02361),
https://github.com/open-mmlab/mmdetection; Fu et al., *LLMDet: Learning Strong Open-Vocabulary Object Detectors under
the Supervision of Large Language Models* (CVPR 2025), https://github.com/iSEE-Laboratory/LLMDet. Both in the format of
``transformers``; the repositories are taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from typing import ClassVar

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.models.grounding_dino import GroundingDino
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.weights import Hub


def _card(name: str, title: str, repository: str, rank: int) -> ModelCard:
    return ModelCard(
        name=name,
        title=title,
        jobs=(DETECTION_OPEN_VOCABULARY,),
        licence="Apache-2.0",
        homepage=f"https://huggingface.co/{repository}",
        memory=2_400_000_000,  # estimated: the parameters of Grounding DINO on the same encoder
        rank=rank,
        source=Hub(repository, "main", networks=("",), size=693_000_000, listed="2026-12-01"),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )


class MMGroundingDino(GroundingDino):
    """The network on Swin-T, trained on Objects365, GoldG and V3Det."""

    card: ClassVar[ModelCard] = _card(
        "mm-grounding-dino-tiny",
        "MM-Grounding-DINO tiny",
        "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
        rank=2,
    )
    threshold: float = 0.3
    """The default of mmdetection's demo, ``image_demo.py``."""
    _head = "MMGroundingDinoForObjectDetection"


class LLMDet(MMGroundingDino):
    """The same network, trained to describe pictures as well; of the three it finds the most rare things (LVIS)."""

    card: ClassVar[ModelCard] = _card("llmdet-tiny", "LLMDet tiny", "iSEE-Laboratory/llmdet_tiny", rank=1)
