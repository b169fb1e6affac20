"""Which pictures may be read: where a path may lie, and whether the web may be asked."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.decoding import MAX_FILE_BYTES
from visiongpt_agent.pictures.web import fetch, is_web_address


@dataclass(frozen=True)
class Sources:
    """Where pictures may come from.

    Attributes:
        roots: The folders that paths must lie in, symbolic links followed; empty: a path may lie anywhere.
        web: Whether ``http`` and ``https`` URLs are fetched.
    """

    roots: tuple[Path, ...] = ()
    web: bool = False

    def take(self, source: Any) -> Any:
        """What :func:`~visiongpt_agent.pictures.images.decode` may be given of a source: itself, or its bytes.

        Raises:
            InputError: If it lies where pictures are not read from, or could not be fetched.
        """
        if is_web_address(source):
            return fetch(source) if self.web else source  # which decode refuses
        is_path = isinstance(source, os.PathLike) or (isinstance(source, str) and not source.startswith("data:"))
        return self._read(Path(source)) if is_path and self.roots else source

    def _read(self, path: Path) -> bytes:
        try:
            real = path.expanduser().resolve(strict=True)
            for root in self.roots:
                folder = root.expanduser().resolve()
                if real.is_relative_to(folder) and real != folder:
                    return _read_beneath(folder, real.relative_to(folder), path)
        except (OSError, ValueError, RuntimeError):  # absent, an odd name, or links in a circle
            pass
        # One answer for what is absent and what is elsewhere: it tells nothing of what lies outside.
        raise InputError(f"{path} is no file in the folders that pictures are read from: {_listed(self.roots)}")


def _read_beneath(root: Path, inner: Path, path: Path) -> bytes:
    """Read a file by walking down from its root: a link put there in the meantime leads nowhere."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in inner.parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = below
        # Without O_NONBLOCK opening a pipe would wait for whoever writes to it.
        file = os.open(inner.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    finally:
        os.close(handle)
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise InputError(f"{path} is not a regular file: give a picture file")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{path} has more than {MAX_FILE_BYTES // 2**20} MB: make it smaller")
    return data


def _listed(roots: tuple[Path, ...]) -> str:
    return ", ".join(map(str, roots))
