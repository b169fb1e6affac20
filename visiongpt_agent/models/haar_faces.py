"""Viola-Jones face detection with OpenCV's Haar cascades (Viola and Jones, CVPR 2001; Lienhart and Maydt, 2002)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import DETECTION_FACES
from visiongpt_agent.regions import Regions
from visiongpt_agent.weights import Installed

if TYPE_CHECKING:
    from PIL import Image

_LONG_SIDE: Final = 960
_SMALLEST: Final = 24
_STEP: Final = 1.05
_INSIDE: Final = 0.5


class _View(NamedTuple):
    """One cascade over the picture or its mirror image; a face needs ``least`` overlapping hits."""

    file: str
    mirror: bool
    least: int


_VIEWS: Final = (
    _View("cv2/data/haarcascade_frontalface_alt2.xml", False, 9),
    _View("cv2/data/haarcascade_profileface.xml", False, 11),
    _View("cv2/data/haarcascade_profileface.xml", True, 11),
)
_SHA256: Final = {
    "cv2/data/haarcascade_frontalface_alt2.xml": "7b0c967d9abbdfbde025eb9c786947d151b6426040d07a8f9562ed8fd90724b4",
    "cv2/data/haarcascade_profileface.xml": "b39a4a3be45539db146a7fc1d3e761a292c196eb88421185e6a615b3055e612d",
}


class HaarFaces(Model):
    """Finds upright faces from the front and from the side, those of at least 24 pixels in a picture of 960.

    The least numbers of hits were chosen on nine photos so that it rather misses a face than sees one in a wheel: it
    found five of the six plain faces, and none where there is none.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="haar-faces",
        title="OpenCV Haar cascades for faces",
        jobs=(DETECTION_FACES,),
        licence="Apache-2.0",
        homepage="https://github.com/opencv/opencv/tree/4.x/data/haarcascades",
        memory=50_000_000,
        rank=50,
        source=Installed("opencv-python", _SHA256),
        modules=("cv2",),
    )

    def __init__(self, cascades: dict[str, Any]) -> None:
        self._cascades = cascades
        self._one_at_a_time = threading.Lock()

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import cv2

        cascades = {file: cv2.CascadeClassifier(str((folder or Path()) / file)) for file in _SHA256}
        for file, cascade in cascades.items():
            if cascade.empty():
                raise WeightsError(f"{file} cannot be read from {folder}: reinstall opencv-python")
        return cls(cascades)

    def detect(self, image: Image.Image) -> Regions:
        """The faces, surest first, each labelled ``face``; the score grows with the number of hits: n / (n + 10)."""
        import cv2

        factor = min(1.0, _LONG_SIDE / max(image.size))
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        grey = np.asarray(cv2.resize(np.asarray(image.convert("L")), size, interpolation=cv2.INTER_AREA), np.uint8)
        boxes, hits = np.zeros((0, 4)), np.zeros(0)
        for view in _VIEWS:
            seen, number = self._see(grey, view)
            boxes, hits = np.concatenate([boxes, seen / factor]), np.concatenate([hits, number])
        faces = Regions.clipped(image.size, boxes, ["face"] * len(boxes), hits / (hits + 10))
        return _each_once(faces.select(np.argsort(-faces.confidence, kind="stable")))

    def _see(self, grey: npt.NDArray[np.uint8], view: _View) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Boxes ``(N, 4)`` in pixels of the grey picture, and the number of hits of each."""
        canvas = np.ascontiguousarray(grey[:, ::-1]) if view.mirror else grey
        with self._one_at_a_time:  # a cascade keeps the picture that it looks at
            found, hits = self._cascades[view.file].detectMultiScale2(
                canvas, scaleFactor=_STEP, minNeighbors=view.least, minSize=(_SMALLEST, _SMALLEST)
            )
        left, top, width, height = np.asarray(found, np.float64).reshape(-1, 4).T
        if view.mirror:
            left = grey.shape[1] - left - width
        return np.stack([left, top, left + width, top + height], axis=1), np.asarray(hits, np.float64).reshape(-1)


def _each_once(faces: Regions) -> Regions:
    """Of faces that lie mostly in each other (as seen from the front and from the side) the surest."""
    kept: list[int] = []
    for i, box in enumerate(faces.boxes):
        if all(_shared(box, faces.boxes[j]) <= _INSIDE for j in kept):
            kept.append(i)
    return faces.select(kept)


def _shared(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """The share of the smaller box that lies in the other."""
    overlap = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None).prod()
    return float(overlap / min((one[2:] - one[:2]).prod(), (other[2:] - other[:2]).prod()))
