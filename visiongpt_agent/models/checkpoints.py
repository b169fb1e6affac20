"""Reading checkpoints from a folder on disk: never from a network, and without running code that they bring."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.precision import halve


def read_checkpoint(
    card: ModelCard,
    folder: Path | None,
    placement: Placement,
    network: str,
    *processors: str,
    also: Collection[str] = (),
    halved: Sequence[str] = (),
) -> tuple[Any, ...]:
    """The network, placed and ready to infer, and its processors, by the names of their classes in ``transformers``.

    Args:
        card: Of the model, for messages.
        folder: Holds the checkpoint.
        placement: Device and dtype.
        network: The class of the network.
        processors: The classes of what prepares its inputs.
        also: Further model types, as in ``config.json``, whose checkpoints hold such a network among other things.
        halved: The submodules that alone take the placement's dtype, where the rest is to stay in float32
            (:mod:`~visiongpt_agent.models.precision`); none means all of the network.

    Raises:
        WeightsError: If the folder lacks a file, holds another kind of model or one that needs a package which is not
            installed, or lacks some of the network's weights, which ``transformers`` would fill with random numbers.
    """
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    kind = getattr(library, network)
    try:
        if folder is None:
            raise OSError("no folder was given")
        held = library.AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        if held not in (kind.config_class.model_type, *also):
            raise OSError(f"its config.json is that of {held}")
        model, report = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32 if halved else getattr(torch, placement.dtype),
            output_loading_info=True,
        )
        lost = sorted(set(report["missing_keys"]) & {name for name, _ in model.named_parameters()})
        if lost:
            raise OSError(f"{len(lost)} weights are missing, {lost[0]} among them")
        parts = [getattr(library, name).from_pretrained(folder, local_files_only=True) for name in processors]
    except (ImportError, OSError, ValueError) as error:
        raise unusable(card, folder, error) from error
    halve(model, halved, placement.dtype)
    return model.to(placement.device).eval(), *parts


def read_tensors(card: ModelCard, folder: Path | None, name: str) -> dict[str, Any]:
    """What a file that ``torch.save`` wrote holds, on the CPU; only tensors and plain values are read, no code is run.

    Raises:
        WeightsError: If the file is not there, cannot be read, holds anything else, or is not a dict.
    """
    import torch

    try:
        if folder is None:
            raise OSError("no folder was given")
        held = torch.load(folder / name, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises almost anything
        raise unusable(card, folder, error) from error
    if not isinstance(held, dict):
        raise unusable(card, folder, f"{name} holds a {type(held).__name__}")
    return held


def read_onnx(card: ModelCard, folder: Path | None, name: str) -> Any:
    """A session of ``onnxruntime`` on the CPU, which keeps no memory of its activations between calls.

    Raises:
        WeightsError: If the file is not there, or is damaged.
    """
    import onnxruntime

    path = (folder or Path()) / name
    if not path.is_file():
        raise WeightsError(f"{path} is missing: visiongpt models pull {card.name}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base class of their own
        raise WeightsError(f"{path} is damaged: visiongpt models pull {card.name}") from error


def fill(card: ModelCard, folder: Path | None, network: Any, weights: dict[str, Any]) -> None:
    """Put weights by name into a network.

    Raises:
        WeightsError: If one is missing, has another shape or is not the network's.
    """
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise unusable(card, folder, " ".join(str(error).split())) from error


def unusable(card: ModelCard, folder: Path | None, reason: object) -> WeightsError:
    """The error that says that a folder does not hold a model, and what brings it."""
    if type(reason).__name__ == "UnpicklingError":  # which advises to read it with its code run
        reason = "it is damaged, or holds more than weights"
    first = (str(reason).strip().splitlines() or [type(reason).__name__])[0][:160]
    pickled = folder is not None and any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors"))
    remedy = f"visiongpt models convert {folder} NEW_FOLDER" if pickled else f"visiongpt models pull {card.name}"
    return WeightsError(f"{folder} holds no {card.title} ({first}): {remedy}")
