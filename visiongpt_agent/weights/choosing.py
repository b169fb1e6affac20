"""Which files of a repository, or of a copy of it in a folder, a model needs.

A network is saved as safetensors or as a pickle, in full or in half precision, whole or in shards with an index. A
repository often holds several of these forms. One is enough, and :func:`choose` takes the best one that there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Final

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.untrusted import one_line

PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib")
"""Names of files that may run code when they are loaded; a glob pattern never takes them."""

PIPELINE_INDEX: Final = "model_index.json"
"""The file in which a pipeline of ``diffusers`` names its components."""

_DATA: Final = ("*.json", "*.txt", "*.jinja", "*.model")
"""Configurations, vocabularies and chat templates, which lie beside a network's weights."""
_STEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "safetensors": ("model", "diffusion_pytorch_model"),
    "bin": ("pytorch_model", "diffusion_pytorch_model"),
}
"""The names that ``transformers`` and ``diffusers`` look for, by file type; the first type is taken if there is one."""
_NAMES_SHOWN: Final = 6


@dataclass(frozen=True)
class Wish:
    """What a model needs of one repository.

    Attributes:
        files: Names or glob patterns, each of which must be there; a pattern takes no pickles.
        networks: Folders of networks, ``""`` for the top of the repository.
        pipeline: Whether the networks are the components that ``model_index.json`` names.
        variant: The form of the weights that is preferred, e.g. ``fp16``; ``""`` for the full ones.
    """

    files: tuple[str, ...]
    networks: tuple[str, ...] = ()
    pipeline: bool = False
    variant: str = ""


@dataclass(frozen=True)
class Choice:
    """The files to take.

    Attributes:
        names: All of them, each once.
        pickles: Those that are the pickled weights of a network, to be written anew as safetensors.
    """

    names: tuple[str, ...]
    pickles: frozenset[str]


def choose(wish: Wish, names: Collection[str], read: Callable[[str], bytes], where: str) -> Choice:
    """Choose the files that a wish needs.

    Args:
        wish: What is needed.
        names: Of all files, relative to the top, with ``/`` between folders.
        read: Returns the content of a small file; called for indices only.
        where: The repository or folder, for messages.

    Raises:
        WeightsError: If a file or a network's weights are not there, an index is damaged, or a name leads elsewhere.
    """
    chosen = dict.fromkeys(name for pattern in wish.files for name in _matching(pattern, names, where))
    folders = [*wish.networks, *(_components(read, where, names) if wish.pipeline else ())]
    pickles = set[str]()
    for folder in folders:
        if _join(folder, "config.json") not in names:
            raise WeightsError(f"{where} holds no {_join(folder, 'config.json')}")
        weights = _weights(folder, wish.variant, names, read, where)
        pickles.update(name for name in weights if name.endswith(".bin"))
        chosen.update(dict.fromkeys([*weights, *_data(folder, names)]))
    if wish.pipeline:
        chosen.update(dict.fromkeys(name for name in names if name.count("/") == 1 and _is_data(name)))
    for name in chosen:
        _refuse_outside(name, where)
    return Choice(tuple(chosen), frozenset(pickles))


def _matching(pattern: str, names: Collection[str], where: str) -> list[str]:
    if pattern in names:
        return [pattern]
    harmless = (name for name in names if not any(fnmatchcase(name, pickle) for pickle in PICKLES))
    matching = [name for name in harmless if fnmatchcase(name, pattern)]
    if not matching:
        raise WeightsError(f"{where} holds no {pattern}")
    return matching


def _components(read: Callable[[str], bytes], where: str, names: Collection[str]) -> Iterator[str]:
    """The folders of a pipeline's networks: the components that have weights, of whichever form."""
    if PIPELINE_INDEX not in names:
        raise WeightsError(f"{where} holds no {PIPELINE_INDEX}")
    for component, kind in _json(PIPELINE_INDEX, read, where).items():
        if component.startswith("_") or not isinstance(kind, list) or not all(kind):
            continue
        below = [name for name in names if name.startswith(f"{component}/")]
        if not below:
            raise WeightsError(f"{where} holds no folder {one_line(component)}, which its {PIPELINE_INDEX} names")
        if any(name.endswith(tuple(_STEMS)) for name in below):
            yield component


def _weights(
    folder: str, variant: str, names: Collection[str], read: Callable[[str], bytes], where: str
) -> tuple[str, ...]:
    """The files of one network's weights: the first form that is there, with its index where it is in shards."""
    for ending, stems in _STEMS.items():
        for form in dict.fromkeys((variant, "")):
            dotted = f".{form}" if form else ""
            for stem in stems:
                whole = _join(folder, f"{stem}{dotted}.{ending}")
                index = _join(folder, f"{stem}.{ending}.index{dotted}.json")
                if whole in names:
                    return (whole,)
                if index in names:
                    return (index, *_shards(index, names, read, where))
    here = [name for name in names if PurePosixPath(name).parent == PurePosixPath(folder)]
    shown = ", ".join(map(one_line, sorted(here)[:_NAMES_SHOWN])) or "no files at all"
    place = f"{where} in {folder}" if folder else where
    raise WeightsError(f"{place} holds no model.safetensors and no other weights that can be read; it holds {shown}")


def _shards(index: str, names: Collection[str], read: Callable[[str], bytes], where: str) -> list[str]:
    folder = index.rpartition("/")[0]
    weights = _json(index, read, where).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise WeightsError(f"{index} of {where} is damaged: it has no weight_map")
    shards = [_join(folder, str(shard)) for shard in sorted({*weights.values()}, key=str)]
    for shard in shards:
        if shard not in names:
            raise WeightsError(f"{where} holds no {one_line(shard)}, which {index} names")
    return shards


def _data(folder: str, names: Collection[str]) -> list[str]:
    return [name for name in names if name.rpartition("/")[0] == folder and _is_data(name)]


def _is_data(name: str) -> bool:
    short = name.rpartition("/")[2]
    is_index = short.endswith(".json") and ".index." in short
    return not is_index and any(fnmatchcase(short, pattern) for pattern in _DATA)


def _json(name: str, read: Callable[[str], bytes], where: str) -> dict[str, Any]:
    try:
        content = json.loads(read(name))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise WeightsError(f"{name} of {where} is damaged: it is not a JSON object")
    return content


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _refuse_outside(name: str, where: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise WeightsError(f"{where} has a file whose name leads out of its folder: {one_line(name)}")
