"""BiRefNet: the foreground of a picture as a soft matte, fine down to hair and spokes.

Zheng et al., *Bilateral Reference for High-Resolution Dichotomous Image Segmentation* (CAAI AIR 2024),
https://github.com/ZhengPeng7/BiRefNet; the weights are its general ones as the ONNX community of the hub exported them:
the authors' own repository needs code of theirs to be run, which this package never does. The repositories are taken
at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx, unusable
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND
from visiongpt_agent.models.pixels import normalised
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_FILE: Final = "onnx/model.onnx"
_SIDE: Final = 1024


def _card(name: str, title: str, repository: str, *, size: int, memory: int, rank: int, sha256: str = "") -> ModelCard:
    return ModelCard(
        name=name,
        title=title,
        jobs=(SEGMENTATION_FOREGROUND,),
        licence="MIT",
        homepage=f"https://huggingface.co/{repository}",
        memory=memory,
        rank=rank,
        source=Hub(repository, "main", {_FILE: sha256}, size=size, listed="2026-11-30", verified=bool(sha256)),
    )


class BiRefNetLite(Model):
    """The network on Swin-T."""

    card: ClassVar[ModelCard] = _card(
        "birefnet-lite",
        "BiRefNet lite",
        "onnx-community/BiRefNet_lite-ONNX",
        size=224_005_088,
        sha256="5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333",
        memory=3_500_000_000,  # estimated: 44 million parameters in float32, the rest for what it computes
        rank=-10,
    )
    caveat: str = ""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        session = read_onnx(cls.card, folder, _FILE)
        if len(session.get_inputs()) != 1 or list(session.get_inputs()[0].shape)[1:2] != [3]:
            raise unusable(cls.card, folder, f"{_FILE} has other inputs")
        return cls(session)

    def matte(self, image: Image.Image) -> FloatArray:
        """How much each pixel belongs to the foreground, float32 ``(H, W)`` from 0 to 1.

        The whole picture is squeezed into a square of 1024 pixels; the network answers with a logit for each of them.
        """
        from PIL import Image

        square = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        (answer,) = self._session.run([self._output], {self._input: normalised(square)})
        likely = 1 / (1 + np.exp(-np.asarray(answer, np.float32).reshape(_SIDE, _SIDE)))
        matte = Image.fromarray(likely).resize(image.size, Image.Resampling.BILINEAR)
        return np.clip(np.asarray(matte, np.float32), 0, 1)


class BiRefNet(BiRefNetLite):
    """The network on Swin-L: finer, and several times as slow."""

    card: ClassVar[ModelCard] = _card(
        "birefnet",
        "BiRefNet",
        "onnx-community/BiRefNet-ONNX",
        size=972_666_916,
        memory=5_500_000_000,  # estimated: 221 million parameters in float32, the rest for what it computes
        rank=-5,
    )
