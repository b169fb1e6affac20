"""Find faces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from visiongpt_agent.english import count_phrase, place_of
from visiongpt_agent.models.jobs import DETECTION_FACES, FaceDetector
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import Models, ToolOutput, vision_tool


@vision_tool("find faces", returns=Kind.REGIONS, needs=(DETECTION_FACES,))
def detect_faces(image: Image.Image, *, models: Models) -> ToolOutput:
    """Find the faces in a picture; it does not tell whose they are.

    Args:
        image: The picture.
        models: Gives the face detector.

    Returns:
        Regions labelled ``face``. ``facts``: ``count``, and ``places`` of the faces in the picture.
    """
    with models.use(DETECTION_FACES, FaceDetector) as detector:
        faces = detector.detect(image.convert("RGB"))
    places = [place_of(box, faces.size) for box in faces.boxes]
    told = f"There {'is' if len(faces) == 1 else 'are'} {count_phrase(len(faces), 'face')}"
    where = f", {places[0]} of the picture" if len(faces) == 1 else ""
    return ToolOutput(
        value=faces,
        summary=f"{told}{where}." if len(faces) else "I found no face.",
        models=(models.name(DETECTION_FACES),),
        missing=() if len(faces) else ("face",),
        uncertain=("Faces that are small, turned away or half hidden may have been missed.",),
        facts={"count": len(faces), "places": places},
    )


@detect_faces.check
def faces_are_faces(output: ToolOutput) -> Iterator[str]:
    """Every region is a face, about as wide as high, and none is counted twice."""
    faces = output.value
    assert isinstance(faces, Regions)
    if set(faces.labels) - {"face"}:
        yield "something else than a face was found"
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    whole = (faces.boxes[:, :2] > 0).all(axis=1) & (faces.boxes[:, 2:] < np.array(faces.size)).all(axis=1)
    if ((sides.max(axis=1) > 3 * sides.min(axis=1)) & whole).any():
        yield "a face is more than three times as long as wide"
    if (np.triu(faces.iou(faces), 1) > 0.5).any():
        yield "a face was counted twice"
