"""ZXing-C++: QR and bar codes of all usual kinds (https://github.com/zxing-cpp/zxing-cpp). It has no weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import CODES, TextLine

if TYPE_CHECKING:
    from PIL import Image

_UPSCALED_BELOW: Final = 1500
_CORNERS: Final = ("top_left", "top_right", "bottom_right", "bottom_left")


class ZXing(Model):
    """Reads every code that it finds, turned or inverted ones too; a small picture is tried at twice its size."""

    card: ClassVar[ModelCard] = ModelCard(
        name="zxing-cpp",
        title="ZXing-C++",
        jobs=(CODES,),
        licence="Apache-2.0",
        homepage="https://github.com/zxing-cpp/zxing-cpp",
        memory=10_000_000,
        modules=("zxingcpp",),
    )

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls()

    def read(self, image: Image.Image) -> list[tuple[str, TextLine]]:
        """The codes as (format, content with its corners in pixels), from top to bottom, each place once."""
        import zxingcpp

        codes: list[tuple[str, TextLine]] = []
        for picture, factor in _sizes(image):
            for code in zxingcpp.read_barcodes(np.array(picture.convert("L"))):
                if code.valid and code.text:
                    read = _name(code), TextLine(code.text, 1.0, _corners(code.position, factor))
                    if not any(_is_same(read, other) for other in codes):
                        codes.append(read)
            if codes:
                break
        return sorted(codes, key=lambda code: min(y for _, y in code[1].corners))


def _sizes(image: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    yield image, 1
    if max(image.size) < _UPSCALED_BELOW:
        for factor in (2, 3):
            yield image.resize((image.width * factor, image.height * factor)), factor


def _is_same(one: tuple[str, TextLine], other: tuple[str, TextLine]) -> bool:
    """Whether two readings are of one code: they say the same, and the middle of one lies in the box of the other."""
    if (one[0], one[1].text) != (other[0], other[1].text):
        return False
    middle = [sum(values) / len(values) for values in zip(*one[1].corners, strict=True)]
    sides = list(zip(*other[1].corners, strict=True))
    return all(min(side) <= value <= max(side) for value, side in zip(middle, sides, strict=True))


def _name(code: Any) -> str:
    import zxingcpp

    names = {zxingcpp.BarcodeFormat.QRCode: "QR Code"}
    return names.get(code.format, str(code.format))


def _corners(position: Any, factor: int) -> tuple[tuple[float, float], ...]:
    points = [getattr(position, corner) for corner in _CORNERS]
    return tuple((point.x / factor, point.y / factor) for point in points)
