"""Find faces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.language import sentences
from visiongpt_agent.language.english import count_phrase, place_of
from visiongpt_agent.models.jobs import DETECTION_CLOSED, DETECTION_FACES, ClosedDetector, FaceDetector
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._second_look import SEEN, best_overlap, detect_again
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool

_SURE: Final = 0.6
_SURE_PERSON: Final = 0.5
"""The score from which a person without a face is worth a word."""
_LEAST_PERSON: Final = 0.01
"""The share of the picture that such a person takes up at least; the face of a smaller one shows nobody."""
_CROP_SIDE: Final = 240
_SECOND_SIDE: Final = 640


@vision_tool("find faces", returns=Kind.REGIONS, needs=(DETECTION_FACES,))
def detect_faces(image: Image.Image, *, models: Models) -> ToolOutput:
    """Find the faces in a picture; it does not tell whose they are.

    Args:
        image: The picture.
        models: Gives the face detector.

    Returns:
        Regions labelled ``face``. ``facts``: ``count`` and ``places`` of the faces in the picture; ``people`` that a
        detector of classes sees in it, and how many of them are ``faceless``, with no face found on them.
    """
    with models.use(DETECTION_FACES, FaceDetector) as detector:
        faces = detector.detect(image.convert("RGB"))
    people = _people(image, models)
    faceless = _without_face(people, faces)
    return ToolOutput(
        value=faces,
        summary=_sentence(faces),
        models=(models.name(DETECTION_FACES),),
        missing=() if len(faces) else ("face",),
        uncertain=sentences.faces_missed(len(faces), len(people), faceless),
        facts={"count": len(faces), "places": _places(faces), "people": len(people), "faceless": faceless},
    )


def _people(image: Image.Image, models: Models) -> Regions:
    """The people that a detector of classes is sure of; none where there is no such detector here."""
    if not models.has(DETECTION_CLOSED):
        return Regions(image.size)
    with models.use(DETECTION_CLOSED, ClosedDetector) as detector:
        seen = detector.detect(image.convert("RGB"), threshold=max(detector.threshold, _SURE_PERSON))
    people = [label == "person" for label in seen.labels]
    return seen.select(np.array(people, np.bool_) & (seen.areas >= _LEAST_PERSON * image.width * image.height))


def _without_face(people: Regions, faces: Regions) -> int:
    """How many of the people have no face of their own: each face is the nearest person's whose box holds it."""
    left = list(range(len(people)))
    for x1, y1, x2, y2 in faces.boxes:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        boxes = people.boxes
        holding = [i for i in left if boxes[i, 0] <= x <= boxes[i, 2] and boxes[i, 1] <= y <= boxes[i, 3]]
        if holding:  # a face is near the top of its person
            left.remove(min(holding, key=lambda i: abs(float(boxes[i, 1]) - float(y1))))
    return len(left)


def _sentence(faces: Regions) -> str:
    if not len(faces):
        return "I found no face."
    where = f", {_places(faces)[0]} of the picture" if len(faces) == 1 else ""
    return f"There {'is' if len(faces) == 1 else 'are'} {count_phrase(len(faces), 'face')}{where}."


def _places(faces: Regions) -> list[str]:
    return [place_of(box, faces.size) for box in faces.boxes]


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


@detect_faces.check
def what_is_told_was_found(output: ToolOutput) -> Iterator[str]:
    """The number and the places that are told are those of the boxes."""
    faces = output.value
    assert isinstance(faces, Regions)
    facts = (output.facts["count"], output.facts["places"])
    if facts != (len(faces), _places(faces)) or output.summary != _sentence(faces):
        yield "the faces that are told are not those that were found"


@detect_faces.check
def a_second_look_agrees(image: Image.Image, output: ToolOutput, models: Models) -> Iterator[str]:
    """Each face is seen in a crop around it, and in the mirrored, smaller picture no other is clearly seen."""
    faces, picture = output.value, image.convert("RGB")
    assert isinstance(faces, Regions)
    with models.use(DETECTION_FACES, FaceDetector) as detector:
        factor = min(1.0, _SECOND_SIDE / max(picture.size))
        small = picture.resize([max(1, round(side * factor)) for side in picture.size])
        seen = detect_again(small, detector.detect)
        again = Regions.clipped(picture.size, seen.boxes / factor, seen.labels, seen.confidence)
        seen_there = best_overlap(faces, again) >= SEEN
        lost = [box for box, there in zip(faces.boxes, seen_there, strict=True) if not there]
        if not all(_is_in_crop(picture, box, detector) for box in lost):
            yield "a second look does not see a face where one was found"
    clear = again.select(again.confidence >= _SURE)
    missed = int((best_overlap(clear, faces) < SEEN).sum())
    if missed and len(faces):
        yield Doubt(f"A second look sees {count_phrase(missed, 'face')} more.")
    elif missed:
        yield f"a second look sees {count_phrase(missed, 'face')} where none was found"


def _is_in_crop(picture: Image.Image, box: npt.NDArray[np.float32], detector: FaceDetector) -> bool:
    """Whether the detector sees a face in the middle of a crop that is twice as wide and high as the box."""
    x1, y1, x2, y2 = (float(v) for v in box)
    pad_x, pad_y = (x2 - x1) / 2, (y2 - y1) / 2
    crop = picture.crop((round(x1 - pad_x), round(y1 - pad_y), round(x2 + pad_x), round(y2 + pad_y)))
    factor = _CROP_SIDE / max(crop.size)
    crop = crop.resize([max(1, round(side * factor)) for side in crop.size])
    middle = np.array([[0.25, 0.25, 0.75, 0.75]], np.float32) * np.array([*crop.size, *crop.size], np.float32)
    return bool(best_overlap(Regions(crop.size, middle), detector.detect(crop))[0] >= SEEN)
