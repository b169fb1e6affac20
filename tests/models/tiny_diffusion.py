"""Tiny random diffusion checkpoints in the real format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH = 16


def checkpoint(
    folder: Path, kind: str = "StableDiffusionPipeline", channels: int = 4, flags: bool | None = None
) -> Path:
    """Save a pipeline of a class of ``diffusers``.

    Args:
        folder: Where to.
        kind: Name of the class.
        channels: Of the U-Net's input: 4, 8 with a picture (InstructPix2Pix), 9 with a masked one (inpainting).
        flags: What its safety checker says of every picture; None for no safety checker.
    """
    import torch

    library = _diffusers()
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "unet": _unet(channels),
        "vae": _vae(),
        "text_encoder": _text_encoder(),
        "tokenizer": _tokenizer(folder),
        "scheduler": library.DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": None if flags is None else _safety_checker(flags),
        "feature_extractor": None if flags is None else _feature_extractor(),
    }
    pipeline = getattr(library, kind)(**parts, requires_safety_checker=flags is not None)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def control(folder: Path, seed: int) -> Path:
    """Save a control network for the U-Net of :func:`checkpoint`."""
    import torch

    torch.manual_seed(seed)
    network = _diffusers().ControlNetModel.from_unet(_unet(4), conditioning_embedding_out_channels=(4, 8))
    with torch.no_grad():  # as it is made it adds nothing: its last layers are zero
        for block in (*network.controlnet_down_blocks, network.controlnet_mid_block):
            block.weight.normal_(std=0.5)
        network.controlnet_cond_embedding.conv_out.weight.normal_(std=0.5)
    network.save_pretrained(folder, safe_serialization=True)
    return folder


def in_half_precision(folder: Path) -> None:
    """Rename the weights of a saved pipeline to those of its half precision variant."""
    for file in list(folder.rglob("*.safetensors")):
        file.rename(file.with_suffix(".fp16.safetensors"))


def with_old_class_name(folder: Path) -> None:
    """Name the feature extractor as pipelines did that were saved before 2023."""
    index = folder / "model_index.json"
    content = json.loads(index.read_text())
    content["feature_extractor"] = ["transformers", "CLIPFeatureExtractor"]
    index.write_text(json.dumps(content))


def _diffusers() -> Any:
    import diffusers

    return diffusers  # only partly typed


def _unet(channels: int) -> Any:
    return _diffusers().UNet2DConditionModel(
        sample_size=WIDTH,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
    )


def _vae() -> Any:
    return _diffusers().AutoencoderKL(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    )


def _text_encoder() -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=54,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )
    return transformers.CLIPTextModel(config)


def _tokenizer(folder: Path) -> Any:
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    library: Any = transformers
    return library.CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=77)


def _safety_checker(flags: bool) -> Any:
    import torch
    import transformers
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config=layers, vision_config={**layers, "image_size": 32, "patch_size": 16}, projection_dim=8
    )
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():  # a picture is held back where its likeness to a concept, -1 to 1, exceeds the weight
        checker.concept_embeds_weights.fill_(-2.0 if flags else 2.0)
        checker.special_care_embeds_weights.fill_(2.0)
    return checker


def _feature_extractor() -> Any:
    import transformers

    side = {"height": 32, "width": 32}
    return transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side)
