"""Adapters whose weights come from a hub, on tiny random checkpoints of the real format.

They show that the format is read and that the answers have the right type and shape; not that they are right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny_checkpoints import BLIP_WORDS as WORDS
from tests.models.tiny_checkpoints import blip as blip_checkpoint
from tests.models.tiny_checkpoints import depth_anything as depth_checkpoint
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.language.english import sentence
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.blip import BlipCaption, BlipVqa
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.answer_question import answer_question
from visiongpt_agent.tools.estimate_depth import estimate_depth

Photo = Callable[[str], Image.Image]


def test_blip_caption(tmp_path: Path, photo: Photo) -> None:
    model = BlipCaption.load(blip_checkpoint(tmp_path, "BlipForConditionalGeneration"), Placement())
    caption = model.caption(photo("chelsea"))
    assert set(caption.split()) <= set(WORDS)
    assert "[" not in caption
    assert caption == model.caption(photo("chelsea"))


def test_blip_vqa(tmp_path: Path, photo: Photo) -> None:
    model = BlipVqa.load(blip_checkpoint(tmp_path, "BlipForQuestionAnswering"), Placement())
    answer = model.answer(photo("chelsea"), "what is this ?")
    assert set(re.findall(r"\w+", answer)) <= set(WORDS)
    assert "[" not in answer


def test_depth_anything(tmp_path: Path, photo: Photo) -> None:
    model = DepthAnything.load(depth_checkpoint(tmp_path), Placement())
    image = photo("coffee")
    near = model.depth(image)
    assert near.dtype == np.float32
    assert near.shape == (image.height, image.width)
    assert (near.min(), near.max()) == (0, 1)


def test_the_tools_over_these_models(tmp_path: Path, photo: Photo) -> None:
    folders = {name: tmp_path / name for name in ("blip-vqa-base", "depth-anything-v2-small")}
    for folder in folders.values():
        folder.mkdir()
    blip_checkpoint(folders["blip-vqa-base"], "BlipForQuestionAnswering")
    depth_checkpoint(folders["depth-anything-v2-small"])
    pool = ModelPool(Registry(Settings(home=tmp_path, weights=folders)))
    image = photo("coffee")

    depth = estimate_depth(image, models=pool)
    assert isinstance(depth.value, Image.Image)
    assert (depth.value.mode, depth.value.size) == ("RGB", image.size)
    assert depth.models == ("depth-anything-v2-small",)
    assert estimate_depth.problems({"image": image}, depth) == []

    answer = answer_question(image, " what is  this ? ", models=pool)
    assert answer.summary == sentence(str(answer.value))
    assert answer.models == ("blip-vqa-base",)
    pool.close()


@pytest.mark.parametrize("model", [BlipCaption, BlipVqa, DepthAnything])
def test_an_empty_folder_is_told(tmp_path: Path, model: type[BlipCaption | BlipVqa | DepthAnything]) -> None:
    with pytest.raises(WeightsError, match=f"models pull {model.card.name}"):
        model.load(tmp_path, Placement())
