"""MediaPipe's selfie segmentation: which pixels belong to people.

https://github.com/google-ai-edge/mediapipe, ``modules/selfie_segmentation`` of the package ``mediapipe`` 0.10.14,
converted to ONNX; on photos its matte differs from LiteRT's by less than 0.0001.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx
from visiongpt_agent.models.jobs import SEGMENTATION_PEOPLE
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Packaged

if TYPE_CHECKING:
    from PIL import Image

_FILE: Final = "selfie_segmentation.onnx"
_SIDE: Final = 256


class SelfieSegmentation(Model):
    """Made for one or two people who fill much of the picture; crops round a person do best. 10 ms on a CPU.

    Where there is no person it takes what is in front for one, such as a cat: ask it about people who were found.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="selfie-segmentation",
        title="MediaPipe selfie segmentation",
        jobs=(SEGMENTATION_PEOPLE,),
        licence="Apache-2.0",
        homepage="https://github.com/google-ai-edge/mediapipe",
        memory=20_000_000,
        rank=50,
        source=Packaged({_FILE: "f93f387fcfa18175d6d606c0e10fed92486cffa2f72d43762ed659be1c7672b2"}),
    )

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load the network; it runs on the CPU, wherever ``placement`` says."""
        return cls(read_onnx(cls.card, folder, _FILE, small=True))

    def matte(self, image: Image.Image) -> FloatArray:
        """How much each pixel belongs to a person, float32 ``(H, W)`` from 0 to 1."""
        from PIL import Image

        small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) / 255).transpose(2, 0, 1)[None]
        (answer,) = self._session.run(["person"], {"image": np.ascontiguousarray(pixels)})
        matte = Image.fromarray(answer[0, 0]).resize(image.size, Image.Resampling.BILINEAR)
        return np.clip(np.asarray(matte, np.float32), 0, 1)
