"""PP-OCR: text detection and recognition, through the engine of RapidOCR.

PaddleOCR, https://github.com/PaddlePaddle/PaddleOCR; converted to ONNX by https://github.com/RapidAI/RapidOCR.
Version 6 is the default: it knows European letters and keeps spaces. Its weights come out of the wheel of ``rapidocr``,
which is not installed, since that would bring a second OpenCV. Version 4 is the quick one, in a package that is
installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import OCR, TextLine
from visiongpt_agent.models.text_boxes import crop, joined, scale_and_tiles, side_by_side
from visiongpt_agent.pictures.tiles import Pixels
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Installed, Wheel

if TYPE_CHECKING:
    from PIL import Image

_V4: Final = "rapidocr_onnxruntime/models"
_V4_DETECTOR, _V4_RECOGNISER = f"{_V4}/ch_PP-OCRv4_det_infer.onnx", f"{_V4}/ch_PP-OCRv4_rec_infer.onnx"
_V6_DETECTOR, _V6_RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"

_FLOOR: Final = 0.3
_LEAST_SIDE: Final = 8
_NARROWEST: Final = 6
"""Most that one side of a picture may exceed the other, as the detector sees it."""
_SURE: Final = 0.9
_VOTERS: Final = 8
_AT_ONCE: Final = 6
_BATCH: Final = 150
"""Lines that are read at once, and how long they may be together, in heights of a line: memory grows with that."""
_BETTER: Final = 0.03
"""By how much the mean score of lines turned over must exceed that of the lines as they are."""


class _PPOCR(Model):
    """Reads lines of printed text; handwriting and ornate lettering poorly.

    Pictures that are larger than the detector's input are searched in tiles, and lines that a seam cuts are put
    together again; lines are cut out of the picture itself. A page that lies on its side or upside down is turned
    first: which way, its longest lines vote.
    """

    detector: ClassVar[str]
    recogniser: ClassVar[str]

    def __init__(self, engine: Any) -> None:
        self._detect, self._recognise = engine.text_det, engine.text_rec

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load the networks; they run on the CPU, wherever ``placement`` says."""
        files = [(folder or Path()) / file for file in (cls.detector, cls.recogniser)]
        lost = next((file for file in files if not file.is_file()), None)
        if lost is not None:
            remedy = f"visiongpt models pull {cls.card.name}"
            if isinstance(cls.card.source, Installed):
                remedy = f"pip install --force-reinstall {cls.card.source.distribution}"
            raise WeightsError(f"{lost} is missing: {remedy}")
        from rapidocr_onnxruntime import RapidOCR as Engine

        detector, recogniser = map(str, files)
        given = {"det_model_path": detector, "rec_model_path": recogniser}
        # Pictures come in the size that they are to be searched in, and no line is turned over by itself.
        return cls(Engine(**given, det_limit_side_len=32, det_limit_type="min", use_cls=False))

    def read(self, image: Image.Image) -> list[TextLine]:
        """The lines of text with a score of at least 0.3 in reading order: from top to bottom, in a row from the left.

        A line's corners begin where its text begins: at the bottom right of a picture that is upside down.
        """
        if min(image.size) < _LEAST_SIDE:
            return []
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
        quarters, quads = 0, self._search(pixels)
        if side_by_side(quads):
            quarters, pixels = 1, np.ascontiguousarray(np.rot90(pixels))
            quads = self._search(pixels)
        crops = [crop(pixels, quad) for quad in quads]
        texts = self._texts(crops)
        if self._upside_down(crops, texts):
            quarters, quads = quarters + 2, [_turned_over(quad, pixels.shape) for quad in quads]
            pixels = np.ascontiguousarray(np.rot90(pixels, 2))
            texts = self._texts([np.ascontiguousarray(np.rot90(one, 2)) for one in crops])
        lines = [
            TextLine(text.strip(), float(score), tuple((float(x), float(y)) for x, y in quad))
            for quad, (text, score) in zip(quads, texts, strict=True)
            if text.strip() and score >= _FLOOR
        ]
        return [_turned_back(line, quarters, image.size) for line in in_reading_order(lines)]

    def _search(self, pixels: Pixels) -> list[FloatArray]:
        """Where lines are: corners ``(4, 2)`` of each in pixels, clockwise from the top left."""
        import cv2

        factor, tiles = scale_and_tiles((pixels.shape[1], pixels.shape[0]))
        size = [max(1, round(side * factor)) for side in pixels.shape[1::-1]]
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        scaled = np.asarray(pixels if factor == 1 else cv2.resize(pixels, size, interpolation=method), np.uint8)
        found = list[list[FloatArray]]()
        for left, top, right, bottom in tiles:
            quads, _ = self._detect(_less_narrow(scaled[top:bottom, left:right]))
            found.append([np.asarray(quad, np.float32) + np.array([left, top], np.float32) for quad in quads])
        limit = np.array(pixels.shape[1::-1], np.float32)
        return [np.clip(quad / np.float32(factor), 0, limit) for quad in joined(found)]

    def _texts(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        """The text and the score of each crop; those of a batch are padded to the longest, so long ones go by fewer."""
        texts = [("", 0.0)] * len(crops)
        length = np.array([one.shape[1] / one.shape[0] for one in crops])
        left = list(np.argsort(length, kind="stable"))
        while left:
            number = int(max(1, min(_AT_ONCE, _BATCH // max(length[left[min(_AT_ONCE, len(left)) - 1]], 1))))
            batch, left = left[:number], left[number:]
            read, _ = self._recognise([crops[i] for i in batch])
            for i, (text, score, *_) in zip(batch, read, strict=True):
                texts[i] = (str(text), float(score))
        return texts

    def _upside_down(self, crops: Sequence[Pixels], texts: Sequence[tuple[str, float]]) -> bool:
        """Whether the longest lines are read better turned over; clear ones need no vote."""
        length = np.array([one.shape[1] / one.shape[0] for one in crops])
        scores = np.array([score for _, score in texts])
        if not len(length) or float(np.average(scores, weights=length)) >= _SURE:
            return False
        voters = np.argsort(-length, kind="stable")[:_VOTERS]
        turned = self._texts([np.ascontiguousarray(np.rot90(crops[i], 2)) for i in voters])
        gain = [score - scores[i] for (_, score), i in zip(turned, voters, strict=True)]
        return float(np.average(gain, weights=length[voters])) > _BETTER


class PPOCRv6(_PPOCR):
    """PP-OCRv6 small: the languages of Europe, Chinese and Japanese."""

    card: ClassVar[ModelCard] = ModelCard(
        name="pp-ocr-v6-small",
        title="PP-OCRv6 small (RapidOCR)",
        jobs=(OCR,),
        licence="Apache-2.0",
        homepage="https://github.com/PaddlePaddle/PaddleOCR",
        memory=450_000_000,
        source=Wheel(
            "rapidocr",
            "3.10.0",
            members={
                _V6_DETECTOR: (
                    f"rapidocr/models/{_V6_DETECTOR}",
                    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
                ),
                _V6_RECOGNISER: (
                    f"rapidocr/models/{_V6_RECOGNISER}",
                    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
                ),
            },
            sha256="2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050",
            size=27_288_134,
        ),
        modules=("rapidocr_onnxruntime",),
    )
    detector, recogniser = _V6_DETECTOR, _V6_RECOGNISER


class PPOCRv4(_PPOCR):
    """PP-OCRv4 mobile: Latin letters without accents, digits, Chinese; often without the spaces between words."""

    card: ClassVar[ModelCard] = ModelCard(
        name="pp-ocr-v4-mobile",
        title="PP-OCRv4 mobile (RapidOCR)",
        jobs=(OCR,),
        licence="Apache-2.0",
        homepage="https://github.com/PaddlePaddle/PaddleOCR",
        memory=300_000_000,
        rank=10,
        source=Installed(
            "rapidocr-onnxruntime",
            {
                _V4_DETECTOR: "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
                _V4_RECOGNISER: "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
            },
        ),
        modules=("rapidocr_onnxruntime",),
    )
    detector, recogniser = _V4_DETECTOR, _V4_RECOGNISER


def _less_narrow(pixels: Pixels) -> Pixels:
    """A strip with more of its border on the right or below: the detector looks for letters, not for ribbons."""
    height, width = pixels.shape[:2]
    right, below = max(0, height // _NARROWEST - width), max(0, width // _NARROWEST - height)
    return np.ascontiguousarray(np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge"))


def _turned_over(quad: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """A quad on the page that was turned by 180 degrees, from the corner that is then the top left."""
    return np.roll(np.array([shape[1], shape[0]], np.float32) - quad, 2, axis=0)


def _turned_back(line: TextLine, quarters: int, size: tuple[int, int]) -> TextLine:
    """A line of a page that was turned counter-clockwise by quarters, with corners in the picture as it is."""
    width, height = size
    places = {
        0: lambda x, y: (x, y),
        1: lambda x, y: (width - y, x),
        2: lambda x, y: (width - x, height - y),
        3: lambda x, y: (y, height - x),
    }
    return TextLine(line.text, line.score, tuple(places[quarters](x, y) for x, y in line.corners))


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
