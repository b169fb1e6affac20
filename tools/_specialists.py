"""Things that other models know better than a detector of objects: codes, written text, faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from visiongpt_agent.language.vocabulary import Noun
from visiongpt_agent.models.jobs import CODES, DETECTION_FACES, OCR, CodeReader, FaceDetector, TextLine, TextReader
from visiongpt_agent.regions import Regions

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.tools.base import Models

_QR: Final = frozenset({"qr code", "qr", "qr-code"})
_BARS: Final = frozenset({"barcode", "bar code", "bar-code", "strichcode", "ean", "upc"})
_JOBS: Final = {
    **dict.fromkeys((*_QR, *_BARS, "code", "data matrix"), CODES),
    **dict.fromkeys(("text", "writing", "lettering", "line of text", "text line", "written text"), OCR),
    **dict.fromkeys(("face",), DETECTION_FACES),
}
_OF_PEOPLE: Final = frozenset({"", "human", "person's", "people's"})
_SQUARE: Final = ("qr", "matrix", "aztec", "maxicode")
"""What the names of formats that have no bars contain."""
_SURE_TEXT: Final = 0.85


def specialist(noun: Noun, models: Models) -> str:
    """The job whose model knows where such things are, ``""`` if none does here; a clock's face is nobody's."""
    job = _JOBS.get(noun.name, "")
    if job == DETECTION_FACES and noun.attribute not in _OF_PEOPLE:
        return ""
    return job if job and models.has(job) else ""


def find_by_specialist(noun: Noun, picture: Image.Image, models: Models) -> Regions:
    """The boxes of what a noun means, which has a :func:`specialist`, labelled with its name."""
    job = specialist(noun, models)
    if job == DETECTION_FACES:
        with models.use(DETECTION_FACES, FaceDetector) as detector:
            faces = detector.detect(picture)
        return Regions(faces.size, faces.boxes, (noun.name,) * len(faces), faces.confidence)
    if job == CODES:
        with models.use(CODES, CodeReader) as reader:
            return _boxes([line for kind, line in reader.read(picture) if _is_meant(noun.name, kind)], noun, picture)
    with models.use(OCR, TextReader) as of_text:
        return _boxes([line for line in of_text.read(picture) if line.score >= _SURE_TEXT], noun, picture)


def _is_meant(name: str, kind: str) -> bool:
    """Whether a code of a format, such as ``EAN-13``, is one of those that a noun means."""
    square = any(word in kind.casefold() for word in _SQUARE)
    if name in _QR:
        return "qr" in kind.casefold()
    if name == "data matrix":
        return "matrix" in kind.casefold()
    return not square if name in _BARS else True


def _boxes(lines: Sequence[TextLine], noun: Noun, picture: Image.Image) -> Regions:
    corners = np.array([line.corners for line in lines], np.float32).reshape(-1, 4, 2)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return Regions.clipped(picture.size, boxes, [noun.name] * len(lines), [line.score for line in lines])
