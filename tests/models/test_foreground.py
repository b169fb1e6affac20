"""Foreground segmenters on real photos; ISNet where it has been pulled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.grabcut_foreground import GrabCutForeground
from visiongpt_agent.models.isnet import ISNet
from visiongpt_agent.models.jobs import ForegroundSegmenter
from visiongpt_agent.pool import ModelPool

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module", params=["grabcut", pytest.param("isnet", marks=pytest.mark.slow)])
def segmenter(request: pytest.FixtureRequest, pool: ModelPool) -> ForegroundSegmenter:
    if request.param == "grabcut":
        return GrabCutForeground.load(None, Placement())
    if pool.registry.usable(ISNet.card):
        pytest.skip(f"ISNet is not here: {pool.registry.usable(ISNet.card)}")
    return ISNet.load(pool.registry.store.folder(ISNet.card), Placement())


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [("coffee", (300, 130), (20, 20)), ("astronaut", (220, 120), (20, 40)), ("chelsea", (260, 170), (440, 20))],
)
def test_the_middle_of_the_thing_and_a_corner(
    segmenter: ForegroundSegmenter, photo: Photo, name: str, inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    image = photo(name)
    matte = segmenter.matte(image)
    assert matte.dtype == np.float32
    assert matte.shape == (image.height, image.width)
    assert 0 <= matte.min() <= matte.max() <= 1
    assert matte[inside[1], inside[0]] > 0.9
    assert matte[outside[1], outside[0]] < 0.1


@pytest.mark.parametrize("size", [(1, 1), (900, 2)])
def test_odd_sizes(segmenter: ForegroundSegmenter, size: tuple[int, int]) -> None:
    matte = segmenter.matte(Image.linear_gradient("L").convert("RGB").resize(size))
    assert matte.shape == (size[1], size[0])
    assert np.isfinite(matte).all()


def test_the_stand_in_says_what_it_is() -> None:
    assert "colour" in GrabCutForeground.caveat
    assert GrabCutForeground.card.rank > ISNet.card.rank


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"isnet\.onnx is missing.*pull isnet"):
        ISNet.load(tmp_path, Placement())
