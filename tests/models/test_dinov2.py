"""DINOv2 on a tiny random checkpoint of the real format, and the grid of its features against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.dinov2 import Dinov2
from visiongpt_agent.models.jobs import IMAGE_FEATURES
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.compare_images import compare_images
from visiongpt_agent.tools.detect_anomalies import detect_anomalies

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
PATCH = 14
CHANNELS = 12


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    config = transformers.Dinov2Config(
        hidden_size=CHANNELS, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=1, image_size=56, patch_size=PATCH
    )
    torch.manual_seed(0)
    network = transformers.Dinov2Model(config)
    with torch.no_grad():  # the standard initialisation is so small that pictures would not matter
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("dinov2"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Dinov2:
    return Dinov2.load(checkpoint, Placement())


class MeanColour:
    """In the network's place: a token for the whole picture, then one for each patch, row by row: its mean colour."""

    config = SimpleNamespace(patch_size=PATCH)

    def __call__(self, pixel_values: Any) -> Any:
        import torch

        patches = torch.nn.functional.avg_pool2d(pixel_values, PATCH).flatten(2).transpose(1, 2)
        return SimpleNamespace(last_hidden_state=torch.cat([torch.full((1, 1, 3), 99.0), patches], dim=1))


@pytest.mark.parametrize(
    ("size", "grid"), [((600, 400), (32, 48)), ((400, 600), (48, 32)), ((64, 64), (48, 48)), ((1000, 10), (1, 48))]
)
def test_a_grid_over_the_whole_picture(
    model: Dinov2, photo: Photo, size: tuple[int, int], grid: tuple[int, int]
) -> None:
    image = photo("coffee").resize(size)
    features = model.features(image)
    assert features.dtype == np.float32
    assert features.shape == (CHANNELS, *grid)
    assert np.isfinite(features).all()
    assert np.array_equal(features, model.features(image))
    assert features.std(axis=(1, 2)).min() > 1e-3, "all patches look the same"


@pytest.mark.parametrize("size", [(480, 320), (320, 480), (97, 300)])
def test_a_rectangle_is_in_its_cells(model: Dinov2, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1])
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    monkeypatch.setattr(model, "_network", MeanColour())
    light = model.features(image)[0]
    assert light.max() < 5, "the token of the whole picture is among the cells"
    rows, columns = light.shape
    bright = light > (light.min() + light.max()) / 2
    across, down = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    cell = np.array([size[0] / columns, size[1] / rows] * 2)
    seen = np.array([across[0], down[0], across[-1] + 1, down[-1] + 1]) * cell
    assert (np.abs(seen - box) <= cell).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(checkpoint: Path, model: Dinov2, photo: Photo, dtype: str) -> None:
    image = photo("rocket").resize((96, 64))
    half, exact = Dinov2.load(checkpoint, Placement(dtype=dtype)).features(image), model.features(image)
    assert half.dtype == np.float32
    assert np.corrcoef(half.ravel(), exact.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("image", [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("P", (999, 1))])
def test_grey_and_tiny_pictures(model: Dinov2, image: Image.Image) -> None:
    features = model.features(image)
    assert features.shape[0] == CHANNELS
    assert max(features.shape[1:]) == 48


def test_the_tools_over_it(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    image = photo("coffee").resize((240, 70))
    with ModelPool(Registry(Settings(home=tmp_path, weights={Dinov2.card.name: checkpoint}))) as pool:
        assert pool.name(IMAGE_FEATURES) == Dinov2.card.name, "its features are preferred where they are here"
        found = detect_anomalies(image, image, models=pool)
        compared = compare_images(image, image.rotate(180), models=pool)
    assert found.models == (Dinov2.card.name,)
    assert isinstance(found.value, Regions)
    assert len(found.value) == 0, "a picture does not deviate from itself"
    assert Dinov2.card.name in compared.models
    assert -1 <= compared.facts["feature_cosine"] <= 1


def test_a_spot_that_the_reference_lacks_is_found(checkpoint: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 30, (320, 480, 3))
    good = Image.fromarray((noise + 90).astype(np.uint8))
    image = good.copy()
    ImageDraw.Draw(image).ellipse((200, 100, 260, 160), fill=(250, 240, 60))
    registry = Registry(Settings(home=tmp_path, weights={Dinov2.card.name: checkpoint}))
    with ModelPool(registry) as pool:
        with pool.lease(Dinov2) as model:
            model._network = MeanColour()
        output = detect_anomalies(image, good, models=pool)
        assert detect_anomalies.problems({"image": image, "reference": good}, output, pool) == []
    assert isinstance(output.value, Regions)
    (box,) = output.value.boxes
    assert box == pytest.approx((200, 100, 260, 160), abs=20)  # two cells


def test_without_its_weights_nothing_changes(tmp_path: Path) -> None:
    with ModelPool(Registry(Settings(home=tmp_path))) as pool:
        assert pool.name(IMAGE_FEATURES) == "efficientnet-lite2"


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "vit"}))
    with pytest.raises(WeightsError, match=f"models pull {Dinov2.card.name}"):
        Dinov2.load(tmp_path, Placement())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {Dinov2.card.name}"):
        Dinov2.load(tmp_path, Placement())
