"""The diffusion upscaler: a tiny random checkpoint of the real format, and tiles over a pipeline that is known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models import tiny_diffusion as tiny
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models import sd_upscaler
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.realesrgan_ncnn import RealESRGANFine
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sd_upscaler import StableDiffusionUpscaler, starts
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.upscale_image import upscale_image

pytest.importorskip("diffusers")
pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
Size = tuple[int, int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint_upscaler(tmp_path_factory.mktemp("upscaler"))


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd_upscaler, "_STEPS", 2)


class Enlarging:
    """Stands in for a pipeline: every pixel becomes a square of four by four, plus a tint of the tile's own."""

    def __init__(self, tints: tuple[int, ...] = (0,)) -> None:
        self.tints = tints
        self.shown: list[Image.Image] = []
        self.noises: list[int] = []

    def __call__(self, *, image: Image.Image, generator: Any, **_: Any) -> Any:
        tint = self.tints[len(self.shown) % len(self.tints)]
        self.shown.append(image)
        self.noises.append(generator.initial_seed())
        pixels = np.asarray(image).repeat(4, axis=0).repeat(4, axis=1)
        return SimpleNamespace(images=[Image.fromarray((pixels + tint).astype(np.uint8))])


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("size", [(33, 50), (64, 64), (1, 1)])
def test_four_times_as_large(folder: Path, photo: Photo, size: Size) -> None:
    network = StableDiffusionUpscaler.load(folder, Placement())
    image = photo("chelsea").crop((100, 50, 300, 200)).resize(size)
    large = network.upscale(image)
    assert network.factor == 4
    assert (large.mode, large.size) == ("RGB", (4 * size[0], 4 * size[1]))
    assert large == network.upscale(image)
    if size != (1, 1):
        assert large != network.upscale(image.rotate(180))
    assert network.upscale(image.convert("L")).mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (131, 85), (300, 129), (128, 128), (500, 3)])
def test_tiles_are_put_together_in_their_places(photo: Photo, size: Size) -> None:
    pipeline = Enlarging()
    image = photo("chelsea").resize(size)
    large = StableDiffusionUpscaler(pipeline, "cpu").upscale(image)
    assert np.array_equal(np.asarray(large), np.asarray(image).repeat(4, axis=0).repeat(4, axis=1))
    assert all(side % 8 == 0 and 64 <= side <= 128 for shown in pipeline.shown for side in shown.size)
    assert pipeline.noises == list(range(len(pipeline.noises)))


def test_small_pictures_are_continued_by_their_mirror_image(photo: Photo) -> None:
    pipeline = Enlarging()
    image = photo("chelsea").resize((90, 40))
    StableDiffusionUpscaler(pipeline, "cpu").upscale(image)
    (shown,) = pipeline.shown
    assert shown.size == (96, 64)
    pixels = np.asarray(image)
    assert np.array_equal(np.asarray(shown)[:40, 90:], pixels[:, :-7:-1])
    assert np.array_equal(np.asarray(shown)[40:, :90], pixels[:-25:-1])


def test_tiles_of_different_colours_leave_no_seam() -> None:
    large = np.asarray(StableDiffusionUpscaler(Enlarging((0, 100)), "cpu").upscale(Image.new("RGB", (224, 100))))
    row = large[200, :, 0].astype(int)
    assert (row[: 4 * 96] == 0).all()  # the tiles share the pixels 96 to 128
    assert (row[4 * 128 :] == 100).all()
    steps = np.diff(row)
    assert steps.min() >= 0
    assert steps.max() <= 2


@pytest.mark.parametrize("length", [1, 64, 127, 128, 129, 160, 223, 224, 225, 350, 696])
def test_tiles_cover_a_side_and_overlap(length: int) -> None:
    begun = starts(length)
    assert begun[0] == 0
    assert begun[-1] + 128 == length if length > 128 else begun == [0]
    assert all(32 <= 128 - (after - before) < 128 for before, after in pairwise(begun))


@pytest.mark.usefixtures("few_steps")
def test_half_precision(tmp_path: Path, photo: Photo) -> None:
    tiny.in_half_precision(tiny.checkpoint_upscaler(tmp_path))
    network = StableDiffusionUpscaler.load(tmp_path, Placement(dtype="bfloat16"))
    image = photo("chelsea").resize((40, 30))
    assert network.upscale(image).size == (160, 120)
    assert network.upscale(image) == network.upscale(image)


@pytest.mark.usefixtures("few_steps")
def test_it_says_how_much_it_does_in_half_a_minute(tmp_path: Path, folder: Path, photo: Photo) -> None:
    assert StableDiffusionUpscaler(Enlarging(), "cuda:0").max_pixels > 128 * 128
    weights = {StableDiffusionUpscaler.card.name: folder}
    with ModelPool(Registry(Settings(home=tmp_path, weights=weights, device="cpu"))) as pool:
        small = upscale_image(photo("chelsea").resize((64, 64)), models=pool)
        large = upscale_image(photo("chelsea").resize((65, 64)), models=pool)
    assert (small.models, small.uncertain) == (("stable-diffusion-x4-upscaler",), ())
    assert large.models == ()
    assert "interpolated" in large.uncertain[0]


def test_it_is_not_taken_before_real_esrgan() -> None:
    assert StableDiffusionUpscaler.card.rank > RealESRGANFine.card.rank


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    remedy = "models pull stable-diffusion-x4-upscaler"
    with pytest.raises(WeightsError, match=f"has no model_index.*{remedy}"):
        StableDiffusionUpscaler.load(tmp_path, Placement())
    with pytest.raises(WeightsError, match=f"holds a StableDiffusionPipeline.*{remedy}"):
        StableDiffusionUpscaler.load(tiny.checkpoint(tmp_path / "plain"), Placement())
