"""LLaMA-family models as GGUF files, as llama.cpp's own converter lays them out.

The tensors' names and the order of the rotary pairs are those of
https://github.com/ggml-org/llama.cpp/blob/master/conversion (LlamaModel), which is no package of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def write_gguf(folder: Path, file: Path) -> Path:
    """Write a model with a byte-level tokenizer, which ``save_pretrained`` left in a folder, in eight bits."""
    import gguf
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text("utf-8"))
    heads, pairs = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("planner")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(pairs)
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(float(config.get("rope_theta") or config["rope_parameters"]["rope_theta"]))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    _add_words(writer, folder, config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, tensor in load_file(folder / "model.safetensors").items():
        values = tensor.float().numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            values = _paired(values, heads if "q_proj" in name else pairs)
        kind = gguf.GGMLQuantizationType.F32 if values.ndim == 1 else gguf.GGMLQuantizationType.Q8_0
        if values.shape[-1] % 32:
            kind = gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(values, kind)
        writer.add_tensor(str(names.get_name(name, try_suffixes=(".weight",))), stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_words(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    import gguf

    stored = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    template = folder / "chat_template.jinja"
    pieces = {number: piece for piece, number in stored["model"]["vocab"].items()}
    special = {token["id"]: token["content"] for token in stored["added_tokens"]}
    pieces |= special
    count = config["vocab_size"]
    kinds = [gguf.TokenType.CONTROL if number in special else gguf.TokenType.NORMAL for number in range(count)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm" if len(pieces) > 10_000 else "gpt-2")
    writer.add_token_list([pieces.get(number, f"[PAD{number}]") for number in range(count)])
    writer.add_token_types(kinds)
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in stored["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template.read_text("utf-8"))


def _paired(values: npt.NDArray[Any], heads: int) -> npt.NDArray[Any]:
    """Rows of queries or keys as llama.cpp wants them: a rotary pair side by side, not half a head apart."""
    rows, columns = values.shape
    halves = values.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))
