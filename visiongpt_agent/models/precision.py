"""Half precision for the parts of a network that see, none for those that place.

bfloat16 has eight significant bits and float16 eleven: a box's edge at 1,000 pixels would be off by up to four, or by
half of one. So the encoders, which hold most of the weights and take most of the time, run in half precision, and what
turns their features into coordinates and masks stays in float32, as the authors of SAM 2 and of Grounding DINO run
their models under autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

FLOATS: Final = ("float32", "bfloat16", "float16")
"""The dtypes of a model whose encoders run in half precision."""


def halve(network: Any, parts: Sequence[str], dtype: str) -> None:
    """Have parts of a network run in a dtype of their own; what goes in is cast to it, and what comes out to float32.

    Args:
        network: A ``torch.nn.Module`` in float32.
        parts: Names of submodules, as ``get_submodule`` takes them; each is called by way of ``__call__``.
        dtype: A name, such as ``bfloat16``; with ``float32`` nothing is done.
    """
    import torch

    target = getattr(torch, dtype)
    if target == torch.float32:
        return

    def cast_inputs(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        return _cast(args, target), _cast(kwargs, target)

    def cast_outputs(_: Any, __: Any, out: Any) -> Any:
        return _cast(out, torch.float32)

    for name in parts:
        part = network.get_submodule(name)
        part.to(target)
        part.register_forward_pre_hook(cast_inputs, with_kwargs=True)
        part.register_forward_hook(cast_outputs)


def _cast(value: Any, dtype: Any) -> Any:
    """The floating-point tensors of a value in another dtype: of a tensor, a container, or an output of a library."""
    if hasattr(value, "is_floating_point"):
        return value.to(dtype) if value.is_floating_point() else value
    if is_dataclass(value) and not isinstance(value, type):  # the outputs of transformers, mappings as well
        return _rebuilt(value, lambda part: _cast(part, dtype))
    if isinstance(value, Mapping):
        return {key: _cast(part, dtype) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cast(part, dtype) for part in value)
    return value


def _rebuilt(value: Any, change: Callable[[Any], Any]) -> Any:
    return type(value)(**{field.name: change(getattr(value, field.name)) for field in fields(value)})
