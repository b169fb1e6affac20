"""Which pictures a batch has, and what each is called."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from visiongpt_agent.errors import InputError

SUFFIXES: Final = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".jp2",
        ".ppm",
        ".pgm",
        ".pnm",
        ".tga",
        ".ico",
    ]
)
"""Of the files that a folder is searched for."""


@dataclass(frozen=True)
class Picture:
    """A picture of a batch.

    Attributes:
        name: Its path below the folder of the batch, with ``/``; unique, the key of its row.
        path: Its file.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Selection:
    """Which of the pictures to take.

    Attributes:
        limit: The first so many; 0: all.
        sample: So many, drawn by a hash of their names: a larger sample contains a smaller one; 0: all.
    """

    limit: int = 0
    sample: int = 0

    def of(self, pictures: list[Picture]) -> list[Picture]:
        """The pictures taken, in their order.

        Raises:
            InputError: If a number is negative.
        """
        if self.limit < 0 or self.sample < 0:
            raise InputError("a limit and a sample are numbers of pictures, from 1")
        if self.sample and self.sample < len(pictures):
            drawn = {picture.name for picture in sorted(pictures, key=_draw)[: self.sample]}
            pictures = [picture for picture in pictures if picture.name in drawn]
        return pictures[: self.limit] if self.limit else pictures


def pictures_of(source: Any, out: Path | None = None) -> list[Picture]:
    """The pictures of a folder (searched with its sub-folders), glob pattern, list, Parquet file, or of some paths.

    Files of a folder or pattern are sorted by name, and those without a picture's suffix are passed over. Lines of a
    list and rows of a Parquet file are taken as they come, also those whose file is not there: each gets its row.

    Args:
        source: Where the pictures are.
        out: The folder of the results: what a search finds there is none of the pictures.

    Raises:
        InputError: If there is no such source, or it has no pictures.
    """
    if isinstance(source, (str, os.PathLike)):
        pictures = _listed(Path(source).expanduser(), str(source), out)
    elif isinstance(source, Iterable):
        pictures = list(_named(map(Path, source), Path()))
    else:
        raise InputError(f"a {type(source).__name__} is no set of pictures: give a folder, a pattern, a list or paths")
    if not pictures:
        raise InputError(f"{source} has no pictures: give a folder, a pattern, a list or a Parquet file that has some")
    return pictures


def _listed(path: Path, pattern: str, out: Path | None) -> list[Picture]:
    if path.is_dir():
        return list(_named(_outside(out, _below(path)), path))
    if path.suffix.lower() == ".txt" and path.is_file():
        return list(_named(_lines(path), path.parent))
    if path.suffix.lower() == ".parquet" and path.is_file():
        return list(_named(_column(path), path.parent))
    if glob.has_magic(pattern):
        found = sorted(glob.iglob(str(path), recursive=True))
        return list(_named(_outside(out, (Path(name) for name in found if _is_picture(name))), _fixed_part(path)))
    raise InputError(f"{path} is no folder, pattern, .txt list or .parquet file of pictures")


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent) / name for name in sorted(files) if _is_picture(name))


def _outside(folder: Path | None, paths: Iterable[Path]) -> Iterator[Path]:
    excluded = Path(os.path.abspath(folder)) if folder else None
    return (path for path in paths if not excluded or not Path(os.path.abspath(path)).is_relative_to(excluded))


def _is_picture(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before its first part with a wildcard."""
    fixed = Path(pattern.anchor)
    for part in pattern.parts[len(fixed.parts) : -1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _lines(path: Path) -> Iterator[Path]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for line in text.splitlines():
        if line.strip():
            yield path.parent / Path(line.strip()).expanduser()


def _column(path: Path) -> Iterator[Path]:
    from visiongpt_agent.batch.parquet import read_paths

    return (path.parent / Path(name).expanduser() for name in read_paths(path))


def _named(paths: Iterable[Path], base: Path) -> Iterator[Picture]:
    """Each path once, called by its way from a folder; one that lies elsewhere by its whole path, without the root."""
    home, taken = Path(os.path.abspath(base)), set[str]()
    for path in paths:
        whole = Path(os.path.abspath(path))
        inner = whole.relative_to(home) if whole.is_relative_to(home) else whole.relative_to(whole.anchor)
        name = inner.as_posix()
        if name not in taken:
            taken.add(name)
            yield Picture(name, whole)


def _draw(picture: Picture) -> bytes:
    return hashlib.sha256(picture.name.encode(errors="surrogateescape")).digest()
