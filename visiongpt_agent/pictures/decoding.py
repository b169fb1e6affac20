"""Pictures on their way in: decoded safely, upright, in sRGB, 8 bits a channel; of a file with pages one of them."""

from __future__ import annotations

import base64
import io
import os
import re
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.color_profiles import to_srgb
from visiongpt_agent.pictures.transparency import without_hidden

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE_BYTES: Final = 100 * 2**20
MAX_PIXELS: Final = 64_000_000
FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")
_SEVERAL: Final = ("TIFF", "GIF", "WEBP", "PNG", "AVIF")
"""Formats of which a file may hold several pages or frames that a person sees."""
_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BITS_PER_SAMPLE, _NEW_SUBFILE_TYPE, _MAX_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE = 258, 254, 281, 341
_PDF_SCALE: Final = 200 / 72
_PDF_PIXELS: Final = 16_000_000
_PDFIUM: Final = threading.Lock()
"""Held while a PDF is read: PDFium works on one thread at a time."""


@dataclass(frozen=True)
class Pages:
    """What a file has several of: their number, and what they are called."""

    count: int = 1
    unit: Literal["page", "frame"] = "frame"


def decode(source: Any, *, name: str = "", page: int = 1) -> Image.Image:
    """Decode a picture into an upright ``PIL.Image`` of mode RGB, or RGBA where it is transparent somewhere.

    The EXIF orientation is applied, and an embedded colour profile: the picture is in sRGB. Palette, grey and CMYK
    pictures become RGB; 16-bit ones are scaled by the depth that the file states, float ones by the range that they
    use. Colour where nothing shows (alpha 0) is taken out.

    Args:
        source: A path, encoded bytes, a ``data:image/...;base64,`` URL, a ``PIL.Image``, or a numpy array ``(H, W)``,
            ``(H, W, 3)`` or ``(H, W, 4)`` of uint8 (0 to 255), uint16, bool, or float (0 to 1).
        name: What to call the picture in an error; by default its path.
        page: Which page or frame of it, counted from 1.

    Raises:
        InputError: If it is no picture, has no such page, is damaged, is over 100 MB or 64 million
            pixels, or cannot be read.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        return _to_8bit(source, name or "the picture", page)
    if type(source).__module__.split(".")[0] == "numpy":
        return _from_array(source)
    data, known_as = _encoded(source, name)
    return _decode_pdf(data, known_as, page) if _is_pdf(data) else _decode_bytes(data, known_as, page)


def pages_of(source: Any) -> Pages:
    """How many pages (PDF, TIFF) or frames (GIF, WebP, APNG, AVIF) a source has; see :func:`decode` for what it may be.

    Raises:
        InputError: If it cannot be read.
    """
    from PIL import Image

    if isinstance(source, Image.Image) or type(source).__module__.split(".")[0] == "numpy":
        return Pages(len(_frames(source))) if isinstance(source, Image.Image) else Pages()
    data, name = _encoded(source, "")
    if _is_pdf(data):
        with _PDFIUM:
            return Pages(len(_open_pdf(data, name)), "page")
    image = _opened(data, name)
    return Pages(len(_frames(image)), "page" if image.format == "TIFF" else "frame")


def _encoded(source: Any, name: str) -> tuple[bytes, str]:
    """The bytes of an encoded picture, and what to call it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), name or "the picture"
    if isinstance(source, str) and source.startswith("data:"):
        return _data_url(source), name or "the data URL"
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        from visiongpt_agent.pictures.web import shown

        raise InputError(
            f"{shown(source)}: pictures are not fetched from the web; download it and give its path, "
            "or allow it with VISIONGPT_WEB_IMAGES=1"
        )
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return _read_file(path), name or str(path)
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
    if not re.fullmatch(r"data:(image/[\w.+-]+|application/pdf);base64", head):
        raise InputError("a data URL must start with data:image/...;base64,")
    if len(body) > MAX_FILE_BYTES * 4 // 3 + 4:
        raise InputError(f"the data URL has more than {MAX_FILE_BYTES // 2**20} MB: make the picture smaller")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:  # binascii.Error, or letters beyond ASCII
        raise InputError("the data URL is not valid base64: encode the picture again") from None


def _decode_bytes(data: bytes, name: str, page: int) -> Image.Image:
    from PIL import Image

    image = _opened(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if page == 1:
                image.load()
    except Image.DecompressionBombError:
        raise _too_many_pixels(name) from None
    except Exception as error:  # decoders raise anything at all on damaged files
        raise _damaged(name, error) from None
    return _to_8bit(image, name, page)


def _opened(data: bytes, name: str) -> Image.Image:
    """The picture in a file, its pixels not read yet."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise InputError(f"{name} is empty (0 bytes): save the picture again")
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{name} has {len(data) / 2**20:.0f} MB, {MAX_FILE_BYTES // 2**20} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=(*FORMATS, *_heif(data, name)))
            _check_pixels(image.width, image.height, name)
    except UnidentifiedImageError:
        raise InputError(f"{name} is not a picture that can be read: use {', '.join(FORMATS[:7])}") from None
    except Image.DecompressionBombError:
        raise _too_many_pixels(name) from None
    except InputError:
        raise
    except Exception as error:
        raise _damaged(name, error) from None
    return image


def _too_many_pixels(name: str) -> InputError:
    return InputError(f"{name} has too many pixels ({MAX_PIXELS // 10**6} million are allowed): shrink it")


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(f"{name} is damaged ({str(error)[:80] or type(error).__name__}): save it again")


def _heif(data: bytes, name: str) -> tuple[str, ...]:
    """The format of pictures as iPhones take them, where this is one; reads it with the library for it."""
    if data[4:8] != b"ftyp" or data[8:12] not in _HEIF_BRANDS:
        return ()
    try:
        import pillow_heif
    except ImportError:
        raise InputError(f"{name} is a HEIC picture: pip install 'visiongpt-agent[heic]', or save it as JPEG") from None
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def _frames(image: Image.Image) -> list[int]:
    """The numbers, from 0, of the frames of a picture; the small copies that some files hold beside it left out."""
    if image.format not in _SEVERAL:  # the second picture in a JPEG (MPO) is a preview or a depth map
        return [0]
    try:
        count = int(getattr(image, "n_frames", 1))
        return [n for n in range(count) if not _is_reduced(image, n)] or [0]
    except Exception:  # what is damaged further back is no obstacle to its first frame
        return [0]
    finally:
        with suppress(Exception):
            image.seek(0)


def _is_reduced(image: Image.Image, number: int) -> bool:
    if image.format != "TIFF":
        return False
    image.seek(number)
    return bool(int(getattr(image, "tag_v2", {}).get(_NEW_SUBFILE_TYPE, 0)) & 1)


def _is_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:1024]


def _open_pdf(data: bytes, name: str) -> Any:
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{name} has {len(data) / 2**20:.0f} MB, {MAX_FILE_BYTES // 2**20} are allowed")
    try:
        import pypdfium2
    except ImportError:
        raise InputError(f"{name} is a PDF: pip install 'visiongpt-agent[pdf]', or save its pages as PNG") from None
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise InputError(f"{name} is a PDF that cannot be opened ({error}): save it again, without password") from None


def _decode_pdf(data: bytes, name: str, page: int) -> Image.Image:
    """A page of a PDF at 200 pixels an inch, or fewer where it is so large that it would exceed 16 million pixels."""
    with _PDFIUM:
        document = _open_pdf(data, name)
        _check_page(page, len(document), "page", name)
        try:
            sheet = document[page - 1]
            width, height = sheet.get_size()
            scale = min(_PDF_SCALE, (_PDF_PIXELS / max(width * height, 1.0)) ** 0.5)
            image: Image.Image = sheet.render(scale=scale).to_pil().convert("RGB")
        except Exception as error:
            raise _damaged(name, error) from None
    _check_pixels(image.width, image.height, name)
    return image


def _check_page(page: int, count: int, unit: str, name: str) -> None:
    if not 1 <= page <= count:
        have = f"has {count} {unit}s" if count > 1 else f"has one {unit}"
        raise InputError(f"{name} {have}, there is no {unit} {page}")


def _check_pixels(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{name} has no pixels ({width}x{height})")
    if width * height > MAX_PIXELS:
        allowed = MAX_PIXELS // 10**6
        raise InputError(f"{name} has {width}x{height} pixels, {allowed} million are allowed: shrink it first")


def _to_8bit(image: Image.Image, name: str, page: int = 1) -> Image.Image:
    from PIL import Image, ImageOps

    _check_pixels(image.width, image.height, name)
    try:
        frames = _frames(image)
        _check_page(page, len(frames), "page" if image.format == "TIFF" else "frame", name)
        if getattr(image, "is_animated", False):
            image.seek(frames[page - 1])
            _check_pixels(image.width, image.height, name)
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):
            upright = _scale_depth(upright, _largest_value(image))
        upright = to_srgb(upright)
        clean = without_hidden(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
    except InputError:
        raise
    except Exception as error:
        raise _damaged(name, error) from None
    # A fresh picture: no file handle, no metadata such as GPS positions that would travel into results.
    return Image.frombytes(clean.mode, clean.size, clean.tobytes())


def _largest_value(image: Image.Image) -> float | None:
    """The value of white in a deep TIFF, as the file states it (TIFF 6.0: MaxSampleValue, BitsPerSample)."""
    tags = getattr(image, "tag_v2", {})
    stated = [tags.get(tag) for tag in (_MAX_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE)]
    values = [value[0] if isinstance(value, tuple) else value for value in stated if value]
    bits = tags.get(_BITS_PER_SAMPLE, 0)
    depth = int(bits[0] if isinstance(bits, tuple) and bits else bits or 0)
    if not values and 8 < depth < 16:
        values = [2**depth - 1]
    return float(values[0]) if values and 0 < float(values[0]) < 65535 else None


def _scale_depth(image: Image.Image, white: float | None = None) -> Image.Image:
    """16-bit, 32-bit and float grey to 8 bits.

    Args:
        image: Of mode I, I;16 or F.
        white: The value of white where the file states it; else that of 16 bits, and of other depths the range used.
    """
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, np.float64))
    low, high = float(values.min()), float(values.max())
    if white is not None and low >= 0 and high <= white:
        low, high = 0.0, white
    elif image.mode.startswith("I;16") or (image.mode.startswith("I") and low >= 0 and 255 < high <= 65535):
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 255 and image.mode.startswith("I"):
        low, high = 0.0, 255.0
    scaled = (values - low) / (high - low) * 255 if high > low else np.zeros_like(values)
    grey = Image.fromarray(np.asarray(scaled + 0.5, np.uint8))
    grey.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return grey


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
