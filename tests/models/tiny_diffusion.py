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
        "tokenizer": tokenizer(folder),
        "scheduler": library.DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": None if flags is None else _safety_checker(flags),
        "feature_extractor": None if flags is None else _feature_extractor(),
    }
    pipeline = getattr(library, kind)(**parts, requires_safety_checker=flags is not None)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def checkpoint_xl(folder: Path, kind: str = "StableDiffusionXLPipeline", channels: int = 4) -> Path:
    """Save a pipeline of the XL family, with two text encoders and the sizes of pictures among the conditions."""
    import torch

    library = _diffusers()
    torch.manual_seed(0)
    pipeline = getattr(library, kind)(
        unet=_unet(
            channels,
            cross_attention_dim=32,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 16,
            use_linear_projection=True,
        ),
        vae=_vae(),
        text_encoder=_text_encoder(),
        text_encoder_2=_text_encoder("CLIPTextModelWithProjection"),
        tokenizer=tokenizer(folder),
        tokenizer_2=tokenizer(folder, "tokenizer_2"),
        scheduler=library.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def checkpoint_upscaler(folder: Path) -> Path:
    """Save an upscaling pipeline: three channels of picture beside the latent, the level of noise as a class."""
    import torch

    library = _diffusers()
    torch.manual_seed(0)
    pipeline = library.StableDiffusionUpscalePipeline(
        unet=_unet(7, num_class_embeds=1000),
        vae=_vae(levels=3, scaling_factor=0.08333),
        text_encoder=_text_encoder(),
        tokenizer=tokenizer(folder),
        low_res_scheduler=library.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        scheduler=library.DDIMScheduler(clip_sample=False, steps_offset=1, prediction_type="v_prediction"),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def checkpoint_flux(folder: Path, guidance: bool = False) -> Path:
    """Save a FLUX pipeline, its transformer in shards; with guidance as [dev] has it, without as [schnell]."""
    import torch

    library = _diffusers()
    torch.manual_seed(0)
    transformer = library.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance,
    )
    pipeline = library.FluxPipeline(
        scheduler=library.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(shift_factor=0.1159, scaling_factor=0.3611, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_text_encoder(),
        tokenizer=tokenizer(folder),
        text_encoder_2=_t5(),
        tokenizer_2=_t5_tokenizer(),
        transformer=transformer,
    )
    pipeline.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    transformer.save_pretrained(folder / "transformer", max_shard_size="40KB")
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
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


def _unet(channels: int, **conditions: Any) -> Any:
    settings = {"cross_attention_dim": 16, **conditions}
    return _diffusers().UNet2DConditionModel(
        sample_size=WIDTH,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        **settings,
    )


def _vae(levels: int = 2, **settings: Any) -> Any:
    return _diffusers().AutoencoderKL(
        block_out_channels=(8, 16, 16)[:levels],
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        **settings,
    )


def _text_encoder(kind: str = "CLIPTextModel") -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=54,
        hidden_size=16,
        intermediate_size=16,
        projection_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )
    return getattr(transformers, kind)(config)


def _t5() -> Any:
    import transformers

    config = transformers.T5Config(
        vocab_size=40,
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return transformers.T5EncoderModel(config)


def _t5_tokenizer() -> Any:
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *((letter, -3.0) for letter in letters)]
    library: Any = transformers
    return library.T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512)


def tokenizer(folder: Path, name: str = "tokenizer") -> Any:
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / name / "merges.txt").write_text("#version: 0.2\n")
    library: Any = transformers
    return library.CLIPTokenizer.from_pretrained(folder / name, model_max_length=77)


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
