"""Write the checkpoints of this folder: each by the release of its library that wrote the published one's format.

Run it once per release, in an environment of its own, from this folder::

    pip install transformers==4.26.1 tokenizers==0.13.3 diffusers==0.14.0 torch safetensors pillow
    python make_past.py clip blip mask2former stable_diffusion
    pip install transformers==4.46.3 tokenizers==0.20.3
    python make_past.py llama grounding_dino depth_anything
    pip install transformers==4.56.2 tokenizers==0.22.1
    python make_past.py sam2 florence2

Weights are random, of a seed. Beside each checkpoint lies ``expected.npz``: what that release computed from
``picture()`` and the texts here, which today's release has to compute from the same files.
"""
# mypy: ignore-errors
# Its types are those of other releases than today's.

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXTS = ["a cat", "two dogs on a sofa"]
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def picture() -> Image.Image:
    """RGB, 48x40: a gradient with a bright square."""
    rows, columns = np.mgrid[:40, :48]
    pixels = np.stack([rows * 6, columns * 5, (rows + columns) * 2], axis=2).astype(np.uint8)
    pixels[10:22, 14:30] = (250, 220, 30)
    return Image.fromarray(pixels)


def save(folder, model, *processors):
    model.eval().save_pretrained(folder, safe_serialization=True)
    save_processors(folder, *processors)


def save_converted(folder, model, *processors):
    """As ``visiongpt models convert`` leaves a pickle of that time, whose tied weights safetensors refused."""
    from safetensors.torch import save_file

    model.config.save_pretrained(folder)
    tensors = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    save_processors(folder, *processors)


def save_processors(folder, *processors):
    for processor in processors:
        processor.save_pretrained(folder)


def expect(folder, **values):
    np.savez_compressed(folder / "expected.npz", **{name: np.asarray(value) for name, value in values.items()})


def louder(model, factor=3.0):
    """Larger weights than random ones usually are, so that what is lost or changed shows in the answers."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(factor)
    return model


def byte_pairs(folder):
    pieces = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return pieces


def clip(folder):
    pieces = byte_pairs(folder)
    tokenizer = transformers.CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": 1}
    config = transformers.CLIPConfig(
        text_config={**SMALL, **ends, "vocab_size": len(pieces), "max_position_embeddings": 32},
        vision_config={**SMALL, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    model = louder(transformers.CLIPModel(config)).eval()
    pixels = transformers.CLIPFeatureExtractor(size=32, crop_size=32)
    save(folder, model, tokenizer, pixels)
    words = tokenizer(TEXTS, padding=True, return_tensors="pt")
    seen = pixels(images=picture(), return_tensors="pt")
    with torch.no_grad():
        out = model(**words, **seen)
    expect(folder, tokens=words["input_ids"], cosines=(out.image_embeds @ out.text_embeds.T)[0])


def blip(folder):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "on", "sofa", "what", "is", "this", "?", "red"]
    (folder / "vocab.txt").write_text("\n".join([*words, "[DEC]", "[ENC]"]))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    special = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    text = {**SMALL, **special, "vocab_size": len(words) + 2, "encoder_hidden_size": 16, "max_position_embeddings": 64}
    config = transformers.BlipConfig(text_config=text, vision_config={**SMALL, "image_size": 32, "patch_size": 16})
    model = louder(transformers.BlipForConditionalGeneration(config), 6.0).eval()
    pixels = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    processor = transformers.BlipProcessor(pixels, tokenizer)
    save_converted(folder, model, processor)
    seen = processor(images=picture(), return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**seen, max_new_tokens=40, num_beams=1, do_sample=False)
        states = model.vision_model(**seen).last_hidden_state
    expect(folder, tokens=tokens, pixels=seen["pixel_values"], states=states)


def mask2former(folder):
    backbone = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    names = {0: "wall", 1: "building", 2: "sky"}
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    model = louder(transformers.Mask2FormerForUniversalSegmentation(config)).eval()
    save(folder, model, transformers.Mask2FormerImageProcessor())
    pixels = torch.linspace(-2, 2, 3 * 64 * 96).reshape(1, 3, 64, 96).sin()
    with torch.no_grad():
        out = model(pixel_values=pixels)
    expect(folder, pixels=pixels, classes=out.class_queries_logits, masks=out.masks_queries_logits)


def stable_diffusion(folder):
    import diffusers
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    pieces = byte_pairs(folder)
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=20)
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": 1}
    text = transformers.CLIPTextConfig(**SMALL, **ends, vocab_size=len(pieces), max_position_embeddings=20)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
    )
    vision = {**SMALL, "image_size": 32, "patch_size": 16}
    checker = StableDiffusionSafetyChecker(
        transformers.CLIPConfig(text_config=dict(SMALL), vision_config=vision, projection_dim=8)
    )
    with torch.no_grad():  # nothing is like a concept that is held back
        checker.concept_embeds_weights.fill_(2)
        checker.special_care_embeds_weights.fill_(2)
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=transformers.CLIPTextModel(text).eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=diffusers.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=checker.eval(),
        feature_extractor=transformers.CLIPFeatureExtractor(size=32, crop_size=32),
    )
    for file in ("vocab.json", "merges.txt"):
        (folder / file).unlink()
    pipeline.save_pretrained(folder, safe_serialization=True)
    words = tokenizer(TEXTS[0], padding="max_length", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = pipeline.text_encoder(words)[0]
        noise = unet(torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8), 500, states).sample
        painted = vae.decode(noise).sample
    expect(folder, tokens=words, states=states, noise=noise, painted=painted)


def llama(folder):
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *LETTERS, *"[]/#$()=,.1234INST"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    pairs = [("▁", "["), ("▁", "#"), ("I", "N"), ("S", "T"), ("IN", "ST"), ("▁", "a"), ("c", "a"), ("ca", "t")]
    for first, second in pairs:
        vocabulary[first + second] = len(vocabulary)
    backend = Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    rest = [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), *rest])
    backend.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in ("<unk>", "<s>", "</s>")])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = transformers.LlamaTokenizerFast(tokenizer_object=backend, legacy=False)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}"
    )
    config = transformers.LlamaConfig(
        **SMALL, vocab_size=len(tokenizer), max_position_embeddings=512, rope_theta=10000.0
    )
    model = louder(transformers.LlamaForCausalLM(config)).eval()
    save(folder, model, tokenizer)
    prompt = "<s>[INST] a cat [/INST]"
    tokens = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expect(folder, prompt=prompt, tokens=tokens, logits=model(tokens).logits)


def grounding_dino(folder):
    nouns = ["dog", "lemon", "red", "blue", "car", "cup", "hot"]
    vocabulary = [f"[unused{number}]" for number in range(1030)]
    vocabulary[0], vocabulary[100], vocabulary[101], vocabulary[102] = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
    vocabulary[103], vocabulary[1012], vocabulary[1029] = "[MASK]", ".", "?"
    vocabulary[200 : 200 + len(nouns)] = nouns
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    swin = transformers.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
    )
    bert = {**SMALL, "vocab_size": len(vocabulary), "model_type": "bert"}
    sizes = {
        part + name: value
        for part in ("encoder_", "decoder_")
        for name, value in {"layers": 2, "ffn_dim": 16, "attention_heads": 2, "n_points": 2}.items()
    }
    config = transformers.GroundingDinoConfig(
        backbone_config=swin, text_config=bert, d_model=32, num_queries=8, **sizes
    )
    model = transformers.GroundingDinoForObjectDetection(config).eval()
    pixels = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    save(folder, model, tokenizer, pixels)
    words = tokenizer("dog. red car.", return_tensors="pt")
    seen = torch.linspace(-2, 2, 3 * 64 * 96).reshape(1, 3, 64, 96).sin()
    with torch.no_grad():
        out = model(pixel_values=seen, **words)
    expect(
        folder,
        tokens=words["input_ids"],
        pixels=seen,
        logits=out.logits[..., : words["input_ids"].shape[1]],
        boxes=out.pred_boxes,
    )


def depth_anything(folder):
    backbone = transformers.Dinov2Config(
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
    model = louder(transformers.DepthAnythingForDepthEstimation(config)).eval()
    pixels = transformers.DPTImageProcessor(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    )
    save(folder, model, pixels)
    seen = pixels(images=picture(), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expect(folder, pixels=seen, depth=model(pixel_values=seen).predicted_depth)


def sam2(folder):
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[128, 128],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    vision = transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=32,
    )
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "patch_size": 16},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    )
    model = transformers.Sam2Model(config).eval()
    save(folder, model)
    pixels = torch.linspace(-2, 2, 3 * 128 * 128).reshape(1, 3, 128, 128).sin()
    boxes = torch.tensor([[[20.0, 30.0, 90.0, 100.0]]])
    with torch.no_grad():
        out = model(pixel_values=pixels, input_boxes=boxes)
    expect(folder, pixels=pixels, boxes=boxes, quality=out.iou_scores, masks=out.pred_masks)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        target = Path(__file__).parent / name
        target.mkdir(exist_ok=True)
        torch.manual_seed(0)
        globals()[name](target)
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        print(f"{name}: transformers {transformers.__version__}, {size:,} bytes")
