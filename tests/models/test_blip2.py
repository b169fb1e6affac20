"""BLIP-2, on a tiny random checkpoint of the real format: that it is read and asked rightly, not that it is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.tiny_llama import byte_level_tokenizer
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.blip2 import Blip2

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
QUERIES = 3


def tiny_checkpoint(target: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    tokenizer = byte_level_tokenizer(["a photo of a cat on a sofa", "Question: what is this? Answer: red"])
    tokenizer.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<image>"]})
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    words = {"model_type": "opt", "vocab_size": len(tokenizer), "ffn_dim": 16, "word_embed_proj_dim": 16, **ids}
    config = transformers.Blip2Config(
        vision_config={**layers, "image_size": 28, "patch_size": 14},
        qformer_config={**layers, "encoder_hidden_size": 16, "vocab_size": 8},
        text_config={**words, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "init_std": 0.5},
        num_query_tokens=QUERIES,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(0)
    transformers.Blip2ForConditionalGeneration(config).save_pretrained(target)
    pixels = transformers.BlipImageProcessorPil(size={"height": 28, "width": 28})
    library.Blip2Processor(pixels, tokenizer, num_query_tokens=QUERIES).save_pretrained(target)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("blip2"))


def test_it_says_the_same_each_time(folder: Path, photo: Photo) -> None:
    model = Blip2.load(folder, Placement())

    caption, answer = model.caption(photo("chelsea")), model.answer(photo("chelsea"), "what is this?")

    assert caption == model.caption(photo("chelsea"))
    assert answer == model.answer(photo("chelsea"), "what is this?")
    assert not any("<image>" in text or "Question:" in text for text in (caption, answer))
    assert not caption.endswith(".")


def test_a_question_is_put_as_the_paper_puts_it(folder: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = Blip2.load(folder, Placement())
    words = model._processor.tokenizer
    asked: list[dict[str, Any]] = []

    def generate(**given: Any) -> Any:
        asked.append(given)
        return torch.cat([given["input_ids"], words(" a red cat.\nQuestion: no", return_tensors="pt").input_ids], dim=1)

    monkeypatch.setattr(model._network, "generate", generate)

    assert model.answer(photo("coffee"), "what is <image> this?") == "a red cat."
    assert model.caption(photo("coffee")) == "a red cat"
    for given, prompt in zip(asked, ("Question: what is   this? Answer:", ""), strict=True):
        assert given["pixel_values"].shape == (1, 3, 28, 28)
        assert not given["do_sample"]
        assert words.decode(given["input_ids"][0]) == "<image>" * QUERIES + prompt


def test_another_picture_changes_what_the_network_reads(folder: Path) -> None:
    import torch

    model = Blip2.load(folder, Placement())

    def scores(color: str) -> Any:
        given = model._processor(images=Image.new("RGB", (28, 28), color), text=["Question:"], return_tensors="pt")
        with torch.inference_mode():
            return model._network(**given).logits[0, -1]

    assert not torch.allclose(scores("red"), scores("blue"), atol=1e-7)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (301, 7), (33, 47)])
def test_pictures_of_any_size_and_mode(folder: Path, size: tuple[int, int]) -> None:
    assert isinstance(Blip2.load(folder, Placement()).answer(Image.new("L", size, 90), "what?"), str)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(folder: Path, dtype: str, photo: Photo) -> None:
    model = Blip2.load(folder, Placement(dtype=dtype))

    # Not the queries: the library keeps them in float32.
    assert str(next(model._network.language_model.parameters()).dtype) == f"torch.{dtype}"
    assert isinstance(model.caption(photo("coffee")), str)


def test_another_kind_of_checkpoint_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')

    for wrong in (None, tmp_path):
        with pytest.raises(WeightsError, match=f"visiongpt models pull {Blip2.card.name}"):
            Blip2.load(wrong, Placement())
