"""A language model that transformers runs, as the plan decoder reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visiongpt_agent.llm.prefixes import PrefixCache

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, GenerationConfig, PreTrainedModel

    from visiongpt_agent.llm.decoding import PlanDecoder
    from visiongpt_agent.llm.network import FloatArray


class TorchNetwork:
    """One request's view of a transformers model.

    Args:
        model: The model, in evaluation mode.
        cache: Its memory of what was read; it is written to.
    """

    def __init__(self, model: PreTrainedModel, cache: DynamicCache) -> None:
        self._model = model
        self._cache = cache

    @property
    def length(self) -> int:
        return int(self._cache.get_seq_length())

    def read(self, tokens: Sequence[int]) -> FloatArray:
        import torch

        with torch.inference_mode():
            ids = torch.tensor([list(tokens)], device=self._model.device)
            output = self._model(input_ids=ids, cache=self._cache, use_cache=True, logits_to_keep=1)
            logits: FloatArray = output.logits[0, -1].float().cpu().numpy()
            return logits

    def forget(self, length: int) -> None:
        self._cache.crop(length - self.length)  # a negative number: so many are removed


class TorchPrefixes(PrefixCache["torch.Tensor"]):
    """Prompt beginnings of one transformers model.

    Args:
        model: The model.
        size: See :class:`PrefixCache`.
        folder: See :class:`PrefixCache`.
    """

    def __init__(self, model: PreTrainedModel, size: int = 3, folder: Path | None = None) -> None:
        super().__init__(size, folder)
        self._model = model

    def start(self, prefix: Sequence[int]) -> TorchNetwork:
        """The model with a prefix read, for one request to go on from."""
        from transformers import DynamicCache

        memory = self.memory_of(prefix)
        # A layer grows by concatenation, into a new tensor: those that are shared are never written to.
        return TorchNetwork(self._model, DynamicCache(list(zip(memory[::2], memory[1::2], strict=True))))

    @property
    def runtime(self) -> str:
        import transformers

        return f"{self._model.dtype} {transformers.__version__}"

    def compute(self, prefix: Sequence[int]) -> list[torch.Tensor]:
        from transformers import DynamicCache

        cache = DynamicCache()
        TorchNetwork(self._model, cache).read(prefix)
        layers: Any = cache.layers
        return [tensor for layer in layers for tensor in (layer.keys, layer.values)]

    def load(self, file: Path) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        tensors: dict[str, torch.Tensor] = load_file(file, device=str(self._model.device))
        return tensors

    def save(self, tensors: Mapping[str, torch.Tensor], file: Path) -> None:
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)


@dataclass
class PipelineDecoder:
    """Has a text-generation pipeline decode a plan: call it as ``pipeline(prompt, custom_generate=decoder)``.

    Attributes:
        decoder: Writes the plan.
        prefixes: Shared between requests.
        prefix: How many tokens of the prompt are the same for every request with these tools.
    """

    decoder: PlanDecoder
    prefixes: TorchPrefixes
    prefix: int = 0

    def __call__(
        self, model: PreTrainedModel, input_ids: torch.Tensor, generation_config: GenerationConfig, **_: Any
    ) -> torch.Tensor:
        """Decode; sampling where ``generation_config.do_sample`` asks for it, else the likeliest plan.

        Returns:
            int64 ``(1, prompt + plan)``.
        """
        import torch

        prompt: list[int] = input_ids[0].tolist()
        temperature = (generation_config.temperature or 1.0) if generation_config.do_sample else 0.0
        network = self.prefixes.start(prompt[: self.prefix])
        self.decoder.decode(network, prompt[network.length :], temperature)
        return torch.cat([input_ids, input_ids.new_tensor([self.decoder.generated])], dim=1)
