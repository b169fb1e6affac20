"""Pictures and regions kept by the hash of their content, so that a conversation's state holds short names only."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import InputError
from visiongpt_agent.files import TemporaryFolder, remove_leftovers, write_atomically
from visiongpt_agent.pictures.decoding import MAX_FILE_BYTES, decode

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.regions import Regions

__all__ = ["MAX_FILE_BYTES", "ImageStore", "Provenance", "StoredImage", "decode"]

_CACHE_PIXELS: Final = 100_000_000


@dataclass(frozen=True)
class Provenance:
    """Where a stored picture came from.

    Attributes:
        origin: ``user`` or the tool that made it.
        title: The file's name for a user's picture, the call for a tool's.
        args: The tool's arguments, references resolved to content ids.
        model: The model that made it; ``""`` for none.
        parents: Content ids that it was made from.
        path: Where the file of a user's picture lay, ``""`` for one that came without a file.
    """

    origin: str
    title: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    parents: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class StoredImage:
    """A picture in the store: its content id (``img-`` and 16 hex digits), size in pixels, mode (RGB or RGBA)."""

    id: str
    width: int
    height: int
    mode: str


class ImageStore:
    """Pictures and regions by content hash under one folder; safe to share between threads and processes.

    Every file is written under another name and renamed, so that a crash leaves no half-written one.

    Args:
        folder: Where to keep them; by default a temporary folder that goes with this object, or, where the process is
            killed, when the next one makes a temporary folder.

    Example:
        >>> from PIL import Image
        >>> store = ImageStore()
        >>> kept = store.add(Image.new("RGB", (64, 48), "red"))
        >>> (kept.width, kept.height), store.open(kept.id).getpixel((0, 0))
        ((64, 48), (255, 0, 0))
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._temporary = TemporaryFolder() if folder is None else None
        self.folder = self._temporary.path if self._temporary else Path(str(folder)).expanduser()
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, Image.Image] = OrderedDict()

    def add(self, source: Any, provenance: Provenance | None = None, *, name: str = "", page: int = 1) -> StoredImage:
        """Decode a picture (see :func:`decode`) and keep it; the same pixels are kept once.

        Where the file that kept them is missing or damaged it is written anew.
        """
        image = decode(source, name=name, page=page)
        key = content_id(image)
        path = self._path(key)
        if not _holds(path, image):
            buffer = io.BytesIO()
            image.save(buffer, "PNG", compress_level=1)
            write_atomically(path, buffer.getvalue())
        if provenance is not None and not self._provenance_path(key).exists():
            write_atomically(self._provenance_path(key), json.dumps(asdict(provenance), default=str).encode())
        self._remember(key, image)
        return StoredImage(key, image.width, image.height, image.mode)

    def open(self, key: str) -> Image.Image:
        """The picture with this content id; a copy, safe to change.

        Raises:
            InputError: If the store does not hold it.
        """
        with self._lock:
            if key in self._recent:
                self._recent.move_to_end(key)
                return self._recent[key].copy()
        image = decode(self._read(key, "img"), name=key)
        self._remember(key, image)
        return image.copy()

    def provenance(self, key: str) -> Provenance | None:
        """Where the picture came from, or None where that was not recorded."""
        if not _ID.fullmatch(key):
            return None
        try:
            saved = json.loads(self._provenance_path(key).read_text("utf-8"))
            return Provenance(**{**saved, "parents": tuple(saved["parents"])})
        except (OSError, ValueError, KeyError, TypeError):  # absent, or damaged by something else
            return None

    def add_regions(self, regions: Regions) -> str:
        """Keep regions; returns their id (``reg-`` and 16 hex digits)."""
        data = regions.to_bytes()
        key = f"reg-{hashlib.sha256(data).hexdigest()[:16]}"
        if not _is_file_of(self._path(key), data):
            write_atomically(self._path(key), data)
        return key

    def regions(self, key: str) -> Regions:
        """The regions with this id.

        Raises:
            InputError: If the store does not hold them.
        """
        from visiongpt_agent.regions import Regions

        return Regions.from_bytes(self._read(key, "reg"))

    def __contains__(self, key: str) -> bool:
        return bool(_ID.fullmatch(key)) and self._path(key).exists()

    def keep_only(self, keys: Collection[str]) -> None:
        """Remove all pictures and regions but these and the drawings on them, and what a crash left half-written."""
        remove_leftovers(self.folder)
        for path in self.folder.glob("*"):
            if _ID.fullmatch(path.stem) and path.stem not in keys and not self._is_drawing_on(path.stem, keys):
                path.unlink(missing_ok=True)

    def _is_drawing_on(self, key: str, keys: Collection[str]) -> bool:
        """Whether a picture is an original with regions drawn on it: a result shows it, and no state refers to it."""
        made = self.provenance(key)
        return made is not None and made.origin == "annotation" and bool(set(made.parents) & set(keys))

    def close(self) -> None:
        """Forget what is in memory, and remove the folder where it is a temporary one."""
        with self._lock:
            self._recent.clear()
        if self._temporary:
            self._temporary.remove()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{'.png' if key.startswith('img') else '.npz'}"

    def _provenance_path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _read(self, key: str, kind: str) -> bytes:
        # Ids reach here from a LLM's tool arguments: only the exact form may become a file name.
        if not _ID.fullmatch(key) or not key.startswith(kind):
            raise InputError(f"{key[:40]!r} is no {'picture' if kind == 'img' else 'regions'} of this store")
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise InputError(f"{key} is not in the store {self.folder}: hand the picture in again") from None

    def _remember(self, key: str, image: Image.Image) -> None:
        with self._lock:
            self._recent[key] = image
            self._recent.move_to_end(key)
            while len(self._recent) > 1 and sum(i.width * i.height for i in self._recent.values()) > _CACHE_PIXELS:
                self._recent.popitem(last=False)


def content_id(image: Image.Image) -> str:
    """The id of a picture by its pixels: ``img-`` and 16 hex digits."""
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode() + image.tobytes())
    return f"img-{digest.hexdigest()[:16]}"


def _holds(path: Path, image: Image.Image) -> bool:
    """Whether a file is there and holds these pixels."""
    try:
        kept = decode(path)
    except InputError:
        return False
    return (kept.mode, kept.size) == (image.mode, image.size) and kept.tobytes() == image.tobytes()


def _is_file_of(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


_ID = re.compile(r"(img|reg)-[0-9a-f]{16}")
