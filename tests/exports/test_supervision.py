"""To and from ``supervision.Detections``: the attributes of its first and of its present form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from visiongpt_agent import InputError, Regions
from visiongpt_agent.exports.supervision import from_detections, to_detections

SIZE = (40, 30)


@dataclass
class OldDetections:
    """The attributes of supervision 0.6."""

    xyxy: Any
    confidence: Any = None
    class_id: Any = None
    tracker_id: Any = None


@dataclass
class NewDetections:
    """The attributes of supervision 0.31."""

    xyxy: Any
    mask: Any = None
    confidence: Any = None
    class_id: Any = None
    tracker_id: Any = None
    data: dict[str, Any] = field(default_factory=dict)


def two() -> Regions:
    masks = np.zeros((2, 30, 40), np.bool_)
    masks[0, 5:10, 5:20] = masks[1, 20:25, 1:4] = True
    return Regions.from_masks(masks, labels=("dog", "cat"), scores=[0.75, 0.5])


def test_there_and_back_with_masks() -> None:
    back = from_detections(to_detections(two(), NewDetections), SIZE)

    assert back.labels == ("dog", "cat")
    assert np.array_equal(back.boxes, two().boxes)
    assert back.masks is not None
    assert np.array_equal(back.masks, np.asarray(two().masks))
    assert back.confidence.tolist() == [0.75, 0.5]


def test_there_and_back_without() -> None:
    made = to_detections(two(), OldDetections)

    assert made.class_id.tolist() == [1, 0]
    back = from_detections(made, SIZE, names=["cat", "dog"])
    assert back.labels == ("dog", "cat")
    assert back.masks is None


def test_boxes_a_little_over_the_edge_and_none_at_all() -> None:
    over = from_detections(NewDetections(np.array([[-0.4, 1, 40.3, 30.2]])), SIZE)

    assert over.boxes.tolist() == [[0, 1, 40, 30]]
    assert len(from_detections(NewDetections(np.zeros((0, 4))), SIZE)) == 0


def test_class_ids_without_a_name() -> None:
    detections = OldDetections(np.array([[1, 1, 5, 5]]), class_id=np.array([3]))

    with pytest.raises(InputError, match="need as many names, not 2"):
        from_detections(detections, SIZE, names=["cat", "dog"])
    assert from_detections(detections, SIZE).labels == ("",)
