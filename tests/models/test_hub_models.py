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

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.blip import BlipCaption, BlipVqa
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.answer_question import answer_question
from visiongpt_agent.tools.estimate_depth import estimate_depth

Photo = Callable[[str], Image.Image]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "on", "sofa", "what", "is", "this", "?", "red"]


def blip_checkpoint(folder: Path, head: str) -> Path:
    import torch
    import transformers

    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": len(WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 64}
    special = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = transformers.BlipConfig(
        text_config={**layers, **words, **special}, vision_config={**layers, "image_size": 32, "patch_size": 16}
    )
    torch.manual_seed(0)
    getattr(transformers, head)(config).save_pretrained(folder)
    transformers.BlipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def depth_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    backbone = transformers.Dinov2Config(  # type: ignore[call-arg]
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
    )
    torch.manual_seed(0)
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    transformers.DPTImageProcessor(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    ).save_pretrained(folder)
    return folder


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
    assert answer.summary == f'To "what is this ?" the answer is: {answer.value}.'
    assert answer.models == ("blip-vqa-base",)
    pool.close()


@pytest.mark.parametrize("model", [BlipCaption, BlipVqa, DepthAnything])
def test_an_empty_folder_is_told(tmp_path: Path, model: type[BlipCaption | BlipVqa | DepthAnything]) -> None:
    with pytest.raises(WeightsError, match=f"models pull {model.card.name}"):
        model.load(tmp_path, Placement())
