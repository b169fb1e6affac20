"""YOLO-Pose in the checkpoints of Ultralytics: finds people and their joints at once.

Jocher et al., *Ultralytics YOLO*, https://github.com/ultralytics/ultralytics, after Maji et al., *YOLO-Pose* (CVPR
Workshops 2022). The joints are those of COCO.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import unusable
from visiongpt_agent.models.jobs import POSE
from visiongpt_agent.models.vitpose import VitPose
from visiongpt_agent.models.yolo import YoloNetwork, yolo_card
from visiongpt_agent.regions import FloatArray

if TYPE_CHECKING:
    from PIL import Image

_FAINTEST: Final = 0.05
"""People with a lower score are not looked at: that somebody is in the box is known, so they may be faint."""
_LEAST_OVERLAP: Final = 0.4
"""Least IoU of a person whom the network finds with the box asked for."""
_SAME_OBJECT: Final = 0.7


class YoloPose(Model):
    """YOLO11 nano with a head for joints.

    It sees the whole picture and not one box at a time, so each box gets the joints of the person who fills it best,
    each person going to one box. A box that nobody fills gets joints with score 0, in its middle.
    """

    card: ClassVar[ModelCard] = yolo_card(
        "yolo11n-pose",
        "YOLO11 nano pose",
        "v8.3.0/yolo11n-pose.pt",
        "869e83fcdffdc7371fa4e34cd8e51c838cc729571d1635e5141e3075e9319dc0",
        POSE,
        size=6_300_000,
        memory=120_000_000,  # 3 million parameters in float32; with activations, measured on random weights
        rank=10,
    )
    joints = VitPose.joints
    portable = True

    def __init__(self, network: YoloNetwork) -> None:
        self._network = network

    def networks(self) -> Iterator[Any]:
        """The package's network."""
        yield self._network.network

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network = YoloNetwork.load(cls.card, folder, placement, ("Pose", "Pose26"))
        shape = tuple(network.network.model[-1].kpt_shape)
        if shape != (len(cls.joints), 3):
            raise unusable(cls.card, folder, f"it knows joints {shape}, not the {len(cls.joints)} of COCO")
        return cls(network)

    def keypoints(self, image: Image.Image, boxes: FloatArray) -> FloatArray:
        """float32 ``(N, len(joints), 3)``: x and y in pixels and a score from 0 to 1, for boxes ``xyxy`` ``(N, 4)``."""
        places = np.asarray(boxes, np.float32).reshape(-1, 4)
        joints = np.zeros((len(places), len(self.joints), 3), np.float32)
        joints[..., :2] = ((places[:, :2] + places[:, 2:]) / 2)[:, None]
        if not len(places):
            return joints
        answer = self._network.look(image)
        scores = answer.scores.max(axis=1)
        there = np.flatnonzero(scores >= _FAINTEST)
        for box, person in matches(image.size, places, answer.boxes[there], scores[there]):
            joints[box] = answer.points[there[person]]
        return joints


class YoloV8Pose(YoloPose):
    """YOLOv8 nano with a head for joints."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolov8n-pose",
        "YOLOv8 nano pose",
        "v8.3.0/yolov8n-pose.pt",
        "c6fa93dd1ee4a2c18c900a45c1d864a1c6f7aba75d84f91648a30b7fb641d212",
        POSE,
        size=6_832_633,
        memory=120_000_000,  # 3 million parameters in float32; with activations, measured on random weights
        rank=11,
    )


def matches(size: tuple[int, int], boxes: FloatArray, people: FloatArray, scores: FloatArray) -> list[tuple[int, int]]:
    """Which box is whose: pairs of positions, those that overlap most first, each box and each person once.

    Args:
        size: ``(width, height)`` of the picture.
        boxes: Those asked for, ``xyxy`` ``(N, 4)`` in pixels.
        people: Those found, ``(M, 4)``; some may be the same person, slightly otherwise, of whom the surest is taken.
        scores: How sure the network is of each, ``(M,)``.
    """
    from torch import from_numpy
    from torchvision.ops import box_iou, nms

    once = nms(from_numpy(people), from_numpy(scores), _SAME_OBJECT).numpy()
    inside = np.clip(people[once], 0, np.array([*size, *size], np.float32))
    overlap = box_iou(from_numpy(boxes), from_numpy(inside)).numpy()
    pairs = list[tuple[int, int]]()
    while overlap.size and overlap.max() >= _LEAST_OVERLAP:
        box, person = (int(i) for i in np.unravel_index(overlap.argmax(), overlap.shape))
        pairs.append((box, int(once[person])))
        overlap[box] = overlap[:, person] = 0
    return pairs
