"""DPT on a tiny random checkpoint of the real format, and its map against known truth.

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
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.dpt import Dpt
from visiongpt_agent.models.jobs import DEPTH
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.estimate_depth import estimate_depth

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
SIDE = 64


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    config = transformers.DPTConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        readout_type="project",
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    torch.manual_seed(0)
    network = transformers.DPTForDepthEstimation(config)
    with torch.no_grad():  # the standard initialisation is so small that the last ReLU would pass nothing
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "DPTImageProcessor",
                "do_resize": True,
                "do_rescale": True,
                "do_normalize": True,
                "size": {"height": SIDE, "width": SIDE},
                "keep_aspect_ratio": False,
                "ensure_multiple_of": 1,
                "resample": 3,
                "rescale_factor": 1 / 255,
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("dpt"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Dpt:
    return Dpt.load(checkpoint, Placement())


def test_a_map_of_the_picture(model: Dpt, photo: Photo) -> None:
    image = photo("coffee")
    near = model.depth(image)
    assert near.dtype == np.float32
    assert near.shape == (image.height, image.width)
    assert (near.min(), near.max()) == (0, 1)
    assert near.std() > 0.01
    assert np.array_equal(near, model.depth(image))
    assert not np.array_equal(near[:300, :400], model.depth(photo("rocket"))[:300, :400])


@pytest.mark.parametrize("size", [(300, 200), (97, 513), (64, 64), (1000, 750)])
def test_what_is_near_stays_in_its_place(model: Dpt, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    """A stand-in for the network takes bright for near, as inverse depth in no unit: 3 far away, 40 close by."""
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1])
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")

    def bright(pixel_values: Any) -> Any:
        light = (pixel_values.mean(dim=1) + 1) / 2
        return SimpleNamespace(predicted_depth=3 + 37 * light)

    monkeypatch.setattr(model, "_network", bright)
    near = model.depth(image)
    truth = np.zeros(size[::-1], np.bool_)
    truth[box[1] : box[3], box[0] : box[2]] = True
    across, down = max(1.0, size[0] / SIDE), max(1.0, size[1] / SIDE)
    wrong = np.argwhere((near > 0.5) != truth)
    off = [min(abs(y - box[1]) / down, abs(x - box[0]) / across, abs(x - box[2]) / across) for y, x in wrong]
    assert max(off, default=0) <= 1.0, "only pixels at the edge may differ, by less than a pixel of the input"
    assert near[truth].mean() > 0.95
    assert near[~truth].mean() < 0.05


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: Dpt, image: Image.Image) -> None:
    near = model.depth(image)
    assert near.shape == (image.height, image.width)
    assert np.isfinite(near).all()
    assert 0 <= near.min() <= near.max() <= 1


def test_the_tool_over_it(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    image = photo("coffee")
    with ModelPool(Registry(Settings(home=tmp_path, weights={Dpt.card.name: checkpoint}))) as pool:
        output = estimate_depth(image, models=pool)
    assert output.models == (Dpt.card.name,)
    assert isinstance(output.value, Image.Image)
    assert output.value.size == image.size
    assert estimate_depth.problems({"image": image}, output) == []


def test_it_comes_after_the_small_one(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path))
    names = [one.card.name for one in registry.for_job(DEPTH)]
    assert names.index(DepthAnything.card.name) < names.index(Dpt.card.name)
    assert registry.missing_for(DEPTH) == f"visiongpt models pull {DepthAnything.card.name}"


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "zoedepth"}))
    with pytest.raises(WeightsError, match=f"models pull {Dpt.card.name}"):
        Dpt.load(tmp_path, Placement())


def test_the_older_form_of_the_preprocessors_file_is_read(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    """The library's own choice of a class stumbles over the names of before its image processors."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    told = json.loads((checkpoint / "preprocessor_config.json").read_text())
    del told["image_processor_type"]
    older = {**told, "feature_extractor_type": "DPTFeatureExtractor", "size": SIDE}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(older))
    old, new = Dpt.load(tmp_path, Placement()), Dpt.load(checkpoint, Placement())
    images = photo("rocket").resize((120, 80))
    seen, again = (model._pixels(images=images, return_tensors="pt")["pixel_values"] for model in (old, new))
    assert seen.shape == (1, 3, SIDE, SIDE)
    assert np.array_equal(seen.numpy(), again.numpy())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {Dpt.card.name}"):
        Dpt.load(tmp_path, Placement())
