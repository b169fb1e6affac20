"""Pictures made to look drawn or painted by image processing, without weights.

The painted styles rest on the filter of Kuwahara et al., *Processing of RI-angiocardiographic images* (1976), the drawn
ones on differences of Gaussians (Winnemöller, Olsen and Gooch, *Real-Time Video Abstraction*, SIGGRAPH 2006). Lengths
grow with the picture, so that a large photo looks like a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import STYLE_FILTER

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


class CVStyles(Model):
    """Pencil sketch, charcoal, watercolor, oil painting and cartoon, with OpenCV."""

    card: ClassVar[ModelCard] = ModelCard(
        name="cv-styles",
        title="Drawing and painting filters",
        jobs=(STYLE_FILTER,),
        licence="Apache-2.0",
        homepage="https://opencv.org",
        memory=100_000_000,
    )

    def __init__(self) -> None:
        self.styles: tuple[str, ...] = tuple(_FILTERS)

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()

    def stylize(self, image: Image.Image, style: str) -> Image.Image:
        """The picture, same size, RGB, in one of :attr:`styles`; the same every time.

        Raises:
            ToolError: If there is no style of that name.
        """
        from PIL import Image

        if style not in _FILTERS:
            raise ToolError(f"there is no style {style!r}: the styles are {', '.join(_FILTERS)}")
        return Image.fromarray(_FILTERS[style](np.asarray(image.convert("RGB"))))


def _pencil(pixels: Pixels) -> Pixels:
    """Dodge the greys by their own blur, so that only changes of tone stay, and lay them on grained paper."""
    import cv2

    grey = _floats(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    lifted = grey + 30  # keeps black areas from turning solid
    lines = np.clip(lifted / cv2.GaussianBlur(lifted, (0, 0), max(1.0, 8 * _unit(pixels))), 0, 1) ** 2.2
    shaded = lines * (0.72 + 0.28 * np.clip(grey / 160, 0, 1))
    grain = _noise(pixels, 0.7)
    return _grey_picture(shaded - (1 - shaded) * 0.06 * grain - 0.015 * grain)


def _charcoal(pixels: Pixels) -> Pixels:
    """Broad dark lines over coarse, grainy shading."""
    import cv2

    unit = max(1.0, _unit(pixels))
    grey = _floats(cv2.bilateralFilter(_floats(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)) / 255, 7, 0.15, 5))
    tone = grey * 1.3 + 0.12 + 0.1 * _noise(pixels, 0.8 * unit) * (1 - grey)
    return _grey_picture(_ink(grey, 1.2 * unit, 2.4 * unit, 0.96, 45) * np.clip(tone, 0, 1))


def _oil(pixels: Pixels) -> Pixels:
    return _kuwahara(pixels, max(4, round(5 * _unit(pixels))))


def _watercolor(pixels: Pixels) -> Pixels:
    """Thin pigment in flat patches that dries darker at their rims and varies over the paper."""
    import cv2

    unit = _unit(pixels)
    patches = cv2.edgePreservingFilter(_kuwahara(pixels, max(4, round(5 * unit))), flags=1, sigma_s=40, sigma_r=0.35)
    color = _floats(patches) / np.float32(255)
    grey = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    rims = cv2.GaussianBlur(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3))), (0, 0), max(0.5, 1.2 * unit))
    pools, paper = _noise(pixels, max(4.0, 30 * unit)), _noise(pixels, max(0.7, 1.5 * unit))
    thickness = 0.68 * (1 + 0.5 * rims + 0.04 * pools + 0.04 * paper)
    hsv = cv2.cvtColor(np.asarray(np.clip(1 - (1 - color) * thickness[..., None], 0, 1)), cv2.COLOR_RGB2HSV)
    hsv[..., 1] = np.clip(hsv[..., 1] * 1.35, 0, 1)
    return _color_picture(_floats(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)))


def _cartoon(pixels: Pixels) -> Pixels:
    """Few shades of lightness, strong colours, black lines."""
    import cv2

    flat = pixels
    for _ in range(5):
        flat = np.asarray(cv2.bilateralFilter(flat, 9, 25, 7), np.uint8)
    unit = max(1.0, _unit(pixels))
    lab = _floats(cv2.cvtColor(_floats(flat) / 255, cv2.COLOR_RGB2LAB))
    step = 12.0
    centres = np.floor(lab[..., 0] / step) * step + step / 2
    lab[..., 0] = centres + np.tanh((lab[..., 0] - centres) / 3) * step / 4
    lab[..., 1:] *= 1.25
    grey = _floats(cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)) / np.float32(255)
    lines = cv2.GaussianBlur(_ink(grey, unit, 1.6 * unit, 0.98, 60), (0, 0), 0.6)
    return _color_picture(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * lines[..., None])


_FILTERS: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {
    "pencil sketch": _pencil,
    "charcoal drawing": _charcoal,
    "watercolor": _watercolor,
    "oil painting": _oil,
    "cartoon": _cartoon,
}


def _unit(pixels: Pixels) -> float:
    """The length in pixels that is one at 400 pixels on the shorter side."""
    return float(min(pixels.shape[:2])) / 400


def _kuwahara(pixels: Pixels, radius: int) -> Pixels:
    """Each pixel becomes the mean of the least varied of the four squares that it is a corner of."""
    import cv2

    color = _floats(pixels)
    grey = _floats(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY))

    def mean(values: Values) -> Values:
        square = (radius + 1, radius + 1)
        return _floats(cv2.boxFilter(values, -1, square, borderType=cv2.BORDER_REFLECT))

    means, varied = mean(color), _floats(mean(grey * grey) - mean(grey) ** 2)
    best, least = means, np.full_like(grey, np.inf)
    for x in (-radius / 2, radius / 2):
        for y in (-radius / 2, radius / 2):
            shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
            size = (pixels.shape[1], pixels.shape[0])
            moved, spread = (cv2.warpAffine(v, shift, size, borderMode=cv2.BORDER_REFLECT) for v in (means, varied))
            calmer = spread < least
            best, least = np.where(calmer[..., None], moved, best), np.where(calmer, spread, least)
    return np.asarray(np.clip(best, 0, 255), np.uint8)


def _ink(grey: Values, fine: float, coarse: float, balance: float, hardness: float) -> Values:
    """Lines by the difference of two Gaussians, 1 for bare paper, 0 for full ink."""
    import cv2

    difference = cv2.GaussianBlur(grey, (0, 0), fine) - balance * cv2.GaussianBlur(grey, (0, 0), coarse)
    return _floats(np.where(difference > 0, 1, 1 + np.tanh(hardness * difference)))


def _noise(pixels: Pixels, grain: float) -> Values:
    """Noise of mean 0 and deviation 1 with spots of about ``grain`` pixels, the same every time."""
    import cv2

    height, width = pixels.shape[:2]
    shape = max(4, round(height / max(1.0, grain))), max(4, round(width / max(1.0, grain)))
    coarse = np.random.default_rng(0).standard_normal(shape, np.float32)
    spots = cv2.GaussianBlur(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 0.7)
    return _floats(spots) / np.float32(max(float(np.std(_floats(spots))), 1e-6))


def _floats(values: npt.ArrayLike) -> Values:
    return np.asarray(values, np.float32)


def _grey_picture(values: npt.NDArray[np.floating]) -> Pixels:
    return np.repeat(_color_picture(values)[..., None], 3, axis=2)


def _color_picture(values: npt.NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5, np.uint8)
