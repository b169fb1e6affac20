"""Checkpoints of the paper's models at their real size with random weights: what they take of memory and time is real.

The sizes are those of the models' published configurations. A tokenizer is of any words: what is said does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.models import tiny_checkpoints
from tests.tiny_llama import byte_level_tokenizer, sentencepiece_tokenizer

Weights = Callable[[Path, bool], None]
_CORPUS: Final = ['#1 = detect_objects(image=$1, query="dog")', "Question: what is this? Answer: a red cat"]


def llama_2_7b(folder: Path, small: bool) -> None:
    """LLaMA-2-7B, 6.7 billion parameters in bfloat16."""
    import torch
    import transformers

    size: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = transformers.LlamaConfig(vocab_size=32_000, max_position_embeddings=4096, **(size if small else {}))
    with torch.device(_where()):
        model: Any = transformers.LlamaForCausalLM(config)
    model.to(torch.bfloat16)
    model.save_pretrained(folder)
    sentencepiece_tokenizer(_CORPUS * 20).save_pretrained(folder)


def sam_vit_h(folder: Path, small: bool) -> None:
    """Segment Anything with ViT-H, 641 million parameters."""
    import torch
    import transformers

    size: dict[str, Any] = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "mlp_dim": 5120}
    if small:
        size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 32}
    places = [1] if small else [7, 15, 23, 31]
    vision = transformers.SamVisionConfig(global_attn_indexes=places, **size)
    with torch.device(_where()):
        model = transformers.SamModel(transformers.SamConfig(vision_config=vision.to_dict()))
    model.save_pretrained(folder)
    transformers.SamImageProcessor().save_pretrained(folder)


def grounding_dino(folder: Path, small: bool) -> None:
    """Grounding DINO with Swin-T, 172 million parameters."""
    import torch
    import transformers

    tiny_checkpoints.grounding_dino(folder)
    if small:
        return
    library: Any = transformers  # only partly typed
    config = library.GroundingDinoConfig(
        backbone_config=library.SwinConfig(window_size=7, out_indices=[2, 3, 4]).to_dict(),
        text_config=library.BertConfig(vocab_size=30_522).to_dict(),
    )
    with torch.device(_where()):
        model = library.GroundingDinoForObjectDetection(config)
    model.save_pretrained(folder)
    library.GroundingDinoImageProcessorPil(size={"shortest_edge": 800, "longest_edge": 1333}).save_pretrained(folder)


def blip2(folder: Path, small: bool) -> None:
    """BLIP-2 with OPT-2.7b, 3.7 billion parameters in float16."""
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    tokenizer = byte_level_tokenizer(_CORPUS)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<image>"]})
    layers: dict[str, Any] = {"hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32}
    vision: dict[str, Any] = {}
    if small:
        layers = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    width = layers["hidden_size"]
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    words = {"model_type": "opt", "vocab_size": 50_304, "ffn_dim": 4 * width, "word_embed_proj_dim": width, **ids}
    config = library.Blip2Config(
        vision_config=vision,
        qformer_config={"encoder_hidden_size": vision.get("hidden_size", 1408)},
        text_config={**words, **layers},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with torch.device(_where()):
        model = library.Blip2ForConditionalGeneration(config).half()
    model.save_pretrained(folder)
    pixels = library.BlipImageProcessorPil(size={"height": 224, "width": 224})
    library.Blip2Processor(pixels, tokenizer, num_query_tokens=32).save_pretrained(folder)


def sdxl(folder: Path, small: bool) -> None:
    """Stable Diffusion XL, 3.5 billion parameters in float16."""
    import diffusers
    import torch
    import transformers

    from tests.models import tiny_diffusion

    if small:
        tiny_diffusion.checkpoint_xl(folder)
        return
    library: Any = diffusers  # only partly typed
    levels = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
    heads: dict[str, Any] = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    more: dict[str, Any] = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20}
    scheduler = library.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading"
    )
    with torch.device(_where()):
        pipeline = library.StableDiffusionXLPipeline(
            unet=library.UNet2DConditionModel(
                sample_size=128,
                block_out_channels=(320, 640, 1280),
                down_block_types=levels,
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=[1, 2, 10],
                attention_head_dim=[5, 10, 20],
                cross_attention_dim=2048,
                addition_embed_type="text_time",
                addition_time_embed_dim=256,
                projection_class_embeddings_input_dim=2816,
                use_linear_projection=True,
            ),
            vae=library.AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
                latent_channels=4,
                sample_size=1024,
                scaling_factor=0.13025,
            ),
            text_encoder=transformers.CLIPTextModel(
                transformers.CLIPTextConfig(num_hidden_layers=12, projection_dim=768, **heads)
            ),
            text_encoder_2=transformers.CLIPTextModelWithProjection(
                transformers.CLIPTextConfig(num_hidden_layers=32, projection_dim=1280, hidden_act="gelu", **more)
            ),
            tokenizer=tiny_diffusion.tokenizer(folder),
            tokenizer_2=tiny_diffusion.tokenizer(folder, "tokenizer_2"),
            scheduler=scheduler,
        )
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)


WEIGHTS: Final[Mapping[str, Weights]] = {
    "llama-2-7b-chat": llama_2_7b,
    "sam-vit-base": sam_vit_h,  # a folder of one's own may hold the larger network
    "grounding-dino-tiny": grounding_dino,
    "blip2-opt-2.7b": blip2,
    "stable-diffusion-xl": sdxl,
}
"""What writes random weights into a folder, by the model's name; with True small ones, to try the code."""


def _where() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
