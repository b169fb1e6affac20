"""LaMa: fills holes from around them, large ones and textured ones too.

Suvorov et al., *Resolution-robust Large Mask Inpainting with Fourier Convolutions* (WACV 2022),
https://github.com/advimman/lama; the weights are its "big" ones as Carve exported them to ONNX. The repository is taken
at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx, unusable
from visiongpt_agent.models.jobs import INPAINT_REMOVE
from visiongpt_agent.models.sd_inpainting import window_around
from visiongpt_agent.regions import BoolArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

ByteArray = npt.NDArray[np.uint8]

_FILE: Final = "lama_fp32.onnx"
_SIDE: Final = 512
_SHAPES: Final = [[1, _SIDE, _SIDE], [3, _SIDE, _SIDE]]


class LaMa(Model):
    """Big LaMa, which sees 512x512 pixels: the hole with half its sides around, or a whole small picture.

    Holes that lie apart are filled one after the other, the largest first, each at the best resolution it can have.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="lama",
        title="Big LaMa",
        jobs=(INPAINT_REMOVE,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/Carve/LaMa-ONNX",
        memory=1_200_000_000,  # estimated: 51 million parameters in float32, and 1 GB for what it computes
        source=Hub(
            "Carve/LaMa-ONNX",
            "c3c0c9e468934d62e79c329e35d82dd09ff8c444",
            {_FILE: "1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6"},
            size=208_044_816,
            listed="2026-11-30",
            verified=True,
        ),
    )
    max_share: float = 0.5
    """The paper's hardest holes, 40 to 50 % of a picture, are the largest it was measured on."""
    beyond: str = "say what is to be painted there instead"

    def __init__(self, session: Any) -> None:
        self._session = session
        self._mask, self._image = (i.name for i in sorted(session.get_inputs(), key=lambda i: int(i.shape[1])))

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        session = read_onnx(cls.card, folder, _FILE)
        shapes = sorted((list(wanted.shape[1:]) for wanted in session.get_inputs()), key=str)
        if shapes != _SHAPES or len(session.get_outputs()) != 1:
            raise unusable(cls.card, folder, f"{_FILE} has other inputs")
        return cls(session)

    def remove(self, image: Image.Image, mask: BoolArray) -> Image.Image:
        """The picture with the mask, bool ``(H, W)``, filled in; pixels outside it unchanged."""
        import cv2
        from PIL import Image

        filled = np.array(image.convert("RGB"))
        _, labels, holes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        left, upper, width, height, area = holes.T
        open_ = np.arange(len(holes)) > 0  # the first is all around the holes
        for number in np.argsort(-area, kind="stable"):
            if not open_[number]:
                continue
            side = max(_SIDE, 2 * int(max(width[number], height[number])))
            window = window_around(labels == number, side)
            rows, columns = slice(window[1], window[3]), slice(window[0], window[2])
            made = self._fill(filled[rows, columns], open_[labels[rows, columns]])
            inside = (left >= window[0]) & (upper >= window[1])
            inside &= (left + width <= window[2]) & (upper + height <= window[3])
            done = (open_ & inside)[labels[rows, columns]]
            filled[rows, columns][done] = made[done]
            open_ &= ~inside
        return Image.fromarray(filled)

    def _fill(self, pixels: ByteArray, mask: BoolArray) -> ByteArray:
        """What the network makes of a part of the picture, uint8 ``(h, w, 3)`` as it is; good inside the mask alone."""
        from PIL import Image

        height, width = mask.shape
        scale = min(1, _SIDE / max(height, width))
        small = max(1, round(width * scale)), max(1, round(height * scale))
        shown = Image.fromarray(pixels).resize(small, Image.Resampling.BILINEAR)
        hidden = Image.fromarray(mask).convert("L").resize(small, Image.Resampling.BILINEAR)
        hole = _filled_up(np.asarray(hidden) > 0)  # whatever the hole's pixels have any part in
        known = _filled_up(np.asarray(shown)) * ~hole[..., None] / np.float32(255)
        (answer,) = self._session.run(
            None,
            {
                self._image: known.transpose(2, 0, 1)[None].astype(np.float32),
                self._mask: hole[None, None].astype(np.float32),
            },
        )
        painted = np.clip(answer[0].transpose(1, 2, 0)[: small[1], : small[0]] + 0.5, 0, 255).astype(np.uint8)
        return np.asarray(Image.fromarray(painted).resize((width, height), Image.Resampling.BICUBIC))


def _filled_up(pixels: Any) -> Any:
    """An array ``(h, w, ...)`` continued to the right and below by its mirror image, to the network's size."""
    height, width = pixels.shape[:2]
    rest = [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, [(0, _SIDE - height), (0, _SIDE - width), *rest], mode="symmetric")
