"""Florence-2, on a tiny random checkpoint of the real format, and its lines of text against known places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tests.tiny_llama import byte_level_tokenizer
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.florence2 import Florence2, lines_written

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
SIDE = 16
LONGEST = 48


def tiny_checkpoint(target: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # its types lack some of the keys
    raw = byte_level_tokenizer(["What is the text in the image, with regions?", "What does the image describe?"])
    tokenizer = library.PreTrainedTokenizerFast(
        tokenizer_object=raw.backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    tokenizer.add_tokens([f"<loc_{place}>" for place in range(1000)], special_tokens=True)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": LONGEST}
    config = library.Florence2Config(
        vision_config={
            "depths": [1],
            "patch_size": [7],
            "patch_stride": [4],
            "patch_padding": [3],
            "patch_prenorm": [False],
            "embed_dim": [8],
            "num_heads": [2],
            "num_groups": [2],
            "window_size": 4,
            "projection_dim": 16,
        },
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            **sizes,
            **heads,
            **ids,
            "decoder_start_token_id": tokenizer.eos_token_id,
            "init_std": 0.5,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        **ids,
    )
    torch.manual_seed(0)
    library.Florence2ForConditionalGeneration(config).save_pretrained(target)
    square = {"height": SIDE, "width": SIDE}
    pixels = library.CLIPImageProcessorPil(size=square, do_center_crop=False, crop_size=square)
    pixels.image_seq_length = (SIDE // 4) ** 2 + 1
    library.Florence2Processor(pixels, tokenizer).save_pretrained(target)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("florence2"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Florence2:
    return Florence2.load(folder, Placement())


def written(model: Florence2, text: str) -> list[int]:
    return list(model._processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def at(*places: int) -> str:
    return "".join(f"<loc_{place}>" for place in places)


def test_it_writes_the_same_each_time(model: Florence2, photo: Photo) -> None:
    caption, lines = model.caption(photo("coffee")), model.read(photo("coffee"))

    assert caption == model.caption(photo("coffee"))
    assert lines == model.read(photo("coffee"))
    assert "<" not in caption.replace("<|", "")


def test_the_odds_are_what_the_network_gives_to_what_is_written(model: Florence2, photo: Photo) -> None:
    import torch

    tokens, odds = model._write(photo("coffee"), "<OCR_WITH_REGION>", 12)

    given = model._processor(images=photo("coffee"), text="<OCR_WITH_REGION>", return_tensors="pt")
    start = model._network.config.text_config.decoder_start_token_id
    with torch.inference_mode():  # all at once, not token by token
        scores = model._network(**given, decoder_input_ids=torch.tensor([[start, *tokens[:-1]]])).logits[0]
    expected = [float(row.softmax(-1)[token]) for row, token in zip(scores, tokens, strict=True)]
    assert len(tokens) <= 12
    assert odds == pytest.approx(expected, rel=1e-3)


def test_lines_lie_where_they_are_told_to(model: Florence2, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    low = at(100, 800, 300, 800, 300, 900, 100, 900)
    high = at(499, 99, 749, 99, 749, 199, 499, 199)
    doubtful = at(0, 0, 9, 0, 9, 9, 0, 9)
    told = [("EXIT", low, 0.9), ("Gate 7", high, 0.6), ("smudge", doubtful, 0.2)]
    tokens = [token for text, places, _ in told for token in written(model, text + places)]
    odds = [odd for text, places, odd in told for _ in written(model, text + places)]
    asked: list[str] = []

    def generate(**given: Any) -> Any:
        asked.append(model._processor.tokenizer.decode(given["input_ids"][0]))
        vocabulary = len(model._processor.tokenizer)
        rows = torch.log((1 - torch.tensor(odds)) / (vocabulary - 1))[:, None].repeat(1, vocabulary)
        rows[torch.arange(len(tokens)), tokens] = torch.log(torch.tensor(odds))
        return SimpleNamespace(sequences=torch.tensor([[2, *tokens]]), logits=tuple(rows[:, None]))

    monkeypatch.setattr(model._network, "generate", generate)
    lines = model.read(photo("coffee").resize((1000, 500)))

    assert "with regions?" in asked[0]
    assert [line.text for line in lines] == ["Gate 7", "EXIT"]  # the upper one first; what is doubtful is left out
    assert [line.score for line in lines] == pytest.approx([0.6, 0.9], abs=1e-4)
    for line, corners in zip(
        lines,
        (
            ((499.5, 49.75), (749.5, 49.75), (749.5, 99.75), (499.5, 99.75)),
            ((100.5, 400.25), (300.5, 400.25), (300.5, 450.25), (100.5, 450.25)),
        ),
        strict=True,
    ):
        assert [number for corner in line.corners for number in corner] == pytest.approx(
            [number for corner in corners for number in corner]
        )


def test_what_is_no_whole_line_is_left_out(model: Florence2) -> None:
    eight = at(*range(8))
    tokens = written(model, eight + "short" + at(1, 2, 3) + "long" + eight + at(9) + "whole" + eight + "unplaced")

    (line,) = lines_written(model._processor.tokenizer, tokens, [0.5] * len(tokens), (100, 100))

    assert (line.text, line.score) == ("whole", 0.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (301, 7), (33, 47)])
def test_pictures_of_any_size_and_mode(model: Florence2, size: tuple[int, int]) -> None:
    for line in model.read(Image.new("L", size, 90)):
        assert all(0 <= x <= size[0] and 0 <= y <= size[1] for x, y in line.corners)
    assert isinstance(model.caption(Image.new("L", size, 90)), str)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(folder: Path, dtype: str, photo: Photo) -> None:
    model = Florence2.load(folder, Placement(dtype=dtype))

    assert str(next(model._network.parameters()).dtype) == f"torch.{dtype}"
    assert isinstance(model.caption(photo("coffee")), str)


def test_another_kind_of_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')

    for wrong in (None, tmp_path):
        with pytest.raises(WeightsError, match=f"visiongpt models pull {Florence2.card.name}"):
            Florence2.load(wrong, Placement())
