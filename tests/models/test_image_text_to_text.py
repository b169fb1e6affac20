"""Chat models that see, on tiny random checkpoints of the real format.

They show that the format is read, that picture and question reach the network, and that the answer is what the network
says after the prompt; not that it is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.tiny_llama import byte_level_tokenizer, sentencepiece_tokenizer
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.image_text_to_text import (
    Llava15,
    Qwen25Vl,
    SmolVlm256M,
    SmolVlm500M,
    as_phrase,
    presentable,
)
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.answer_question import answer_question

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
Adapter = type[SmolVlm256M] | type[SmolVlm500M] | type[Llava15] | type[Qwen25Vl]
CORPUS = ["what colour is the cat on the sofa", "a photo of a red rocket", "describe the image"]
SMOLVLM = (
    "<|im_start|>{% for m in messages %}{{m['role'] | capitalize}}"
    "{% if m['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in m['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
LLAVA = (
    "{% for m in messages %}{{m['role'].upper() + ': '}}"
    "{% for line in m['content'] if line['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for line in m['content'] if line['type'] == 'text' %}{{ line['text'] + ' ' }}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
QWEN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for line in m['content'] %}"
    "{% if line['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif line['type'] == 'text' %}{{ line['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
SIGHT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def special(tokenizer: Any, *words: str) -> dict[str, int]:
    tokenizer.add_special_tokens({"additional_special_tokens": list(words)})
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return {**ends, "pad_token_id": tokenizer.eos_token_id, "vocab_size": len(tokenizer)}


def smolvlm_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    tokenizer = byte_level_tokenizer(CORPUS)
    places = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    ids = special(tokenizer, "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *places)
    pixels = transformers.Idefics3ImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, resample=1
    )
    # 16 patches of 8 pixels a tile, two by two of them shuffled into one.
    transformers.Idefics3Processor(pixels, tokenizer, image_seq_len=4, chat_template=SMOLVLM).save_pretrained(folder)
    library: Any = transformers  # its types lack some of the keys
    config = library.Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=ids["pad_token_id"],
        scale_factor=2,
        vision_config={**SIGHT, "image_size": 32, "patch_size": 8},
        text_config={"model_type": "llama", **WORDS, **ids, "num_key_value_heads": 1, "initializer_range": 0.5},
    )
    torch.manual_seed(0)
    transformers.Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def llava_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    tokenizer = sentencepiece_tokenizer(CORPUS)
    ids = special(tokenizer, "<image>")
    pixels = transformers.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    library: Any = transformers  # its types lack some of the keys
    library.LlavaProcessor(
        pixels,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA,
    ).save_pretrained(folder)
    config = library.LlavaConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_config={"model_type": "clip_vision_model", **SIGHT, "image_size": 28, "patch_size": 14},
        text_config={"model_type": "llama", **WORDS, **ids, "initializer_range": 0.5},
    )
    torch.manual_seed(0)
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


def qwen_checkpoint(folder: Path, max_pixels: int = 84 * 84) -> Path:
    import torch
    import transformers

    tokenizer = byte_level_tokenizer(CORPUS)
    ids = special(tokenizer, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer.chat_template = None  # it comes with the processor
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": QWEN}))
    pixels = transformers.Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=max_pixels)
    pixels.save_pretrained(folder)
    marks = {
        f"{mark}_token_id": tokenizer.convert_tokens_to_ids(word)
        for mark, word in {
            "image": "<|image_pad|>",
            "video": "<|video_pad|>",
            "vision_start": "<|vision_start|>",
            "vision_end": "<|vision_end|>",
        }.items()
    }
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = transformers.Qwen2_5_VLConfig(
        **marks,
        tie_word_embeddings=True,  # as in the published one: its head is not in the file
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        text_config={**WORDS, **ids, "num_key_value_heads": 1, "rope_parameters": rope, "initializer_range": 0.5},
    )
    torch.manual_seed(0)
    transformers.Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    return folder


CHECKPOINTS: dict[Adapter, Callable[[Path], Path]] = {
    SmolVlm256M: smolvlm_checkpoint,
    SmolVlm500M: smolvlm_checkpoint,
    Llava15: llava_checkpoint,
    Qwen25Vl: qwen_checkpoint,
}
BOTH = pytest.mark.parametrize("adapter", [SmolVlm256M, Llava15, Qwen25Vl])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Adapter, Path]:
    return {kind: make(tmp_path_factory.mktemp("vlm")) for kind, make in CHECKPOINTS.items()}


@BOTH
def test_it_says_the_same_each_time_and_none_of_the_prompt(
    adapter: Adapter, folders: dict[Adapter, Path], photo: Photo
) -> None:
    model = adapter.load(folders[adapter], Placement())

    said = model.answer(photo("chelsea"), "what is this?"), model.caption(photo("chelsea"))

    assert said == (model.answer(photo("chelsea"), "what is this?"), model.caption(photo("chelsea")))
    assert not any(word in text for text in said for word in ("what is this", "single word", "<image>", "ssistant:"))
    assert not said[1].endswith(".")


@BOTH
def test_the_network_is_given_the_picture_and_the_question(
    adapter: Adapter, folders: dict[Adapter, Path], photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = adapter.load(folders[adapter], Placement())
    network = model._network
    asked: list[dict[str, Any]] = []

    def generate(**given: Any) -> Any:
        asked.append(given)
        red = model._tokenizer("red", add_special_tokens=False, return_tensors="pt")["input_ids"]
        return torch.cat([given["input_ids"], red], dim=1)

    monkeypatch.setattr(network, "generate", generate)
    said = model.answer(photo("chelsea"), "what colour is <image> the <|image_pad|> cat?")

    (given,) = asked
    prompt = model._tokenizer.decode(given["input_ids"][0])
    assert said == "red"
    assert prompt.count("what colour is") == 1
    assert not given["do_sample"]
    pictures = int((given["input_ids"] == network.config.image_token_id).sum())
    with torch.inference_mode():
        extra = {k: given[k] for k in ("image_grid_thw", "pixel_attention_mask") if k in given}
        features = network.get_image_features(given["pixel_values"], **extra).pooler_output
    rows = sum(len(part.reshape(-1, part.shape[-1])) for part in features)
    assert pictures == rows  # a place for each vector of the picture's, and none that the question brought


@BOTH
def test_another_picture_changes_what_the_network_reads(adapter: Adapter, folders: dict[Adapter, Path]) -> None:
    import torch

    model = adapter.load(folders[adapter], Placement())

    def scores(color: str) -> Any:
        prompt = model._processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}], tokenize=False
        )
        with torch.inference_mode():
            return model._network(**model._inputs(Image.new("RGB", (64, 64), color), prompt)).logits[0, -1]

    assert not torch.allclose(scores("red"), scores("blue"), atol=1e-6)


@BOTH
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (301, 7), (33, 47)])
def test_pictures_of_any_size_and_mode(adapter: Adapter, folders: dict[Adapter, Path], size: tuple[int, int]) -> None:
    model = adapter.load(folders[adapter], Placement())

    assert isinstance(model.answer(Image.new("L", size, 90), "what?"), str)


@BOTH
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(adapter: Adapter, folders: dict[Adapter, Path], dtype: str, photo: Photo) -> None:
    model = adapter.load(folders[adapter], Placement(dtype=dtype))

    assert str(next(model._network.parameters()).dtype) == f"torch.{dtype}"
    assert isinstance(model.caption(photo("coffee")), str)


@pytest.mark.parametrize("adapter", list(CHECKPOINTS))
def test_another_kind_of_checkpoint_is_told(adapter: Adapter, folders: dict[Adapter, Path], tmp_path: Path) -> None:
    other = folders[Llava15 if adapter is not Llava15 else Qwen25Vl]

    for folder in (None, tmp_path, other):
        with pytest.raises(WeightsError, match=f"visiongpt models pull {adapter.card.name}"):
            adapter.load(folder, Placement())


def test_without_a_chat_template_it_is_told(tmp_path: Path) -> None:
    qwen_checkpoint(tmp_path)
    (tmp_path / "chat_template.json").unlink()

    with pytest.raises(WeightsError, match="no chat template"):
        Qwen25Vl.load(tmp_path, Placement())


def test_of_a_large_picture_qwen_is_shown_a_million_pixels(tmp_path: Path) -> None:
    model = Qwen25Vl.load(qwen_checkpoint(tmp_path, max_pixels=12_845_056), Placement())

    given = model._inputs(Image.new("RGB", (2000, 1500)), "<|image_pad|>")

    shown = given["pixel_values"].shape[0] * 14 * 14
    assert 900_000 < shown <= 1_000_000
    assert given["mm_token_type_ids"].sum() * 28 * 28 == shown  # a token for two by two patches


def test_the_tool_answers_with_it(folders: dict[Adapter, Path], tmp_path: Path, photo: Photo) -> None:
    name = SmolVlm500M.card.name
    pool = ModelPool(Registry(Settings(home=tmp_path, weights={name: folders[SmolVlm500M]}, device="cpu")))

    answer = answer_question(photo("coffee"), "what is this?", models=pool)

    assert answer.models == (name,)
    pool.close()


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("A cat on a sofa.", "a cat on a sofa"),
        ("\n An owl. \nIt sleeps.", "an owl"),
        ("NASA's rocket", "NASA's rocket"),
        ("A", "A"),
        ("", ""),
    ],
)
def test_a_phrase(text: str, phrase: str) -> None:
    assert as_phrase(text) == phrase


def test_a_strip_keeps_its_pixels_and_gains_a_border() -> None:
    seen = presentable(Image.new("RGB", (1000, 40), "red"))

    assert seen.size == (1000, 50)
    assert [seen.getpixel((500, y)) for y in (4, 5, 44, 45)] == [(0, 0, 0), (255, 0, 0), (255, 0, 0), (0, 0, 0)]
