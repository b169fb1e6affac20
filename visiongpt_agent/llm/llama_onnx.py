"""Writes a LLaMA network (arXiv 2302.13971) as an ONNX graph with weights of eight bits, for onnxruntime on a CPU.

The graph is made of onnxruntime's operators for language models: ``MatMulNBits`` multiplies by weights in blocks of 32
numbers with a scale and a zero point each, ``GroupQueryAttention`` rotates queries and keys (arXiv 2104.09864) and
appends to the keys and values of what was read before
(https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md). One run reads any number of tokens and
gives the logits of the token after them.

Inputs:
    ``input_ids`` int64 ``(1, tokens)``; ``last`` int32 ``(1,)``, the place of the last of them in all that was read,
    counted from 0; ``total`` int32, how many were read together; ``past_keys_N`` and ``past_values_N`` of each layer,
    float32 ``(1, heads, room, width)``, of which what was read before is filled.
Outputs:
    ``logits`` float32 ``(1, 1, vocabulary)``; ``keys_N``, ``values_N`` of the shape of the inputs. Bound to the same
    memory as these, only the new tokens are written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

FloatArray = npt.NDArray[np.float32]

BLOCK: Final = 32
"""How many weights share a scale and a zero point."""
_LEVELS: Final = 255
_OPSET: Final = 21
_IR_VERSION: Final = 10
"""Of ONNX's file format: that of opset 21, which onnxruntime reads since 1.18."""
_CONTRIB: Final = "com.microsoft"
_EIGHT_BIT_ACTIVATIONS: Final = 4
"""``accuracy_level`` of MatMulNBits: activations are rounded to eight bits for the product."""


def quantized(weights: FloatArray) -> tuple[npt.NDArray[np.uint8], FloatArray, npt.NDArray[np.uint8]]:
    """Round a matrix to eight bits, block by block along its rows.

    Args:
        weights: float32 ``(rows, columns)``; the columns are a multiple of :data:`BLOCK`.

    Returns:
        uint8 ``(rows, blocks, BLOCK)``, scales float32 ``(rows, blocks)``, zero points uint8 ``(rows, blocks)``: a
        weight is ``scale * (number - zero point)``.
    """
    rows, columns = weights.shape
    blocks = weights.reshape(rows, columns // BLOCK, BLOCK)
    low, high = np.minimum(blocks.min(-1), 0), np.maximum(blocks.max(-1), 0)
    scales = ((high - low) / _LEVELS).astype(np.float32)
    scales[scales == 0] = 1
    zeros = np.clip(np.round(-low / scales), 0, _LEVELS)
    numbers = np.clip(np.round(blocks / scales[..., None]) + zeros[..., None], 0, _LEVELS)
    return numbers.astype(np.uint8), scales, zeros.astype(np.uint8)


class _Graph:
    """Nodes and constants of a graph on its way."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its first output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def product(self, vectors: str, weights: FloatArray, name: str) -> str:
        """``vectors @ weights.T`` with weights of eight bits."""
        numbers, scales, zeros = quantized(weights)
        constants = [self.constant(f"{name}.weights", numbers), self.constant(f"{name}.scales", scales)]
        constants.append(self.constant(f"{name}.zeros", zeros))
        form = {"K": weights.shape[1], "N": weights.shape[0], "bits": 8, "block_size": BLOCK}
        accuracy = {"accuracy_level": _EIGHT_BIT_ACTIVATIONS}
        return self.add("MatMulNBits", [vectors, *constants], [f"{name}.product"], _CONTRIB, **form, **accuracy)


class LlamaGraph:
    """The graph of one LLaMA network.

    Args:
        config: The network's ``config.json``.
        weights: Its tensors by the names that transformers gives them.
    """

    def __init__(self, config: dict[str, Any], weights: dict[str, FloatArray]) -> None:
        self._config = config
        self._weights = weights
        self._graph = _Graph()
        self._width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]

    def model(self) -> onnx.ModelProto:
        """The whole network."""
        from onnx import helper

        config, graph = self._config, self._graph
        vectors, branch = self._embedded(), ""
        for layer in range(config["num_hidden_layers"]):
            vectors, branch = self._layer(layer, vectors, branch)
        self._logits(vectors, branch)
        whole = helper.make_graph(graph.nodes, "llama", self._inputs(), self._outputs(), graph.constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(whole, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="visiongpt-agent")

    def _embedded(self) -> str:
        graph = self._graph
        positions = np.arange(self._config["max_position_embeddings"], dtype=np.float64)
        steps = np.arange(0, self._width, 2) / self._width
        angles = np.outer(positions, self._config["rope_parameters"]["rope_theta"] ** -steps)
        graph.constant("cosines", np.cos(angles).astype(np.float32))
        graph.constant("sines", np.sin(angles).astype(np.float32))
        table = graph.constant("embeddings", self._weights["model.embed_tokens.weight"].astype(np.float16))
        rows = graph.add("Gather", [table, "input_ids"], ["embedded.half"])
        return graph.add("Cast", [rows], ["embedded"], to=1)

    def _normed(self, vectors: str, branch: str, name: str) -> tuple[str, str]:
        """RMS norm of ``vectors + branch``; returns the norm and the sum."""
        graph = self._graph
        weight, epsilon = graph.constant(name, self._weights[name]), float(self._config["rms_norm_eps"])
        if not branch:
            normed = graph.add(
                "SimplifiedLayerNormalization", [vectors, weight], [f"{name}.out"], axis=-1, epsilon=epsilon
            )
            return normed, vectors
        outputs = [f"{name}.out", "", "", f"{name}.sum"]
        normed = graph.add(
            "SkipSimplifiedLayerNormalization", [vectors, branch, weight], outputs, _CONTRIB, epsilon=epsilon
        )
        return normed, outputs[-1]

    def _layer(self, number: int, vectors: str, branch: str) -> tuple[str, str]:
        """A block of attention and feed-forward; returns the vectors and what is still to be added to them."""
        graph, place = self._graph, f"model.layers.{number}."
        normed, vectors = self._normed(vectors, branch, f"{place}input_layernorm.weight")
        joined = np.concatenate([self._weights[f"{place}self_attn.{name}_proj.weight"] for name in "qkv"])
        past = [f"past_keys_{number}", f"past_values_{number}"]
        attended = graph.add(
            "GroupQueryAttention",
            [graph.product(normed, joined, f"{place}qkv"), "", "", *past, "last", "total", "cosines", "sines"],
            [f"{place}attended", f"keys_{number}", f"values_{number}"],
            _CONTRIB,
            num_heads=self._config["num_attention_heads"],
            kv_num_heads=self._config["num_key_value_heads"],
            do_rotary=1,
            scale=float(self._width**-0.5),
        )
        branch = graph.product(attended, self._weights[f"{place}self_attn.o_proj.weight"], f"{place}o")
        normed, vectors = self._normed(vectors, branch, f"{place}post_attention_layernorm.weight")
        return vectors, self._feed_forward(normed, place)

    def _feed_forward(self, vectors: str, place: str) -> str:
        """SwiGLU (arXiv 2002.05202)."""
        graph = self._graph
        joined = np.concatenate([self._weights[f"{place}mlp.{name}_proj.weight"] for name in ("gate", "up")])
        gate, up = f"{place}gate", f"{place}up"
        graph.add("Split", [graph.product(vectors, joined, f"{place}gate_up")], [gate, up], axis=-1, num_outputs=2)
        silu = graph.add("Mul", [gate, graph.add("Sigmoid", [gate], [f"{gate}.sigmoid"])], [f"{gate}.silu"])
        inner = graph.add("Mul", [silu, up], [f"{place}inner"])
        return graph.product(inner, self._weights[f"{place}mlp.down_proj.weight"], f"{place}down")

    def _logits(self, vectors: str, branch: str) -> None:
        graph = self._graph
        whole = graph.add("Add", [vectors, branch], ["read"])
        cut = [
            graph.constant(name, np.array([at], np.int64)) for name, at in (("from", -1), ("to", 2**62), ("axis", 1))
        ]
        newest = graph.add("Slice", [whole, *cut], ["newest"])
        normed, _ = self._normed(newest, "", "model.norm.weight")
        tied = "lm_head.weight" not in self._weights
        head = self._weights["model.embed_tokens.weight" if tied else "lm_head.weight"]
        graph.add("Identity", [graph.product(normed, head, "lm_head")], ["logits"])

    def _memory(self, names: tuple[str, str]) -> list[Any]:
        """Keys and values of every layer, as inputs or outputs."""
        from onnx import TensorProto, helper

        shape = [1, self._config["num_key_value_heads"], "room", self._width]
        layers = range(self._config["num_hidden_layers"])
        return [
            helper.make_tensor_value_info(f"{name}_{layer}", TensorProto.FLOAT, shape)
            for layer in layers
            for name in names
        ]

    def _inputs(self) -> list[Any]:
        from onnx import TensorProto, helper

        return [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"]),
            helper.make_tensor_value_info("last", TensorProto.INT32, [1]),
            helper.make_tensor_value_info("total", TensorProto.INT32, []),
            *self._memory(("past_keys", "past_values")),
        ]

    def _outputs(self) -> list[Any]:
        from onnx import TensorProto, helper

        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, self._config["vocab_size"]])
        return [logits, *self._memory(("keys", "values"))]


def write_llama(folder: Path, target: Path) -> None:
    """Write the network of a folder that ``save_pretrained`` wrote as an ONNX file.

    Args:
        folder: Has ``config.json`` and ``model.safetensors``.
        target: The file; a fourth of the weights' size in float32, and the embeddings in half precision.
    """
    import onnx
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    weights = {name: values.astype(np.float32) for name, values in load_file(folder / "model.safetensors").items()}
    onnx.save(LlamaGraph(config, weights).model(), str(target))
