"""Converts pickled checkpoints to safetensors.

A pickle may hold code that runs when it is read. This package reads tensors and plain values from a pickle, and nothing
else (``torch.load(weights_only=True)``). It refuses a checkpoint that holds more, until a person who trusts the file
converts it with its code run. The converted file holds tensors alone.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from visiongpt_agent.errors import InputError, WeightsError
from visiongpt_agent.weights.archives import files_within
from visiongpt_agent.weights.checksums import sha256_of
from visiongpt_agent.weights.progress import Progress

_PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt")
_DATA: Final = (".json", ".txt", ".model", ".jinja", ".safetensors")
"""Suffixes of the files beside the weights that are copied: they are data, not code."""
_INDEX: Final = re.compile(r"\.bin(?=\.index(\.\w+)?\.json$)")
_WRAPPERS: Final = ("state_dict", "model", "module", "params", "params_ema")
"""Keys under which trainers put the weights, beside the state of the optimiser and the like."""


def convert(source: Path, out: Path, *, run_code: bool = False) -> list[Path]:
    """Write a checkpoint's weights as safetensors, under the names that ``transformers`` and ``diffusers`` look for.

    Args:
        source: A file that ``torch.save`` wrote, or a folder with such files; subfolders are converted too.
        out: The folder to write to, which must not be there yet. Configurations and vocabularies are copied.
        run_code: Whether code in the file may run. Only for files whose origin is trusted.

    Returns:
        The files of weights that were written.

    Raises:
        InputError: If there is nothing to convert (links that lead out of the folder are not followed), or ``out`` is
            there already.
        WeightsError: If a file is damaged, holds no weights, or holds more than weights while ``run_code`` is False.
    """
    if out.exists():
        raise InputError(f"{out} is there already: name a folder that is not")
    root = source if source.is_dir() else source.parent
    files = list(files_within(root)) if source.is_dir() else [source]
    pickles = [path for path in files if path.suffix in _PICKLES]
    if not pickles or not source.exists():
        raise InputError(f"{source} holds no checkpoint to convert: a {', '.join(_PICKLES)} file within it")
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        written = [_convert_one(path, part / _new_name(path.relative_to(root)), run_code) for path in pickles]
        for path in files:
            if path.suffix in _DATA:
                _copy(path, part / _new_name(path.relative_to(root)))
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return [out / path.relative_to(part) for path in written]


def convert_pickles(folder: Path, names: Collection[str], progress: Progress) -> dict[str, str]:
    """Put safetensors in the place of a model folder's pickled weights, and of the index of their shards.

    Args:
        folder: The model folder.
        names: The pickles, relative to it.
        progress: Takes reports of which file is being converted.

    Returns:
        The sha256 of each pickle, by name.

    Raises:
        WeightsError: If a file is damaged, holds no weights, or holds more than weights.
    """
    digests = {}
    for name in sorted(names):
        path = folder / name
        progress(f"converting {path.name} to safetensors", 0, 0)
        digests[name] = sha256_of(path)
        _convert_one(path, _new_name(path), run_code=False)
        path.unlink()
    for index in {index for name in names for index in (folder / name).parent.glob("*.bin.index*.json")}:
        _copy(index, _new_name(index))
        index.unlink()
    return digests


def _convert_one(path: Path, target: Path, run_code: bool) -> Path:
    from safetensors.torch import save_file

    tensors = dict(_tensors(_read(path, run_code)))
    if not tensors:
        raise WeightsError(f"{path} holds no weights")
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target, metadata={"format": "pt"})
    return target


def _read(path: Path, run_code: bool) -> Any:
    import torch

    try:
        with path.open("rb") as stream:
            mapped = stream.read(4) == b"PK\x03\x04"  # older files cannot be mapped: they are read into memory whole
        return torch.load(path, map_location="cpu", weights_only=not run_code, mmap=mapped)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises almost anything
        if type(error).__name__ != "UnpicklingError" or run_code:
            raise WeightsError(f"{path} is damaged: {type(error).__name__}") from error
        name = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        what = f" ({name[1]})" if name else ""
        raise WeightsError(
            f"{path} is damaged, or holds more than weights{what}: reading it would run what it says. "
            "Where you trust its origin, convert it with --run-its-code"
        ) from error


def _tensors(content: Any) -> Iterator[tuple[str, Any]]:
    """The weights by name. Each is a copy with memory of its own, since safetensors has no aliases."""
    import torch

    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    if not isinstance(content, Mapping):
        return
    inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping | torch.nn.Module)), None)
    if inner is not None:
        yield from _tensors(inner)
        return
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            yield str(name), value.detach().clone(memory_format=torch.contiguous_format)


def _new_name(path: Path) -> Path:
    """``pytorch_model-00001-of-00002.bin`` as ``model-00001-of-00002.safetensors``, and so on."""
    name = path.name
    if _INDEX.search(name):
        return path.with_name(_INDEX.sub(".safetensors", re.sub(r"^pytorch_model\b", "model", name)))
    if path.suffix not in _PICKLES:
        return path
    stem = re.sub(r"^pytorch_model(?=$|[-.])", "model", path.stem)
    return path.with_name(f"{stem}.safetensors")


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not _INDEX.search(path.name):
        shutil.copyfile(path, target)
        return
    index = json.loads(path.read_text(encoding="utf-8"))
    index["weight_map"] = {name: str(_new_name(Path(file))) for name, file in index["weight_map"].items()}
    target.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
