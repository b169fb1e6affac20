"""Reading checkpoints in the format of ``transformers`` from a folder on disk, never from a network."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import ModelCard, Placement


def read_checkpoint(
    card: ModelCard,
    folder: Path | None,
    placement: Placement,
    network: str,
    *processors: str,
    also: Collection[str] = (),
) -> tuple[Any, ...]:
    """The network, placed and ready to infer, and its processors, by the names of their classes in ``transformers``.

    Args:
        card: Of the model, for messages.
        folder: Holds the checkpoint.
        placement: Device and dtype.
        network: The class of the network.
        processors: The classes of what prepares its inputs.
        also: Further model types, as in ``config.json``, whose checkpoints hold such a network among other things.

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
            dtype=getattr(torch, placement.dtype),
            output_loading_info=True,
        )
        lost = sorted(set(report["missing_keys"]) & {name for name, _ in model.named_parameters()})
        if lost:
            raise OSError(f"{len(lost)} weights are missing, {lost[0]} among them")
        parts = [getattr(library, name).from_pretrained(folder, local_files_only=True) for name in processors]
    except (ImportError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise WeightsError(f"{folder} holds no {card.title} ({reason}): visiongpt models pull {card.name}") from error
    return model.to(placement.device).eval(), *parts
