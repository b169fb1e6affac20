"""BiRefNet's adapter over a small network with the inputs and outputs of the real one, whose answers are known.

They show that the picture is shown, and the matte put back, as it ought to be; not that the mattes are good.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.models import tiny_onnx
from tests.models.tiny_onnx import node
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.birefnet import BiRefNet, BiRefNetLite
from visiongpt_agent.models.isnet import ISNet
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings

SIDE = 1024
BRIGHT = (node("ReduceMean", ["input_image"], "light", axes=[1]), node("Mul", ["light", "sharp"], "output_image"))
"""A logit that is high where the picture is bright, and low where it is dark."""


def tiny_checkpoint(folder: Path, channels: int = 3) -> Path:
    shape = (1, channels, SIDE, SIDE)
    sharp = np.full((1, 1, 1, 1), 20, np.float32)
    content = tiny_onnx.network(BRIGHT, {"input_image": shape}, {"output_image": (1, 1, SIDE, SIDE)}, {"sharp": sharp})
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BiRefNetLite:
    return BiRefNetLite.load(tiny_checkpoint(tmp_path_factory.mktemp("birefnet")), Placement())


@pytest.mark.parametrize("size", [(600, 400), (400, 600), (1500, 90), (1024, 1024)])
def test_a_bright_disc_is_the_foreground_where_it_is(model: BiRefNetLite, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] * 9 // 10)
    ImageDraw.Draw(image).ellipse(box, fill="white")
    matte = model.matte(image)
    assert matte.dtype == np.float32
    assert matte.shape == (size[1], size[0])
    truth = np.asarray(image.convert("L")) > 128
    assert ((matte > 0.5) & truth).sum() > 0.98 * ((matte > 0.5) | truth).sum()
    assert matte.max() > 0.99
    assert matte.min() < 0.01


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 250), Image.new("RGB", (1, 1)), Image.new("P", (999, 1)), Image.new("RGBA", (7, 5))],
)
def test_odd_pictures(model: BiRefNetLite, image: Image.Image) -> None:
    matte = model.matte(image)
    assert matte.shape == (image.height, image.width)
    assert np.isfinite(matte).all()


def test_a_photo_gives_the_same_matte_twice(model: BiRefNetLite, photo: Callable[[str], Image.Image]) -> None:
    first, second = model.matte(photo("coffee")), model.matte(photo("coffee"))
    assert np.array_equal(first, second)
    assert 0 <= first.min() <= first.max() <= 1


def test_it_is_preferred_to_isnet_and_the_light_one_to_the_heavy(tmp_path: Path) -> None:
    names = [one.card.name for one in Registry(Settings(home=tmp_path)).for_job(SEGMENTATION_FOREGROUND)]
    order = [BiRefNetLite.card.name, BiRefNet.card.name, ISNet.card.name]
    assert [name for name in names if name in order] == order
    (tmp_path / "given").mkdir()
    settings = Settings(home=tmp_path, weights={BiRefNet.card.name: tiny_checkpoint(tmp_path / "given")})
    with ModelPool(Registry(settings)) as pool:
        assert pool.name(SEGMENTATION_FOREGROUND) == BiRefNet.card.name


def test_what_is_not_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"model\.onnx is missing: visiongpt models pull birefnet"):
        BiRefNet.load(tmp_path, Placement())
    tiny_checkpoint(tmp_path, channels=1)
    with pytest.raises(WeightsError, match=r"holds no BiRefNet lite .*other inputs.*models pull birefnet-lite"):
        BiRefNetLite.load(tmp_path, Placement())
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="is damaged: visiongpt models pull birefnet"):
        BiRefNet.load(tmp_path, Placement())
