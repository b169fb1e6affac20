"""SigLIP 2 on a tiny random checkpoint of the real format: shapes, range, tokens and order, not judgement."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.clip import Clip
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.siglip import Siglip
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools._second_look import fits_words

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
PAD, EOS, BOS, UNKNOWN, MASK = range(5)
LENGTH = 24


def tiny_checkpoint(folder: Path) -> Path:
    """The model type is that of the first SigLIP, as in the real checkpoint, the tokenizer that of Gemma."""
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = library.GemmaTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=[],
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
    )
    tokenizer.save_pretrained(folder)
    layers: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads: dict[str, Any] = {"num_attention_heads": 2}
    config = library.SiglipConfig(
        text_config={**layers, **heads, "vocab_size": len(pieces), "max_position_embeddings": LENGTH},
        vision_config={**layers, **heads, "image_size": 32, "patch_size": 16},
    )
    torch.manual_seed(0)
    network = library.SiglipModel(config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "SiglipImageProcessor",
                "do_resize": True,
                "do_rescale": True,
                "do_normalize": True,
                "size": {"height": 32, "width": 32},
                "resample": 2,
                "rescale_factor": 1 / 255,
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Siglip:
    return Siglip.load(checkpoint, Placement())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_likeness_for_each_text(checkpoint: Path, photo: Photo, dtype: str) -> None:
    model = Siglip.load(checkpoint, Placement(dtype=dtype))
    image, texts = photo("chelsea"), ["a cat", "a cup of coffee", "a cat"]
    likeness = model.match(image, texts)
    assert likeness.dtype == np.float32
    assert likeness.shape == (3,)
    assert (np.abs(likeness) <= 1.01).all()
    assert likeness[0] == pytest.approx(likeness[2], abs=0.02)
    assert likeness[0] != pytest.approx(likeness[1], abs=1e-3)
    assert np.array_equal(likeness, model.match(image, texts))


def test_the_likeness_is_the_cosine_of_the_embeddings(model: Siglip, photo: Photo) -> None:
    import torch

    image = photo("rocket")
    with torch.inference_mode():
        seen = model._network.get_image_features(**model._pixels(images=image, return_tensors="pt")).pooler_output[0]
        said = model._network.get_text_features(**model._tokens(["a rocket"])).pooler_output[0]
    cosine = float(seen @ said / seen.norm() / said.norm())
    assert model.match(image, ["a rocket"])[0] == pytest.approx(cosine, abs=1e-5)


def test_a_text_is_the_same_alone_and_among_longer_ones(model: Siglip, photo: Photo) -> None:
    image = photo("coffee")
    alone, among = model.match(image, ["a cup"]), model.match(image, ["a cup", "a cup of black coffee"])
    assert among[0] == pytest.approx(alone[0], abs=1e-5)
    assert model.match(image, ["A Cup"])[0] == pytest.approx(alone[0], abs=1e-6), "it was trained on lower case"


def test_texts_are_filled_up_to_the_full_length(model: Siglip) -> None:
    short, long = model._tokens(["ab", "x" * 99])["input_ids"].tolist()
    assert short == [5 + 256 + 1, 5 + 256 + 2, EOS, *[PAD] * (LENGTH - 3)]
    assert len(long) == LENGTH
    assert PAD not in long
    assert BOS not in long


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: Siglip, image: Image.Image) -> None:
    likeness = model.match(image, ["", "雪", "a cat"])
    assert likeness.shape == (3,)
    assert np.isfinite(likeness).all()


def test_the_pool_finds_it_for_its_job(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    with ModelPool(Registry(Settings(home=tmp_path, weights={Siglip.card.name: checkpoint}))) as pool:
        assert pool.name(IMAGE_TEXT) == Siglip.card.name
        assert isinstance(fits_words(photo("chelsea"), "a cat", pool), bool)


def test_it_comes_after_clip(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path))
    names = [one.card.name for one in registry.for_job(IMAGE_TEXT)]
    assert names.index(Clip.card.name) < names.index(Siglip.card.name)
    assert registry.missing_for(IMAGE_TEXT) == f"visiongpt models pull {Clip.card.name}"


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "siglip2"}))
    with pytest.raises(WeightsError, match=f"models pull {Siglip.card.name}"):
        Siglip.load(tmp_path, Placement())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {Siglip.card.name}"):
        Siglip.load(tmp_path, Placement())
