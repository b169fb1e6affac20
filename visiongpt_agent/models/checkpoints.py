"""The one door through which checkpoints are read: from a folder, never from a network, without running their code.

Whatever is not the model that a card names, or is not whole, is a :class:`WeightsError` that says what is wrong and
what to do. ``transformers`` and ``diffusers`` fill what a checkpoint lacks with random numbers; here it is refused.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.llm.tokenizer import as_stored
from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.precision import halve
from visiongpt_agent.weights import Installed, Packaged
from visiongpt_agent.weights.soundness import fault

_COUNTERS: Final = "num_batches_tracked"
"""Buffers of batch normalisation that count training steps: nothing is computed with them afterwards."""


def read_checkpoint(
    card: ModelCard,
    folder: Path | None,
    placement: Placement,
    network: str,
    *processors: str,
    also: Collection[str] = (),
    halved: Sequence[str] = (),
    copies: Mapping[str, str] = {},
    unused: Collection[str] = (),
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
        copies: By name, tensors that older releases left out since they equal another, and that other's name.
        unused: Names of tensors that today's class has, that checkpoints lack, and that no output depends on.

    Raises:
        WeightsError: If the folder lacks a file, holds another kind of model or one that needs a package which is not
            installed, or lacks some of the network's parameters or buffers.
    """
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    kind = getattr(library, network)
    with _refusing(card, folder), _quiet():
        place = _folder(folder)
        _require_kind(library.AutoConfig.from_pretrained(place, local_files_only=True).model_type, kind, also)
        model, report = kind.from_pretrained(
            place,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32 if halved else getattr(torch, placement.dtype),
            output_loading_info=True,
        )
        _fill_copies(model, report["missing_keys"], copies)
        _require_complete(model, set(report["missing_keys"]) - set(copies) - set(unused))
        parts = [_read_processor(getattr(library, name), place) for name in processors]
    halve(model, halved, placement.dtype)
    return model.to(placement.device).eval(), *parts


def _require_kind(model_type: str, kind: Any, also: Collection[str]) -> None:
    if model_type not in (kind.config_class.model_type, *also):
        raise _UnfitError(f"its config.json is that of {model_type}")


def _fill_copies(model: Any, missing: Collection[str], copies: Mapping[str, str]) -> None:
    """Copy the tensors that a checkpoint holds once and a network holds twice."""
    import torch

    tensors = model.state_dict()
    for name, original in copies.items():
        if name in missing:
            if original in missing:
                raise _UnfitError(f"{original} is missing")
            with torch.no_grad():
                tensors[name].copy_(tensors[original])


def _require_complete(model: Any, missing: Collection[str]) -> None:
    """Refuse a network whose parameters or persistent buffers were not all in the checkpoint."""
    absent = sorted(name for name in {*missing} & model.state_dict().keys() if not name.endswith(_COUNTERS))
    if absent:
        raise _UnfitError(f"{len(absent)} weights are missing, {absent[0]} among them")


def _read_processor(kind: Any, folder: Path) -> Any:
    """An image processor, a tokenizer, or both in one; text is split as the folder's ``tokenizer.json`` says."""
    processor = kind.from_pretrained(folder, local_files_only=True)
    as_stored(getattr(processor, "tokenizer", processor), folder)
    return processor


def read_pipeline(
    kind: str, folder: Path | None, placement: Placement, card: ModelCard, *, saved_as: str = "", **parts: Any
) -> Any:
    """A pipeline, placed and ready to run, its weights from safetensors alone.

    Args:
        kind: Name of the class in ``diffusers``.
        folder: What ``save_pretrained`` writes, or the files of a hub repository; full or half precision.
        placement: Device and dtype.
        card: The model's card, for messages.
        saved_as: Name of the class that the folder was saved from; ``""`` for the same.
        parts: Parts of the pipeline that are loaded already.

    Raises:
        WeightsError: If the folder does not hold such a pipeline.
    """
    import diffusers
    import torch

    with _refusing(card, folder):
        place = _folder(folder)
        if not (place / "model_index.json").is_file():
            raise _UnfitError("it has no model_index.json")
        stored = json.loads((place / "model_index.json").read_text(encoding="utf-8")).get("_class_name")
        if stored != (saved_as or kind):
            raise _UnfitError(f"it holds a {stored}")
        with _quiet_pipelines():
            pipeline = getattr(diffusers, kind).from_pretrained(
                place,
                local_files_only=True,
                use_safetensors=True,
                variant=_half_variant(place),
                dtype=getattr(torch, placement.dtype),
                **_feature_extractor(place),
                **parts,
            )
        for name, part in pipeline.components.items():
            if isinstance(part, torch.nn.Module) and any(weight.is_meta for weight in part.parameters()):
                raise _UnfitError(f"weights of its {name} are missing")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(placement.device)


def read_network(kind: str, folder: Path, placement: Placement, card: ModelCard) -> Any:
    """One network by the name of its class in ``diffusers``, as :func:`read_pipeline` reads pipelines.

    Raises:
        WeightsError: If the folder does not hold it.
    """
    import diffusers
    import torch

    with _refusing(card, folder), _quiet_pipelines():
        network = getattr(diffusers, kind).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            variant=_half_variant(folder),
            dtype=getattr(torch, placement.dtype),
        )
    return network.to(placement.device).eval()


def _half_variant(folder: Path) -> str | None:
    """``fp16`` where the folder of a network, or those of a pipeline's parts, hold weights named so; else None."""
    pattern = "*.fp16.safetensors"
    return "fp16" if any(folder.glob(pattern)) or any(folder.glob(f"*/{pattern}")) else None


def _feature_extractor(folder: Path) -> dict[str, Any]:
    """That of the safety checker, loaded here since old pipelines name a class that no longer exists."""
    if not (folder / "feature_extractor").is_dir():
        return {}
    from transformers import CLIPImageProcessor

    return {
        "feature_extractor": CLIPImageProcessor.from_pretrained(folder / "feature_extractor", local_files_only=True)
    }


def read_tensors(card: ModelCard, folder: Path | None, name: str) -> dict[str, Any]:
    """What a file that ``torch.save`` wrote holds, on the CPU; only tensors and plain values are read, no code is run.

    Raises:
        WeightsError: If the file is not there, cannot be read, holds anything else, or is not a dict.
    """
    import torch

    try:
        stored = torch.load(_folder(folder) / name, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises almost anything
        raise unusable(card, folder, _fault(folder) or error) from error
    if not isinstance(stored, dict):
        raise unusable(card, folder, f"{name} holds a {type(stored).__name__}")
    return stored


def read_onnx(card: ModelCard, folder: Path | None, name: str, *, small: bool = False) -> Any:
    """A session of ``onnxruntime`` on the CPU.

    Args:
        card: Of the model, for messages.
        folder: Holds the file.
        name: Of the file, ``.onnx`` or ``.onnx.gz``.
        small: Whether a call takes milliseconds: it then runs on one thread, which others cost more than they save,
            and keeps its memory. Other sessions keep no memory of their activations between calls.

    Raises:
        WeightsError: If the file is not there, or is damaged.
    """
    import onnxruntime

    path = (folder or Path()) / name
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {_remedy(card)}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = small
    options.intra_op_num_threads = 1 if small else 0
    # Threads that wait in a loop for their next share take the cores from other pictures: a network of 40 ms a core
    # took 70 ms of two while both were busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else str(path)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base class of their own
        raise WeightsError(f"{fault(path.parent) or f'{path} is damaged'}: {_remedy(card)}") from error


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
    remedy = f"visiongpt models convert {folder} NEW_FOLDER" if _is_pickled(folder) else _remedy(card)
    return WeightsError(f"{folder} holds no {card.title} ({first}): {remedy}")


def _is_pickled(folder: Path | None) -> bool:
    """Whether a folder holds sound weights as pickles alone."""
    if folder is None or any(folder.glob("*.safetensors")):
        return False
    return any(folder.glob("*.bin")) and not fault(folder)


class _UnfitError(ValueError):
    """Said here of a checkpoint that its files are whole, but not those of the model."""


def _fault(folder: Path | None) -> str:
    """What is plainly wrong with the weights in a folder, which explains what a library raised over them."""
    return "" if folder is None else fault(folder).removeprefix(f"{folder}/")


def _folder(folder: Path | None) -> Path:
    if folder is None:
        raise _UnfitError("no folder was given")
    return folder


@contextmanager
def _refusing(card: ModelCard, folder: Path | None) -> Iterator[None]:
    """What libraries raise over a folder, as :func:`unusable`; that memory ran out is for the pool and passes."""
    from safetensors import SafetensorError

    try:
        yield
    except _UnfitError as error:
        raise unusable(card, folder, error) from error
    except (ImportError, OSError, ValueError, AttributeError, KeyError, SafetensorError) as error:
        raise unusable(card, folder, _fault(folder) or error) from error
    except RuntimeError as error:
        if not re.search(r"size mismatch|mismatched|ignore_mismatched_sizes", str(error)):
            raise
        raise unusable(card, folder, error) from error


def _remedy(card: ModelCard) -> str:
    if isinstance(card.source, Installed):
        return f"pip install {card.source.distribution}"
    if isinstance(card.source, Packaged):
        return "pip install --force-reinstall visiongpt-agent"
    return f"visiongpt models pull {card.name}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' progress bars and tables of what they load; what is missing is checked here."""
    import transformers

    logging: Any = transformers.utils.logging  # only partly typed
    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _quiet_pipelines() -> Iterator[None]:
    """The same where ``diffusers`` loads, which has bars of its own."""
    from diffusers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with _quiet():
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
