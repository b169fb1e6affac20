"""Pictures on their way in: decoded safely, kept by content.

:func:`decode` turns what people hand in (a path, bytes, a data URL, PIL, numpy) into an upright 8-bit picture or
refuses it with a sentence that says why. :class:`ImageStore` keeps pictures and regions under one folder by the hash of
their content, so that the state of a conversation holds short names only.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import InputError
from visiongpt_agent.files import TemporaryFolder, remove_leftovers, write_atomically
from visiongpt_agent.pictures.transparency import without_hidden

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.regions import Regions

MAX_FILE_BYTES: Final = 100 * 2**20
MAX_PIXELS: Final = 64_000_000
FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
_CACHE_PIXELS: Final = 100_000_000


def decode(source: Any, *, name: str = "") -> Image.Image:
    """Decode a picture into an upright ``PIL.Image`` of mode RGB, or RGBA where it is transparent somewhere.

    The EXIF orientation is applied; of an animated picture the first frame is taken; palette, grey, CMYK, 16-bit and
    float pictures become 8-bit (16-bit and float ones are scaled to their own range where they exceed 8 bits).

    Args:
        source: A path, encoded bytes, a ``data:image/...;base64,`` URL, a ``PIL.Image``, or a numpy array ``(H, W)``,
            ``(H, W, 3)`` or ``(H, W, 4)`` of uint8 (0 to 255), uint16, bool, or float (0 to 1).
        name: What to call the picture in an error; by default its path.

    Raises:
        InputError: If it is no picture, is damaged, is over 100 MB or 64 million pixels, or cannot be read.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        return _to_8bit(source, name or "the picture")
    if type(source).__module__.split(".")[0] == "numpy":
        return _from_array(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode_bytes(bytes(source), name or "the picture")
    if isinstance(source, str) and source.startswith("data:"):
        return _decode_bytes(_data_url(source), name or "the data URL")
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        from visiongpt_agent.pictures.web import shown

        raise InputError(
            f"{shown(source)}: pictures are not fetched from the web; download it and give its path, "
            "or allow it with VISIONGPT_WEB_IMAGES=1"
        )
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return _decode_bytes(_read_file(path), name or str(path))
    raise InputError(f"a {type(source).__name__} is no picture: give a path, bytes, a PIL image or a numpy array")


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: give the picture in it")
        if not path.exists():
            raise InputError(f"{path} does not exist: check the path")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file: give a picture file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"{path} has {size / 2**20:.0f} MB, {MAX_FILE_BYTES // 2**20} are allowed: make it smaller"
            )
        return path.read_bytes()
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path} may not be read: change its permissions") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _data_url(url: str) -> bytes:
    head, _, body = url.partition(",")
    if not re.fullmatch(r"data:image/[\w.+-]+;base64", head):
        raise InputError("a data URL must start with data:image/...;base64,")
    if len(body) > MAX_FILE_BYTES * 4 // 3 + 4:
        raise InputError(f"the data URL has more than {MAX_FILE_BYTES // 2**20} MB: make the picture smaller")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:  # binascii.Error, or letters beyond ASCII
        raise InputError("the data URL is not valid base64: encode the picture again") from None


def _decode_bytes(data: bytes, name: str) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise InputError(f"{name} is empty (0 bytes): save the picture again")
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{name} has {len(data) / 2**20:.0f} MB, {MAX_FILE_BYTES // 2**20} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_pixels(image.width, image.height, name)
            image.load()
    except UnidentifiedImageError:
        raise InputError(f"{name} is not a picture that can be read: use {', '.join(FORMATS[:6])}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name} has too many pixels ({MAX_PIXELS // 10**6} million are allowed): shrink it") from None
    except InputError:
        raise
    except Exception as error:  # decoders raise anything at all on damaged files
        raise InputError(f"{name} is damaged ({str(error)[:80] or type(error).__name__}): save it again") from None
    return _to_8bit(image, name)


def _check_pixels(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{name} has no pixels ({width}x{height})")
    if width * height > MAX_PIXELS:
        allowed = MAX_PIXELS // 10**6
        raise InputError(f"{name} has {width}x{height} pixels, {allowed} million are allowed: shrink it first")


def _to_8bit(image: Image.Image, name: str) -> Image.Image:
    from PIL import Image, ImageOps

    _check_pixels(image.width, image.height, name)
    try:
        if getattr(image, "is_animated", False):
            image.seek(0)
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):
            upright = _scale_depth(upright)
        clean = without_hidden(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} is damaged ({str(error)[:80] or type(error).__name__}): save it again") from None
    # A fresh picture: no file handle, no metadata such as GPS positions that would travel into results.
    return Image.frombytes(clean.mode, clean.size, clean.tobytes())


def _scale_depth(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey to 8 bits: 16-bit by its full range, others by the range that they use."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.asarray(values / 257.0 + 0.5, np.uint8))
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I") and low >= 0 and 255 < high <= 65535:
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 255 and image.mode.startswith("I"):
        low, high = 0.0, 255.0
    scaled = (values - low) / (high - low) * 255 if high > low else np.zeros_like(values)
    return Image.fromarray(np.asarray(scaled + 0.5, np.uint8))


def _from_array(array: Any) -> Image.Image:
    import numpy as np
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(f"an array of shape {array.shape} is no picture: give (H, W), (H, W, 3) or (H, W, 4)")
    if array.size == 0:
        raise InputError(f"an array of shape {array.shape} has no pixels")
    _check_pixels(array.shape[1], array.shape[0], "the array")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = (array / 257.0 + 0.5).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise InputError("a float array must hold finite values from 0 to 1: scale it")
        array = (array * 255 + 0.5).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise InputError(f"an array of {array.dtype} is no picture: use uint8, uint16, bool or float")
    return _to_8bit(Image.fromarray(np.ascontiguousarray(array)), "the array")


# ----------------------------------------------------------------------------------------------------------- the store


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

    def add(self, source: Any, provenance: Provenance | None = None, *, name: str = "") -> StoredImage:
        """Decode a picture (see :func:`decode`) and keep it; the same pixels are kept once."""
        image = decode(source, name=name)
        digest = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode() + image.tobytes())
        key = f"img-{digest.hexdigest()[:16]}"
        path = self._path(key)
        if not path.exists():
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
        if not self._path(key).exists():
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


_ID = re.compile(r"(img|reg)-[0-9a-f]{16}")
