"""ViTPose: its geometry against known places and transformers' own; the rest on a tiny random checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny_checkpoints import POSE_HEIGHT as HEIGHT
from tests.models.tiny_checkpoints import POSE_WIDTH as WIDTH
from tests.models.tiny_checkpoints import vitpose
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import DETECTION_CLOSED
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.vitpose import PersonCrop, VitPose, crop, peaks
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.tools.estimate_pose import estimate_pose

BOXES = np.array([[20, 30, 120, 190], [200, 60, 290, 110], [-15, 100, 60, 260]], np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return vitpose(tmp_path / "vitpose")


def heat(frame: PersonCrop, places: FloatArray, width: int = 48, height: int = 64) -> FloatArray:
    """Heat maps ``(J, h, w)`` with a Gaussian of two pixels at each place ``(J, 2)`` of the picture."""
    across = (places[:, 0] - frame.x + frame.width / 2) / frame.width * (width - 1)
    down = (places[:, 1] - frame.y + frame.height / 2) / frame.height * (height - 1)
    rows, columns = np.mgrid[:height, :width]
    far = (columns - across[:, None, None]) ** 2 + (rows - down[:, None, None]) ** 2
    return np.asarray(0.9 * np.exp(-far / 8), np.float32)


def processor() -> Any:
    pytest.importorskip("scipy")
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    made: Any = VitPoseImageProcessorPil
    return made(size={"height": HEIGHT, "width": WIDTH})


def corners_and_sides(boxes: FloatArray) -> list[list[list[float]]]:
    return [[[float(x1), float(y1), float(x2 - x1), float(y2 - y1)] for x1, y1, x2, y2 in boxes]]


@pytest.mark.parametrize("box", BOXES)
def test_a_joint_is_found_where_it_is(box: FloatArray) -> None:
    frame = PersonCrop.around(box, WIDTH / HEIGHT)
    shares = np.array([[0.5, 0.1], [0.13, 0.5], [0.9, 0.93]], np.float32)
    places = box[:2] + shares * (box[2:] - box[:2])
    found = peaks(heat(frame, places)[None], [frame])
    np.testing.assert_allclose(found[0, :, :2], places, atol=0.05)
    assert (found[0, :, 2] > 0.8).all()


def test_the_frame_has_the_networks_shape_and_holds_the_box() -> None:
    for box in BOXES:
        frame = PersonCrop.around(box, 0.75)
        assert frame.width / frame.height == pytest.approx(0.75)
        assert frame.width >= 1.25 * (box[2] - box[0]) - 1e-3
        assert frame.height >= 1.25 * (box[3] - box[1]) - 1e-3
        assert (frame.x, frame.y) == ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def test_crops_are_those_of_transformers(photo: Callable[[str], Image.Image]) -> None:
    image = photo("astronaut").resize((320, 260))
    expected = processor()(image, boxes=corners_and_sides(BOXES), return_tensors="np")["pixel_values"]
    ours = [crop(np.asarray(image), PersonCrop.around(box, WIDTH / HEIGHT), WIDTH, HEIGHT) for box in BOXES]
    assert np.abs(np.stack(ours) - expected).mean() < 0.02


def test_joints_are_those_of_transformers() -> None:
    import torch

    frames = [PersonCrop.around(box, WIDTH / HEIGHT) for box in BOXES]
    generator = np.random.default_rng(0)
    shares = generator.uniform(0.1, 0.9, (len(BOXES), 17, 2))
    places = (BOXES[:, None, :2] + shares * (BOXES[:, None, 2:] - BOXES[:, None, :2])).astype(np.float32)
    maps = np.stack([heat(frame, some) for frame, some in zip(frames, places, strict=True)])
    outputs = SimpleNamespace(heatmaps=torch.from_numpy(maps))
    [people] = processor().post_process_pose_estimation(outputs, corners_and_sides(BOXES))
    expected = np.stack([person["keypoints"].numpy() for person in people])
    np.testing.assert_allclose(peaks(maps, frames)[:, :, :2], expected, atol=0.5)


def test_the_format_is_read(folder: Path, photo: Callable[[str], Image.Image]) -> None:
    model = VitPose.load(folder, Placement())
    image = photo("astronaut")
    found = model.keypoints(image, np.repeat(BOXES, 6, axis=0))
    assert found.dtype == np.float32
    assert found.shape == (18, 17, 3)
    assert ((found[..., 2] >= 0) & (found[..., 2] <= 1)).all()
    np.testing.assert_allclose(model.keypoints(image, BOXES[1:2])[0], found[6], atol=0.01)
    assert model.keypoints(image, BOXES[:0]).shape == (0, 17, 3)
    assert model.joints[:5] == ("nose", "left eye", "right eye", "left ear", "right ear")
    assert model.joints[-1] == "right ankle"


def test_the_tool_over_it(folder: Path, bus: Image.Image, pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs(DETECTION_CLOSED)
    settings = replace(pool.registry.settings, weights={VitPose.card.name: folder})
    with ModelPool(Registry(settings)) as own:
        found = estimate_pose(bus, models=own)
    assert isinstance(found.value, Regions)
    assert len(found.facts["keypoints"]) == len(found.value) >= 3
    assert found.models[-1] == VitPose.card.name


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="models pull vitpose-base-simple"):
        VitPose.load(tmp_path, Placement())
