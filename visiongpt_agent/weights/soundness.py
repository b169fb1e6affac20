"""What is plainly wrong with a folder of weights, by its names, sizes and the headers of its files alone.

A folder that a person brought can hold Git LFS pointers in place of weights, or a file whose download broke off. The
libraries that load it then fail deep inside; here it is said beforehand, and reading some kilobytes suffices.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

_SUFFIXES: Final = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".gguf", ".model", ".h5"})
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER: Final = 1024
"""Bytes, by the specification of Git LFS."""
_LARGEST_HEADER: Final = 100_000_000
"""Bytes that ``safetensors`` allows the header of a file to have."""
_DEPTH: Final = 3
"""Folders deep that files are looked at: ``controls/edges/x.safetensors``."""


def fault(folder: Path) -> str:
    """What is wrong with the weights in a folder, as a clause with its remedy; ``""`` where nothing is seen."""
    for path in _weight_files(folder, _DEPTH):
        status = path.stat()
        if problem := _file_fault(path, status.st_size, status.st_mtime_ns):
            return problem
    return ""


def _weight_files(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_file() and Path(entry.name).suffix in _SUFFIXES:
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _weight_files(Path(entry.path), depth - 1)


@lru_cache(maxsize=4096)
def _file_fault(path: Path, size: int, modified: int) -> str:
    """What is wrong with one file; asked again only when its size or its time of change is another."""
    if size == 0:
        return f"{path} is empty: download it anew"
    try:
        with path.open("rb") as stream:
            start = stream.read(_LARGEST_POINTER)
            if size <= _LARGEST_POINTER and start.startswith(_POINTER):
                return f"{path} is a Git LFS pointer, not the weights: run git lfs pull in its folder"
            if path.suffix != ".safetensors":
                return ""
            length = int.from_bytes(start[:8], "little")
            if size < 8 or length > min(size - 8, _LARGEST_HEADER):
                return f"{path} is no safetensors file, or it is cut short: download it anew"
            stream.seek(8)
            header = json.loads(stream.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return f"{path} is no safetensors file, or it is damaged: download it anew"
    if size != 8 + length + end:
        return f"{path} has {size} bytes where its header says {8 + length + end}: download it anew"
    return ""
