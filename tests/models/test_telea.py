"""Telea's inpainting: exact outside the mask, plausible inside where the surroundings are simple."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.telea import Telea


@pytest.fixture(scope="module")
def telea() -> Telea:
    return Telea.load(None, Placement())


def test_outside_the_mask_nothing_changes(telea: Telea, photo: Callable[[str], Image.Image]) -> None:
    picture = photo("coffee")
    mask = np.zeros(picture.size[::-1], np.bool_)
    mask[100:130, 200:260] = True
    filled = np.asarray(telea.remove(picture, mask))
    assert np.array_equal(filled[~mask], np.asarray(picture)[~mask])
    assert not np.array_equal(filled[mask], np.asarray(picture)[mask])


def test_a_spot_on_a_gradient_disappears(telea: Telea) -> None:
    ramp = np.tile(np.linspace(40, 200, 160)[None, :, None], (120, 1, 3)).astype(np.uint8)
    spotted = ramp.copy()
    mask = np.zeros((120, 160), np.bool_)
    mask[50:66, 70:86] = True
    spotted[mask] = (255, 0, 0)
    filled = np.asarray(telea.remove(Image.fromarray(spotted), mask), np.int16)
    assert np.abs(filled[mask] - ramp.astype(np.int16)[mask]).max() < 12


def test_an_empty_mask_changes_nothing(telea: Telea, photo: Callable[[str], Image.Image]) -> None:
    picture = photo("rocket")
    assert telea.remove(picture, np.zeros(picture.size[::-1], np.bool_)).tobytes() == picture.tobytes()
