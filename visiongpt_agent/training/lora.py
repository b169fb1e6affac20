"""The low-rank adapter that training learns: small matrices beside each linear layer (Hu et al., arXiv 2106.09685).

While training, each step adds the product of the small matrices to the frozen weights and runs the plain model on the
sum (in bfloat16 on a GPU, as mixed precision does with any weights). On a GPU that is about twice as fast as
computing with the small matrices beside each layer, since the model is narrow and the requests of a step are many. They
are saved as peft saves them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from visiongpt_agent.errors import InputError

KINDS: Final = (
    *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
)
"""The linear layers of a LLaMA block."""


class LowRankAdapter(nn.Module):
    """Low-rank additions to all linear layers of a LLaMA-architecture model.

    Args:
        model: The model; its weights are frozen, and kept in the precision in which the model is to run.
        rank: The small matrices' inner size.
        alpha: The product is scaled by ``alpha / rank``.
        seed: Of the random start; the product starts at zero.
    """

    def __init__(self, model: nn.Module, rank: int, alpha: int, seed: int) -> None:
        super().__init__()
        self.rank, self.alpha = rank, alpha
        model.requires_grad_(False)
        self._layers = len(list(model.get_submodule("model.layers").children()))
        self._frozen: dict[str, Tensor] = {}
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        generator = torch.Generator().manual_seed(seed)
        for kind in KINDS:
            weights = [model.get_parameter(self._name(kind, layer)) for layer in range(self._layers)]
            frozen = torch.stack([weight.detach() for weight in weights])
            self._frozen[kind] = frozen
            _, rows, columns = frozen.shape
            bound = 1 / math.sqrt(columns)  # peft's start: kaiming_uniform with a = sqrt(5)
            start = torch.empty(self._layers, rank, columns).uniform_(-bound, bound, generator=generator)
            for layer in range(self._layers):
                self.down[_key(kind, layer)] = nn.Parameter(start[layer].to(frozen.device))
                self.up[_key(kind, layer)] = nn.Parameter(torch.zeros(rows, rank, device=frozen.device))

    def weights(self) -> dict[str, Tensor]:
        """The sums by the model's own names, for ``torch.func.functional_call``."""
        found: dict[str, Tensor] = {}
        for kind, frozen in self._frozen.items():
            up, down = (
                torch.stack([part[_key(kind, layer)] for layer in range(self._layers)]) for part in (self.up, self.down)
            )
            merged = frozen + ((self.alpha / self.rank) * torch.bmm(up, down)).to(frozen.dtype)
            found |= {self._name(kind, layer): merged[layer] for layer in range(self._layers)}
        return found

    @contextmanager
    def beside(self, model: nn.Module) -> Iterator[None]:
        """Compute with the small matrices beside each layer, inside the ``with``.

        On a CPU it counts that no gradients as large as the weights of the model are computed, as :meth:`weights` does.
        """
        hooks = [
            model.get_submodule(self._name(kind, layer).removesuffix(".weight")).register_forward_hook(
                self._hook(_key(kind, layer))
            )
            for kind in KINDS
            for layer in range(self._layers)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, key: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def with_change(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            small = functional.linear(inputs[0], self.down[key])
            return output + (self.alpha / self.rank) * functional.linear(small, self.up[key])

        return with_change

    @classmethod
    def read(cls, folder: Path, model: nn.Module) -> LowRankAdapter:
        """An adapter that :meth:`save` wrote, to be trained on.

        Args:
            folder: Where it is.
            model: The model that it belongs to.

        Raises:
            InputError: If the folder holds no adapter.
        """
        if not (folder / "adapter_config.json").is_file():  # peft would look for it on the model hub
            raise InputError(f"{folder} holds no adapter_config.json: give the folder of an adapter")
        from peft import LoraConfig
        from safetensors.torch import load_file

        config = LoraConfig.from_pretrained(str(folder))
        adapter = cls(model, config.r, config.lora_alpha, seed=0)
        saved = load_file(folder / "adapter_model.safetensors")
        with torch.no_grad():
            for name, part in adapter._named():
                part.copy_(saved[name])
        return adapter

    def save(self, folder: Path, base: str) -> None:
        """Write ``adapter_model.safetensors`` (float16) and ``adapter_config.json``, as peft reads them.

        Args:
            folder: Made where it is not there.
            base: The name of the model that the adapter belongs to.
        """
        from peft import LoraConfig
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        targets = sorted(kind.rpartition(".")[2] for kind in KINDS)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            target_modules=targets,
            task_type="CAUSAL_LM",
            base_model_name_or_path=base,
            inference_mode=True,
        )
        config.save_pretrained(str(folder))
        saved = {name: part.detach().to("cpu", torch.float16).contiguous() for name, part in self._named()}
        save_file(saved, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        """The small matrices by the names that peft gives them."""
        for kind in KINDS:
            for layer in range(self._layers):
                module = f"base_model.model.{self._name(kind, layer).removesuffix('.weight')}"
                for letter, part in (("A", self.down), ("B", self.up)):
                    yield f"{module}.lora_{letter}.weight", part[_key(kind, layer)]

    @staticmethod
    def _name(kind: str, layer: int) -> str:
        return f"model.layers.{layer}.{kind}.weight"


def _key(kind: str, layer: int) -> str:
    return f"{kind.replace('.', '_')}_{layer}"
