"""PP-OCRv4 mobile: text detection, orientation and recognition (Latin letters, digits, Chinese), through RapidOCR.

PaddleOCR, https://github.com/PaddlePaddle/PaddleOCR; converted to ONNX by https://github.com/RapidAI/RapidOCR.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import OCR, TextLine
from visiongpt_agent.weights import Installed

if TYPE_CHECKING:
    from PIL import Image

_FOLDER: Final = "rapidocr_onnxruntime/models"
_FILES: Final = {
    "det_model_path": f"{_FOLDER}/ch_PP-OCRv4_det_infer.onnx",
    "cls_model_path": f"{_FOLDER}/ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "rec_model_path": f"{_FOLDER}/ch_PP-OCRv4_rec_infer.onnx",
}
_SHA256: Final = {
    "det_model_path": "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    "cls_model_path": "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    "rec_model_path": "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
}
_FLOOR: Final = 0.3
_LEAST_SIDE: Final = 8
_READS_BEST_AT: Final = 1600
"""Longer side, in pixels, to which smaller pictures are enlarged: small lettering is then read with fewer mistakes."""
_MOST_ENLARGED: Final = 2.0
_NARROWEST: Final = 6
"""Most that one side of a picture may exceed the other, as the library sees it."""


class RapidOCR(Model):
    """Reads lines of printed text; handwriting and ornate lettering poorly."""

    card: ClassVar[ModelCard] = ModelCard(
        name="pp-ocr-v4-mobile",
        title="PP-OCRv4 mobile (RapidOCR)",
        jobs=(OCR,),
        licence="Apache-2.0",
        homepage="https://github.com/RapidAI/RapidOCR",
        memory=300_000_000,
        source=Installed("rapidocr-onnxruntime", {_FILES[key]: _SHA256[key] for key in _FILES}),
        modules=("rapidocr_onnxruntime",),
    )

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load the three networks; they run on the CPU, wherever ``placement`` says."""
        if folder is None or not all((folder / file).is_file() for file in _FILES.values()):
            raise WeightsError(f"{folder} lacks the models of rapidocr-onnxruntime: reinstall that package")
        from rapidocr_onnxruntime import RapidOCR as Engine

        return cls(Engine(**{key: str(folder / file) for key, file in _FILES.items()}))

    def read(self, image: Image.Image) -> list[TextLine]:
        """The lines of text with a score of at least 0.3, from top to bottom, those side by side from left to right."""
        if min(image.size) < _LEAST_SIDE:
            return []
        scale = min(_MOST_ENLARGED, max(1.0, _READS_BEST_AT / max(image.size)))
        large = image.convert("RGB").resize([round(side * scale) for side in image.size])
        found, _ = self._engine(_less_narrow(np.asarray(large)[:, :, ::-1]), text_score=_FLOOR)
        lines = [
            TextLine(text.strip(), float(score), tuple((float(x) / scale, float(y) / scale) for x, y in corners))
            for corners, text, score in found or []
            if text.strip()
        ]
        return in_reading_order(lines)


def _less_narrow(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A strip with more of its border on the right or below.

    The library enlarges the shorter side to 736 pixels: one of 8x260 would become 24,000 pixels long.
    """
    height, width = pixels.shape[:2]
    right, below = max(0, height // _NARROWEST - width), max(0, width // _NARROWEST - height)
    return np.ascontiguousarray(np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge"))


def in_reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines sorted into rows from top to bottom, in a row from left to right.

    A line belongs to a row if its middle lies within the height of the row's first line.
    """
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=_middle):
        row = next((row for row in rows if _top(row[0]) <= _middle(line) <= _bottom(row[0])), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    return [line for row in rows for line in sorted(row, key=lambda line: min(x for x, _ in line.corners))]


def _top(line: TextLine) -> float:
    return min(y for _, y in line.corners)


def _bottom(line: TextLine) -> float:
    return max(y for _, y in line.corners)


def _middle(line: TextLine) -> float:
    return (_top(line) + _bottom(line)) / 2
