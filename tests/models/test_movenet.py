from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.movenet import MoveNet
from visiongpt_agent.models.selfie_segmentation import SelfieSegmentation
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.estimate_pose import estimate_pose
from visiongpt_agent.weights import InPlace

Photo = Callable[[str], Image.Image]
ASTRONAUT = np.array([[20, 0, 360, 512]], np.float32)


@pytest.fixture(scope="module")
def pose() -> MoveNet:
    assert isinstance(MoveNet.card.source, InPlace)
    return MoveNet.load(MoveNet.card.source.folder(), Placement())


def test_the_joints_are_where_they_are(pose: MoveNet, photo: Photo) -> None:
    (person,) = pose.keypoints(photo("astronaut"), ASTRONAUT)
    joints = dict(zip(pose.joints, person.tolist(), strict=True))
    assert joints["nose"][:2] == pytest.approx([225, 125], abs=12)
    assert joints["left eye"][:2] == pytest.approx([247, 103], abs=12)  # her left, on the right of the picture
    assert joints["right eye"][:2] == pytest.approx([203, 102], abs=12)
    assert joints["right shoulder"][0] < joints["nose"][0] < joints["left shoulder"][0]
    assert joints["left ankle"][2] < 0.3, "it is not in the picture"


def test_left_and_right_change_places_in_the_mirror(pose: MoveNet, photo: Photo) -> None:
    image = photo("astronaut")
    (here,) = pose.keypoints(image, ASTRONAUT)
    mirrored = ASTRONAUT.copy()
    mirrored[:, [0, 2]] = image.width - ASTRONAUT[:, [2, 0]]
    (there,) = pose.keypoints(ImageOps.mirror(image), mirrored)
    left, right = (pose.joints.index(f"{side} shoulder") for side in ("left", "right"))
    assert image.width - there[right, 0] == pytest.approx(here[left, 0], abs=15)


def test_several_people_have_joints_of_their_own(pool: ModelPool, bus: Image.Image) -> None:
    output = estimate_pose(bus, models=pool)
    assert estimate_pose.problems({"image": bus}, output) == []
    assert output.models[-1] == "movenet-thunder"
    whole = [joints for joints in output.facts["keypoints"] if len(joints) >= 12]
    assert len(whole) >= 2
    for joints in whole:
        height = {joint["name"]: joint["y"] for joint in joints}
        assert height["left shoulder"] < height["left hip"] < height["left knee"] < height["left ankle"]


def test_people_stand_out_of_what_is_behind_them(photo: Photo) -> None:
    assert isinstance(SelfieSegmentation.card.source, InPlace)
    model = SelfieSegmentation.load(SelfieSegmentation.card.source.folder(), Placement())
    matte = model.matte(photo("astronaut"))
    assert matte[110:150, 200:250].min() > 0.9, "the face"
    assert matte[250:400, 100:200].mean() > 0.9, "the suit"
    assert matte[20:120, 330:380].max() < 0.1, "the wall"
