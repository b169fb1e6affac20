"""Find the joints of people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps

from visiongpt_agent.language.english import count_phrase
from visiongpt_agent.models.jobs import (
    DETECTION_CLOSED,
    DETECTION_OPEN_VOCABULARY,
    POSE,
    ClosedDetector,
    OpenVocabularyDetector,
    PoseEstimator,
)
from visiongpt_agent.pictures.transparency import flatten
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.tools._second_look import SEEN, best_overlap, detect_again
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool

_SEEN: Final = 0.3
_SAME_BOX: Final = 0.9
_SURE, _FAINT = 0.5, 0.4
_ELSEWHERE, _OFF = 0.06, 0.12
"""How far a joint may lie from where the second look has it, as a share of the person's longer side: doubted, wrong."""


@vision_tool("body keypoints", returns=Kind.REGIONS, needs=(POSE, (DETECTION_OPEN_VOCABULARY, DETECTION_CLOSED)))
def estimate_pose(image: Image.Image, *, models: Models) -> ToolOutput:
    """Find the people in the picture and the joints of each: nose, eyes, shoulders, elbows, knees, ...

    Args:
        image: The picture.
        models: Where the pose model and the detector of people come from.

    Returns:
        One region for each person. ``facts["keypoints"]`` holds a list for each, of joints with ``name``, ``x``, ``y``
        in pixels and ``score`` from 0 to 1; joints with a score under 0.3 are left out.
    """
    people, detector = _people(flatten(image), models)
    if not len(people):
        return ToolOutput(people, "I found no people, so there is no pose.", (detector,), missing=("person",))
    with models.use(POSE, PoseEstimator) as estimator:
        points, joints = estimator.keypoints(flatten(image), people.boxes), estimator.joints
    keypoints = [_named(person, joints) for person in points]
    hidden = sum(1 for person in keypoints if len(person) < len(joints) / 2)
    return ToolOutput(
        people,
        f"I found the body keypoints of {count_phrase(len(people), 'person')}.",
        models=(detector, models.name(POSE)),
        uncertain=(f"Of {count_phrase(hidden, 'person')} fewer than half of the joints can be seen.",)
        if hidden
        else (),
        facts={"keypoints": keypoints},
    )


@estimate_pose.check
def joints_belong_to_people(image: Image.Image, output: ToolOutput) -> Iterator[str]:
    people = output.value
    assert isinstance(people, Regions)
    keypoints = output.facts.get("keypoints", [])
    if set(people.labels) - {"person"}:
        yield "something else than a person was found"
    if (np.triu(people.iou(people), 1) > _SAME_BOX).any():
        yield "a person was counted twice"
    if len(people) and count_phrase(len(people), "person") not in output.summary:
        yield "the number of people that is told is not that of those found"
    if len(keypoints) != len(people):
        yield f"there are {len(people)} people, but joints of {len(keypoints)}"
        return
    for (x1, y1, x2, y2), joints in zip(people.boxes, keypoints, strict=True):
        slack = 0.25 * max(x2 - x1, y2 - y1)
        near = [x1 - slack <= j["x"] <= x2 + slack and y1 - slack <= j["y"] <= y2 + slack for j in joints]
        if near.count(False) > len(near) / 4:
            yield "many joints lie outside the person that they are said to belong to"


def _people(image: Image.Image, models: Models, share: float = 1.0) -> tuple[Regions, str]:
    """The people of a picture, from a share of the threshold on, and the name of the model that found them."""
    if models.has(DETECTION_OPEN_VOCABULARY):
        with models.use(DETECTION_OPEN_VOCABULARY, OpenVocabularyDetector) as detector:
            found = detector.detect(image, ["person"], threshold=share * detector.threshold)
        return found, models.name(DETECTION_OPEN_VOCABULARY)
    with models.use(DETECTION_CLOSED, ClosedDetector) as closed:
        everything = closed.detect(image, threshold=share * closed.threshold)
    people = np.array([label == "person" for label in everything.labels], np.bool_)
    return everything.select(people), models.name(DETECTION_CLOSED)


def _named(points: Any, joints: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"name": name, "x": round(float(x), 1), "y": round(float(y), 1), "score": round(float(score), 3)}
        for name, (x, y, score) in zip(joints, points, strict=True)
        if score >= _SEEN
    ]


@estimate_pose.check
def a_second_look_agrees(image: Image.Image, output: ToolOutput, models: Models) -> Iterator[str]:
    """The people are seen in the mirrored picture too, and their joints at the same places."""
    people, keypoints = output.value, output.facts.get("keypoints", [])
    assert isinstance(people, Regions)
    picture = flatten(image)
    seen = detect_again(picture, lambda view: _people(view, models, _FAINT)[0])
    missed = int((best_overlap(seen.select(seen.confidence >= _SURE), people) < SEEN).sum())
    if missed and not len(people):
        yield f"a second look sees {count_phrase(missed, 'person')} where nobody was found"
    elif missed:
        yield Doubt(f"A second look sees {count_phrase(missed, 'person')} more.")
    if not len(people) or len(keypoints) != len(people):
        return
    if (best_overlap(people, seen) < SEEN).any():
        yield "a second look does not see a person where one was found"
    boxes = people.boxes.copy()
    boxes[:, [0, 2]] = picture.width - boxes[:, [2, 0]]
    with models.use(POSE, PoseEstimator) as estimator:
        points, joints = estimator.keypoints(ImageOps.mirror(picture), boxes), estimator.joints
    off = [  # of people who are mostly hidden that is told already
        _off(known, again, joints, box, picture.width)
        for known, again, box in zip(keypoints, points, boxes, strict=True)
        if len(known) >= len(joints) / 2
    ]
    if any(distance > _OFF for distance in off):
        yield "a second look sees the joints elsewhere"
    elif any(distance > _ELSEWHERE for distance in off):
        yield Doubt("A second look does not quite agree on where the joints are.")


def _off(known: list[dict[str, Any]], again: FloatArray, joints: tuple[str, ...], box: FloatArray, width: int) -> float:
    """Median distance of a person's joints from those in the mirror image, as a share of the box's longer side."""
    places = {_other_side(name): (width - float(x), float(y)) for name, (x, y, _) in zip(joints, again, strict=True)}
    far = [math.dist((joint["x"], joint["y"]), places[joint["name"]]) for joint in known if joint["name"] in places]
    return float(np.median(far) / max(box[2] - box[0], box[3] - box[1])) if far else 0.0


def _other_side(joint: str) -> str:
    """The joint that the mirror image of a joint is: left becomes right."""
    swapped = {"left": "right", "right": "left"}
    return " ".join(swapped.get(word, word) for word in joint.split())
