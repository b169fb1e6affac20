"""YOLO-Pose of Ultralytics on tiny random checkpoints of the real format, and planted people through its matching."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models.originals.needed import needed
from tests.models.originals.tiny_yolo import SIDE, tiny_checkpoint, tiny_network
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import POSE
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.yolo_pose import YoloPose, YoloV8Pose, matches
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.settings import Settings

needed("yolo", "torchvision", "ultralytics")

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
PLANS = {"yolov8n-pose.yaml": YoloV8Pose, "yolo11n-pose.yaml": YoloPose, "yolo26n-pose.yaml": YoloPose}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for plan, kind in PLANS.items():
        made[plan] = tmp_path_factory.mktemp(plan)
        tiny_checkpoint(made[plan] / f"{kind.card.name}.pt", plan, ("person",))
    return made


@pytest.fixture(scope="module")
def model(folders: dict[str, Path]) -> YoloPose:
    return YoloPose.load(folders["yolo11n-pose.yaml"], Placement())


@pytest.mark.parametrize("plan", PLANS)
def test_joints_are_those_of_the_package(folders: dict[str, Path], photo: Photo, plan: str) -> None:
    from ultralytics import YOLO

    kind, image = PLANS[plan], photo("coffee")
    model = kind.load(folders[plan], Placement())
    package = YOLO(folders[plan] / f"{kind.card.name}.pt")
    bgr = np.ascontiguousarray(np.asarray(image)[..., ::-1])
    (told,) = package.predict(bgr, conf=0.05, iou=0.7, imgsz=SIDE, verbose=False, device="cpu")
    boxes, theirs = told.boxes.xyxy.numpy(), told.keypoints.data.numpy()
    there = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)  # some lie in the bars
    boxes, theirs = boxes[there], theirs[there]
    people = Regions(image.size, boxes)
    single = (people.iou(people) > 0.9).sum(axis=1) == 1  # cut off at the edges, several may have the same box
    boxes, theirs = boxes[single][:10], theirs[single][:10]
    assert len(boxes) > 2
    ours = np.concatenate([model.keypoints(image, box[None]) for box in boxes])
    assert ours.dtype == np.float32
    assert ours.shape == (len(boxes), 17, 3)
    assert np.clip(ours[..., :2], 0, image.size) == pytest.approx(theirs[..., :2], abs=1)
    assert ours[..., 2] == pytest.approx(theirs[..., 2], abs=1e-3)
    assert np.array_equal(ours[0], model.keypoints(image, boxes[:1])[0])


def test_the_joints_are_those_of_coco() -> None:
    from ultralytics.utils import ROOT, YAML

    (names,) = YAML.load(ROOT / "cfg" / "datasets" / "coco-pose.yaml")["kpt_names"].values()
    assert tuple(name.replace("_", " ") for name in names) == YoloPose.joints


def people(*boxes: tuple[float, float, float, float]) -> FloatArray:
    return np.array(boxes, np.float32).reshape(-1, 4)


SIZE = (300, 120)


def test_each_box_gets_the_person_who_fills_it() -> None:
    left, right = (0, 0, 40, 100), (50, 0, 90, 100)
    scores = np.array([0.6, 0.9, 0.8], np.float32)
    found = people(left, right, (1, 1, 40, 99))  # the first and the last are the same person
    assert dict(matches(SIZE, people(right, left), found, scores)) == {0: 1, 1: 2}
    assert matches(SIZE, people((200, 0, 240, 100)), found, scores) == []
    assert matches(SIZE, people(left), people(), scores[:0]) == []
    # Two boxes round one person: the one that fits better gets the joints.
    assert matches(SIZE, people((0, 0, 40, 120), left), people(left), scores[:1]) == [(1, 0)]
    # Two people, one before the other: each to the box of their own.
    close = people((0, 0, 40, 100), (14, 0, 54, 100))
    assert dict(matches(SIZE, close, close[::-1].copy(), scores[:2])) == {0: 1, 1: 0}


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (64, 64)])
def test_planted_joints_keep_their_place(
    model: YoloPose, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the network: one that finds a person in the box of what is light, with joints along its diagonal."""
    import torch

    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 2)
    image = Image.new("RGB", size)
    image.paste("white", box)

    def see(pixels: Any) -> tuple[Any, None]:
        light = pixels[0, 0] > 0.75  # the bars are grey
        rows, across = light.any(dim=1).nonzero().ravel(), light.any(dim=0).nonzero().ravel()
        x1, x2, y1, y2 = (float(edge) for edge in (across[0], across[-1] + 1, rows[0], rows[-1] + 1))
        steps = torch.linspace(0, 1, 17)
        joints = torch.stack([x1 + (x2 - x1) * steps, y1 + (y2 - y1) * steps, steps], dim=1).ravel()
        person = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.9])
        faint = torch.tensor([8.0, 8.0, 16.0, 16.0, 0.01])  # too faint to be anybody
        return torch.stack([torch.cat([person, joints]), torch.cat([faint, joints])], dim=1)[None], None

    monkeypatch.setattr(model._network.network, "forward", see)
    elsewhere = people((0, 0, 3, 3))
    points = model.keypoints(image, np.concatenate([elsewhere, people(box)]))
    steps = np.linspace(0, 1, 17)
    pixel = max(1.0, max(size) / SIDE)
    assert points[1, :, 0] == pytest.approx(box[0] + (box[2] - box[0]) * steps, abs=pixel)
    assert points[1, :, 1] == pytest.approx(box[1] + (box[3] - box[1]) * steps, abs=pixel)
    assert points[1, :, 2] == pytest.approx(steps)
    assert (points[0] == (1.5, 1.5, 0)).all(), "nobody is there"


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: YoloPose, image: Image.Image) -> None:
    assert model.keypoints(image, people((0, 0, *image.size))).shape == (1, 17, 3)
    assert model.keypoints(image, people()).shape == (0, 17, 3)


def test_it_does_poses_once_it_is_here(folders: dict[str, Path], tmp_path: Path) -> None:
    weights = {"yolo11n-pose": folders["yolo11n-pose.yaml"]}
    with ModelPool(Registry(Settings(home=tmp_path, weights=weights))) as pool:
        assert pool.name(POSE) == "yolo11n-pose"


def test_what_is_no_such_checkpoint_is_refused(tmp_path: Path) -> None:
    import torch

    file = tmp_path / "yolo11n-pose.pt"
    tiny_checkpoint(file, "yolo11n.yaml")
    with pytest.raises(WeightsError, match=r"it ends in Detect.*models pull yolo11n-pose"):
        YoloPose.load(tmp_path, Placement())
    plan = tiny_network("yolo11n-pose.yaml", ("hand",)).yaml
    from ultralytics.nn.tasks import PoseModel

    hand = PoseModel({**plan, "kpt_shape": [21, 3]}, verbose=False)
    hand.names = {0: "hand"}
    torch.save({"model": hand}, file)
    with pytest.raises(WeightsError, match=r"it knows joints \(21, 3\).*models pull yolo11n-pose"):
        YoloPose.load(tmp_path, Placement())
