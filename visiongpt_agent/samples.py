"""Sample photos that come with the package; all in the public domain or CC0 (see NOTICE)."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from visiongpt_agent.errors import InputError


def sample_photo(name: str) -> Path:
    """The path of a sample photo: ``astronaut``, ``chelsea`` (a cat), ``coffee`` or ``rocket``.

    Raises:
        InputError: If there is no photo of that name.
    """
    folder = files("visiongpt_agent") / "data" / "photos"
    known = sorted(entry.name.removesuffix(".jpg") for entry in folder.iterdir() if entry.name.endswith(".jpg"))
    if name not in known:
        raise InputError(f"there is no sample photo {name!r}: the names are {', '.join(known)}")
    with as_file(folder / f"{name}.jpg") as path:
        return path
