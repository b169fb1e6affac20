"""How much memory models may take on each device, and in which types they are loaded there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from visiongpt_agent.errors import InputError, ModelMemoryError
from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.settings import DEFAULT_MEMORY_SHARE, Settings, available_memory

DTYPE_BYTES: Final = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

_CUDA_MEMORY_SHARE: Final = 0.8  # the rest is for activations
_NATIVE_BFLOAT16: Final = (8, 0)  # Ampere; older ones emulate it, which is slower than float32


class Budgets:
    """The memory of this machine's devices that is for models; torch is imported only where CUDA may matter.

    Args:
        settings: The device or devices to use, and what the user allows on them.
        budget: Bytes for each device, whatever the settings say; 0 leaves it to them.
    """

    def __init__(self, settings: Settings, budget: int = 0) -> None:
        self._settings = settings
        self._budget = budget

    @cached_property
    def cpu(self) -> int:
        """Bytes of main memory."""
        return self._bytes("cpu", DEFAULT_MEMORY_SHARE)

    @cached_property
    def cuda(self) -> Mapping[str, int]:
        """Bytes by CUDA device: all there are, or the one that the settings name.

        Raises:
            InputError: If the settings ask for a device that is not here.
        """
        wanted = self._settings.device
        if wanted == "cpu":
            return {}
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        here = [f"cuda:{number}" for number in range(count)]
        if not here and wanted == "auto":
            return {}
        devices = here if wanted in ("auto", "cuda") else [device for device in here if device == wanted]
        if not devices:
            finding = f"finds only {', '.join(here)}" if here else "finds no CUDA device here"
            raise InputError(f"VISIONGPT_DEVICE is {wanted}, but torch {finding}; set it to cpu or auto")
        return {device: self._bytes(device, _CUDA_MEMORY_SHARE) for device in devices}

    def of(self, device: str) -> int:
        """Bytes for models on a device."""
        return self.cpu if device == "cpu" else self.cuda[device]

    def devices(self, card: ModelCard) -> list[str]:
        """The devices that a model may be loaded on, CUDA first."""
        return [*(self.cuda if "cuda" in card.devices else ()), *(["cpu"] if "cpu" in card.devices else [])]

    def dtypes(self, card: ModelCard, device: str) -> list[str]:
        """The types that a model may be loaded in on a device, the preferred first.

        On the CPU that is the card's order, where float32 comes first. On CUDA half the bytes are twice the speed:
        bfloat16 where the device computes in it, else float16, which has less range, and float32 where the card knows
        no half. Attention is ``scaled_dot_product_attention`` by the default of ``transformers`` and ``diffusers``.
        """
        if device == "cpu":
            return list(card.dtypes)
        import torch

        native = torch.cuda.get_device_capability(device) >= _NATIVE_BFLOAT16
        order = ["bfloat16", "float16", "float32"] if native else ["float16", "float32", "bfloat16"]
        return sorted(card.dtypes, key=lambda dtype: order.index(dtype) if dtype in order else len(order))

    def _bytes(self, device: str, default: float) -> int:
        by_device, kind = self._settings.device_memory, device.partition(":")[0]
        amount = self._budget or by_device.get(device) or by_device.get(kind) or self._settings.memory or default
        return amount if isinstance(amount, int) else int(amount * _available(device))


def _available(device: str) -> int:
    if device == "cpu":
        return available_memory()
    import torch

    return int(torch.cuda.mem_get_info(device)[0])


def is_out_of_memory(error: Exception) -> bool:
    """Whether a library says in its own way that memory ran out."""
    if isinstance(error, MemoryError | ModelMemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")
    )
