"""What a user may set, read from the environment and from an optional TOML file.

The file is named by ``VISIONGPT_CONFIG``; the environment wins over it::

    llm = "smollm2-135m"
    device = "cuda:0"
    memory = "8GB"                 # or "60%", or "cpu=8GB, cuda=70%, cuda:1=10GB"
    keep = "sam-vit-base"          # models that are never put out of memory for others
    state = "~/visiongpt"

    [models]                       # which model does a job
    "segmentation.promptable" = "sam-vit-b"

    [weights]                      # folders of your own, by model
    "sam-vit-b" = "~/checkpoints/sam"

``VISIONGPT_IMAGE_ROOTS`` and ``VISIONGPT_WEB_IMAGES`` say where pictures may come from; the file has no word in it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visiongpt_agent.errors import InputError

DEFAULT_MEMORY_SHARE = 0.6
"""Share of the memory that is available at start which models may take where nothing is set."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_KEYS = {"home", "llm", "device", "memory", "keep", "state", "models", "weights"}
_DATABASES = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class Settings:
    """The settings of one agent.

    Attributes:
        home: Folder of pulled weights (``VISIONGPT_HOME``; in the user's cache folder by default).
        llm: The chat model (``VISIONGPT_LLM``); ``""`` lets the package choose.
        device: ``cpu``, ``cuda:1``, ``cuda`` (all there are) or ``auto`` (those, or the CPU; ``VISIONGPT_DEVICE``).
        memory: Bytes that loaded models may take on a device (``VISIONGPT_MEMORY``, e.g. ``8GB``), or, as a float, the
            share of what is available there when it is first needed (``60%``); 0 means the package's own share.
        device_memory: The same by device, ``cpu``, ``cuda`` or ``cuda:1`` (``VISIONGPT_MEMORY=cpu=8GB,cuda=70%``).
        keep: Names of models that, once loaded, never make room for others (``VISIONGPT_KEEP``, separated by commas).
        models: Model name by job: the user's choice (table ``[models]``).
        weights: Folder by model name, of the user's own weights (table ``[weights]``, and the sub-folders of
            ``VISIONGPT_WEIGHTS``, each named after its model).
        image_roots: Folders that the paths of pictures must lie in (``VISIONGPT_IMAGE_ROOTS``, separated as in
            ``PATH``); by default they may lie anywhere.
        web_images: Whether pictures are fetched from ``http`` and ``https`` URLs (``VISIONGPT_WEB_IMAGES=1``); never
            from a private network.
        state: Folder of the conversations that have a name (``VISIONGPT_STATE``; in the user's state folder by
            default).
        database: ``postgresql://...`` where ``VISIONGPT_STATE`` names a server to keep conversations on; the folder
            then keeps their pictures.
    """

    home: Path
    llm: str = ""
    device: str = "auto"
    memory: int | float = 0
    device_memory: Mapping[str, int | float] = field(default_factory=dict, hash=False)
    keep: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict, hash=False)
    weights: Mapping[str, Path] = field(default_factory=dict, hash=False)
    state: Path = field(default_factory=lambda: _default_state())  # the function stands further down
    database: str = field(default="", repr=False)  # its address has a password in it
    image_roots: tuple[Path, ...] = ()
    web_images: bool = False

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            InputError: If the file cannot be read or a value makes no sense.
        """
        file = _read_file(environ.get("VISIONGPT_CONFIG", ""))
        folders = _own_folders(environ.get("VISIONGPT_WEIGHTS", ""))
        folders.update({name: Path(path).expanduser() for name, path in _table(file, "weights").items()})
        llm = environ.get("VISIONGPT_LLM") or str(file.get("llm", ""))
        home = environ.get("VISIONGPT_HOME") or file.get("home")
        memory = _memory(environ.get("VISIONGPT_MEMORY") or str(file.get("memory", "0")))
        places = [str(place) for place in (environ.get("VISIONGPT_STATE"), file.get("state")) if place]
        folders_named = [place for place in places if not place.startswith(_DATABASES)]
        return cls(
            home=Path(str(home)).expanduser() if home else _default_home(),
            llm=llm,
            device=_device(environ.get("VISIONGPT_DEVICE") or str(file.get("device", "auto"))),
            memory=memory.pop("", 0),
            device_memory=memory,
            keep=tuple(re.findall(r"[^\s,]+", environ.get("VISIONGPT_KEEP") or str(file.get("keep", "")))),
            models=_table(file, "models"),
            weights=folders,
            image_roots=_roots(environ.get("VISIONGPT_IMAGE_ROOTS", "")),
            web_images=_switch(environ.get("VISIONGPT_WEB_IMAGES", ""), "VISIONGPT_WEB_IMAGES"),
            state=Path(folders_named[0]).expanduser() if folders_named else _default_state(),
            database=places[0] if places and places[0].startswith(_DATABASES) else "",
        )


def parse_bytes(text: str) -> int:
    """The number of bytes that ``8GB``, ``512 MiB`` or ``1000000`` means.

    Raises:
        InputError: If the text is no amount of memory.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", text.lower())
    if match is None or match[2] == "i":
        raise InputError(f"{text!r} is no amount of memory; write it like 8GB or 512MiB")
    return int(float(match[1]) * _UNITS[match[2]])


def format_bytes(count: int) -> str:
    """Bytes for a person: ``7.6 MB``."""
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def available_memory() -> int:
    """Bytes of main memory that this process could still take, the limit of its control group included."""
    import psutil

    available = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        kinds = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control group, or its limit is the word "max"
        return available
    reclaimable = int(kinds.get("active_file", 0)) + int(kinds.get("inactive_file", 0))  # counted as used, yet free
    return min(available, max(limit - used + reclaimable, 0))


def _default_home() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("visiongpt")


def _default_state() -> Path:
    import platformdirs

    return platformdirs.user_state_path("visiongpt")


def _roots(text: str) -> tuple[Path, ...]:
    roots = tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)
    for root in roots:
        if not root.is_dir():
            raise InputError(f"VISIONGPT_IMAGE_ROOTS names {root}, which is not a folder")
    return roots


def _switch(text: str, name: str) -> bool:
    if text.lower() not in ("", "0", "1", "false", "true", "no", "yes", "off", "on"):
        raise InputError(f"{name}={text!r} is neither 1 nor 0")
    return text.lower() in ("1", "true", "yes", "on")


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise InputError(f"{text!r} is no device; there are auto, cpu, cuda and cuda:0, cuda:1, ...")
    return text


def _memory(text: str) -> dict[str, int | float]:
    """Amounts by device, that of all others under ``""``: of ``6GB`` or ``cpu=8GB, cuda=70%``."""
    amounts: dict[str, int | float] = {}
    for part in text.split(","):
        device, is_named, amount = part.rpartition("=")
        device = device.strip()
        if is_named and not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            raise InputError(f"{device!r} in the amount of memory is no device; there are cpu, cuda and cuda:0, ...")
        if device in amounts:
            raise InputError(f"{text!r} gives two amounts of memory for one device")
        amounts[device] = _amount(amount)
    return amounts


def _amount(text: str) -> int | float:
    share = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if share is None:
        return parse_bytes(text)
    if not 0 < float(share[1]) <= 100:
        raise InputError(f"{text.strip()} is no share of memory; write one from 1% to 100%")
    return float(share[1]) / 100


def _read_file(name: str) -> dict[str, Any]:
    if not name:
        return {}
    try:
        with Path(name).expanduser().open("rb") as stream:
            file = tomllib.load(stream)
    except OSError as error:
        raise InputError(f"VISIONGPT_CONFIG names {name}, which cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not valid TOML: {error}") from error
    unknown = sorted(set(file) - _KEYS)
    if unknown:
        raise InputError(f"{name} sets {', '.join(unknown)}, which is no setting; there are {', '.join(sorted(_KEYS))}")
    return file


def _table(file: Mapping[str, Any], key: str) -> dict[str, str]:
    table = file.get(key, {})
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise InputError(f'the setting [{key}] must be a table of "name" = "text" lines, each name in quotes')
    return table


def _own_folders(root: str) -> dict[str, Path]:
    if not root:
        return {}
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise InputError(f"VISIONGPT_WEIGHTS names {root}, which is not a folder")
    return {child.name: child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")}
