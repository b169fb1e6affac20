"""The adapter over CLIP, on a tiny random checkpoint of the real format: shapes, range and order, not judgement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.clip import Clip
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.second_look import fits_words

Photo = Callable[[str], Image.Image]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    config = transformers.CLIPConfig(
        text_config={**layers, **ends, "vocab_size": len(pieces), "max_position_embeddings": 32},
        vision_config={**layers, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        folder
    )
    return folder


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
