"""Tiny random checkpoints in the real formats, each written into a folder that is handed back.

The weights come of a seed, so that a checkpoint is the same every time; the folders hold what save_pretrained writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.models import tiny_diffusion
from tests.tiny_llama import sentencepiece_tokenizer, tiny_llama

LETTERS = "abcdefghijklmnopqrstuvwxyz"
BLIP_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "on", "sofa", "what", "is", "this", "?", "red"]
DINO_WORDS = ["dog", "lemon", "red", "blue", "car", "cup", "hot", "st", "bernard", "##s", "le", "##on"]
SAM_SIDE = 256
OWL_SIDE = 96
POSE_WIDTH, POSE_HEIGHT = 48, 64


def blip(folder: Path, head: str) -> Path:
    import torch
    import transformers

    (folder / "vocab.txt").write_text("\n".join(BLIP_WORDS))
    tokenizer = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": len(BLIP_WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 64}
    special = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = transformers.BlipConfig(
        text_config={**layers, **words, **special}, vision_config={**layers, "image_size": 32, "patch_size": 16}
    )
    torch.manual_seed(0)
    getattr(transformers, head)(config).save_pretrained(folder)
    transformers.BlipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def depth_anything(folder: Path) -> Path:
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


def clip(folder: Path) -> Path:
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


def grounding_dino(folder: Path, kind: str = "GroundingDino") -> Path:
    """Grounding DINO, or a network of its kind by the beginning of its classes' names."""
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    vocabulary = [f"[unused{i}]" for i in range(1030)]  # the network knows the numbers of the separators
    vocabulary[0], vocabulary[100], vocabulary[101], vocabulary[102] = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
    vocabulary[103], vocabulary[1012], vocabulary[1029] = "[MASK]", ".", "?"
    vocabulary[200 : 200 + len(DINO_WORDS)] = DINO_WORDS
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    swin = library.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
    )
    layers: dict[str, Any] = {"num_hidden_layers": 1, "num_attention_heads": 2}
    bert = transformers.BertConfig(vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, **layers)
    sizes: dict[str, Any] = {
        f"{part}_{name}": value
        for part in ("encoder", "decoder")
        for name, value in {"layers": 2, "ffn_dim": 16, "attention_heads": 2, "n_points": 2}.items()
    }
    config = getattr(library, f"{kind}Config")(
        backbone_config=swin.to_dict(), text_config=bert.to_dict(), d_model=32, num_queries=20, **sizes
    )
    torch.manual_seed(0)
    network = getattr(library, f"{kind}ForObjectDetection")(config)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("bias") and "class_embed" in name:  # it starts so low that nothing would be found
                weight.zero_()
    network.save_pretrained(folder)
    size = {"shortest_edge": 96, "longest_edge": 192}
    transformers.GroundingDinoImageProcessorPil(size=size).save_pretrained(folder)
    return folder


def owlv2(folder: Path) -> Path:
    import torch
    import transformers

    pieces = ["!", *LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = transformers.CLIPTokenizer(vocab=numbers, merges=[], pad_token="!")
    tokenizer.save_pretrained(folder)
    layers: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads: dict[str, Any] = {"num_attention_heads": 2}
    special = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": 0}
    config = transformers.Owlv2Config(
        text_config={**layers, **heads, **special, "vocab_size": len(pieces), "max_position_embeddings": 32},
        vision_config={**layers, **heads, "image_size": OWL_SIDE, "patch_size": 16},
        projection_dim=16,
    )
    torch.manual_seed(0)
    transformers.Owlv2ForObjectDetection(config).save_pretrained(folder)
    transformers.Owlv2ImageProcessorPil(size={"height": OWL_SIDE, "width": OWL_SIDE}).save_pretrained(folder)
    return folder


def sam(folder: Path) -> Path:
    import torch
    import transformers

    vision: dict[str, Any] = {"num_attention_heads": 2, "window_size": 4, "global_attn_indexes": [1]}
    sizes: dict[str, Any] = {"image_size": SAM_SIDE, "patch_size": 16}
    config = transformers.SamConfig(
        vision_config=transformers.SamVisionConfig(
            hidden_size=16, output_channels=32, num_hidden_layers=2, num_pos_feats=16, **sizes, **vision
        ).to_dict(),
        prompt_encoder_config=transformers.SamPromptEncoderConfig(hidden_size=32, **sizes).to_dict(),
        mask_decoder_config=transformers.SamMaskDecoderConfig(
            hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
        ).to_dict(),
    )
    torch.manual_seed(0)
    network = transformers.SamModel(config)
    with torch.no_grad():  # the standard initialisation is so small that pictures would not matter
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    network.save_pretrained(folder)
    transformers.SamImageProcessor(
        size={"longest_edge": SAM_SIDE}, pad_size={"height": SAM_SIDE, "width": SAM_SIDE}
    ).save_pretrained(folder)
    return folder


def vitpose(folder: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    backbone = library.VitPoseBackboneConfig(
        image_size=[POSE_HEIGHT, POSE_WIDTH],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        out_indices=[1],
    )
    torch.manual_seed(0)
    config = library.VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=True)
    library.VitPoseForPoseEstimation(config).save_pretrained(folder)
    return folder


def llama(folder: Path, corpus: list[str]) -> Path:
    """A LLaMA with LLaMA-2's kind of tokenizer and its chat format."""
    tokenizer = sentencepiece_tokenizer(corpus)
    tiny_llama(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def controlnet(folder: Path, *controls: str) -> Path:
    """Stable Diffusion and the control networks."""
    tiny_diffusion.checkpoint(folder, flags=False)
    for seed, control in enumerate(controls):
        tiny_diffusion.control(folder / "controls" / control, seed=seed)
    return folder
