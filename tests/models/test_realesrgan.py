"""Super-resolution with the weights that have been pulled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.realesrgan_ncnn import RealESRGANFast, RealESRGANFine
from visiongpt_agent.pictures.likeness import psnr
from visiongpt_agent.pool import ModelPool

Photo = Callable[[str], Image.Image]
Network = type[RealESRGANFast] | type[RealESRGANFine]


def load(pool: ModelPool, network: Network) -> RealESRGANFast | RealESRGANFine:
    if pool.registry.usable(network.card):
        pytest.skip(pool.registry.usable(network.card))
    return network.load(pool.registry.store.folder(network.card), Placement())


def sharpness(image: Image.Image) -> float:
    return float(
        np.asarray(image.convert("L").filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), 1, 128))).std()
    )


@pytest.mark.parametrize(
    ("network", "box"),
    [
        (RealESRGANFast, (100, 50, 300, 200)),
        pytest.param(RealESRGANFine, (120, 60, 184, 108), marks=pytest.mark.slow),
    ],
)
def test_sharper_than_interpolation_and_still_the_picture(
    pool: ModelPool, photo: Photo, network: Network, box: tuple[int, int, int, int]
) -> None:
    image = photo("chelsea").crop(box)
    large = load(pool, network).upscale(image)
    assert large.size == (4 * image.width, 4 * image.height)
    assert psnr(large.resize(image.size, Image.Resampling.BOX), image) > 26
    assert sharpness(large) > 1.2 * sharpness(image.resize(large.size, Image.Resampling.BICUBIC))


def test_tiles_leave_no_seam(pool: ModelPool, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load(pool, RealESRGANFast)
    image = photo("chelsea").crop((100, 50, 230, 140))
    whole = np.asarray(network.upscale(image), np.int16)
    monkeypatch.setattr(RealESRGANFast, "_tile", 48)
    assert np.abs(np.asarray(network.upscale(image), np.int16) - whole).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (321, 3)])
def test_odd_sizes(pool: ModelPool, size: tuple[int, int]) -> None:
    large = load(pool, RealESRGANFast).upscale(Image.new("RGB", size, (200, 100, 50)))
    assert large.size == (4 * size[0], 4 * size[1])
    assert np.abs(np.asarray(large, np.int16) - [200, 100, 50]).max() < 12


def test_damaged_and_missing_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"animevideov3-x4\.param is missing.*pull realesrgan-fast"):
        RealESRGANFast.load(tmp_path, Placement())
    for ending in (".param", ".bin"):
        (tmp_path / f"realesr-animevideov3-x4{ending}").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="is damaged"):
        RealESRGANFast.load(tmp_path, Placement())
