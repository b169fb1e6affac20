"""The adapter over CLIP, on a tiny random checkpoint of the real format: shapes, range and order, not judgement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny_checkpoints import clip as checkpoint
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.clip import Clip
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools._second_look import fits_words

Photo = Callable[[str], Image.Image]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_likeness_for_each_text(tmp_path: Path, photo: Photo, dtype: str) -> None:
    model = Clip.load(checkpoint(tmp_path), Placement(dtype=dtype))
    texts = ["a cat", "a cup of coffee", "a cat"]
    likeness = model.match(photo("chelsea"), texts)
    assert likeness.dtype == np.float32
    assert likeness.shape == (3,)
    assert (np.abs(likeness) <= 1.01).all()
    assert likeness[0] == pytest.approx(likeness[2], abs=0.02)
    assert likeness[0] != pytest.approx(likeness[1], abs=1e-4)


@pytest.mark.usefixtures("one_thread")
def test_the_pool_finds_it_for_its_job(tmp_path: Path, photo: Photo) -> None:
    folder = checkpoint(tmp_path / "clip")
    pool = ModelPool(Registry(Settings(home=tmp_path, weights={"clip-vit-base-patch32": folder})))
    assert pool.name(IMAGE_TEXT) == "clip-vit-base-patch32"
    assert isinstance(fits_words(photo("chelsea"), "a cat", pool), bool)
    pool.close()


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="visiongpt models pull clip-vit-base-patch32"):
        Clip.load(tmp_path, Placement())
