"""Pictures of every kind and every fault on their way in, and the store that keeps them."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from visiongpt_agent.errors import InputError
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.images import (
    MAX_FILE_BYTES,
    ImageStore,
    Provenance,
    decode,
)
from visiongpt_agent.regions import Regions

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    image = Image.new("RGB", size, WHITE)
    half = size[0] // 2, size[1] // 2
    image.paste(RED, (0, 0, *half))
    image.paste(GREEN, (half[0], 0, size[0], half[1]))
    image.paste(BLUE, (0, half[1], half[0], size[1]))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def quadrants(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quadrants, in reading order, rounded to 0 or 255."""
    width, height = image.size
    places = [(width // 4, height // 4), (3 * width // 4, height // 4)]
    places += [(x, y + height // 2) for x, y in places]
    return [tuple(round(int(channel) / 255) * 255 for channel in pixel(image, place)[:3]) for place in places]


def pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    value = image.getpixel(place)
    assert isinstance(value, tuple)
    return tuple(int(channel) for channel in value)


# --------------------------------------------------------------------------------------------------- what can be read


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_formats(kind: str) -> None:
    image = decode(encoded(corners(), kind))
    assert (image.mode, image.size) == ("RGB", (40, 20))
    assert quadrants(image) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_exif_orientation(orientation: int, upright: list[tuple[int, ...]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(encoded(corners(), "JPEG", exif=exif.tobytes(), quality=95))
    assert image.size == ((40, 20) if orientation < 5 else (20, 40))
    assert quadrants(image) == upright


def test_metadata_does_not_travel() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    clear = corners().copy()
    clear.putalpha(100)
    for picture, kind in ((corners(), "JPEG"), (corners(), "PNG"), (clear, "PNG")):
        image = decode(encoded(picture, kind, exif=exif.tobytes()))
        assert not image.info
        assert not dict(image.getexif())


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, GREEN, BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert pixel(decode(data), (4, 4)) == RED
    opened = Image.open(io.BytesIO(data))
    opened.seek(2)
    assert pixel(decode(opened), (4, 4)) == RED


def test_cmyk() -> None:
    image = decode(encoded(corners().convert("CMYK"), "JPEG", quality=95))
    assert image.mode == "RGB"
    assert quadrants(image) == [RED, GREEN, BLUE, WHITE]


def test_16_bit_grey_keeps_its_range() -> None:
    ramp = np.array([[0, 257, 32896, 65535]], np.uint16)
    image = decode(encoded(Image.fromarray(ramp), "PNG"))
    assert [pixel(image, (x, 0))[0] for x in range(4)] == [0, 1, 128, 255]


def test_32_bit_and_float_grey_are_scaled_to_their_range() -> None:
    values = np.array([[-3.0, 0.0, 5.0]], np.float32)
    image = decode(encoded(Image.fromarray(values), "TIFF"))
    assert [pixel(image, (x, 0))[0] for x in range(3)] == [0, 96, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "YCbCr", "LAB", "HSV", "RGBX", "I", "F"])
def test_every_mode_becomes_8_bit_color(mode: str) -> None:
    grey = Image.linear_gradient("L")
    source = grey.convert("RGB").convert(mode) if mode in ("LAB", "RGBX", "HSV", "YCbCr") else grey.convert(mode)
    image = decode(source)
    assert (image.mode, image.size) == ("RGB", (256, 256))
    assert pixel(image, (0, 0))[0] < 10
    assert pixel(image, (0, 255))[0] > 245


def test_transparency_is_kept_where_there_is_some() -> None:
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 255))
    assert decode(encoded(clear, "PNG")).mode == "RGB"
    clear.putpixel((1, 1), (10, 20, 30, 0))
    image = decode(encoded(clear, "PNG"))
    assert image.mode == "RGBA"
    assert (pixel(image, (1, 1))[3], pixel(image, (0, 0))) == (0, (10, 20, 30, 255))


def test_palette_with_a_transparent_entry() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    image = decode(encoded(palette, "PNG", transparency=1))
    assert image.mode == "RGBA"
    assert pixel(image, (0, 0)) == (*RED, 255)
    assert pixel(image, (1, 0))[3] == 0


@pytest.mark.parametrize(
    ("array", "mode", "first"),
    [
        (np.full((2, 3), 7, np.uint8), "RGB", (7, 7, 7)),
        (np.full((2, 3, 1), 7, np.uint8), "RGB", (7, 7, 7)),
        (np.full((2, 3, 3), [1, 2, 3], np.uint8), "RGB", (1, 2, 3)),
        (np.full((2, 3, 4), [1, 2, 3, 128], np.uint8), "RGBA", (1, 2, 3, 128)),
        (np.full((2, 3), True), "RGB", (255, 255, 255)),
        (np.full((2, 3, 3), 65535, np.uint16), "RGB", (255, 255, 255)),
        (np.full((2, 3, 3), 0.5, np.float32), "RGB", (128, 128, 128)),
        (np.full((2, 3), 1.0, np.float64), "RGB", (255, 255, 255)),
        (np.full((3, 2, 3), 9, np.uint8).transpose(1, 0, 2), "RGB", (9, 9, 9)),
    ],
)
def test_arrays(array: np.ndarray, mode: str, first: tuple[int, ...]) -> None:
    image = decode(array)
    assert (image.mode, image.size, pixel(image, (0, 0))) == (mode, (3, 2), first)


def test_data_url() -> None:
    body = base64.b64encode(encoded(corners(), "PNG")).decode()
    assert quadrants(decode(f"data:image/png;base64,{body}")) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_bytes_like(wrap: Callable[[bytes], object]) -> None:
    assert decode(wrap(encoded(corners(), "PNG"))).size == (40, 20)


# -------------------------------------------------------------------------------------------------- what is refused


def png_of(width: int, height: int) -> bytes:
    """A PNG of black pixels that is small in bytes whatever its size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\0" + b"\0" * ((width + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = png_of(30_000, 30_000)
    assert len(bomb) < 200_000
    assert decode(png_of(300, 200)).size == (300, 200)  # the same file, harmless in size, is fine
    with pytest.raises(InputError, match="64 million are allowed"):
        decode(bomb)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "is empty"),
        (b"Hello, this is text.\n", "is not a picture"),
        (encoded(corners((400, 300)), "JPEG")[:900], "is damaged"),
        (encoded(corners((400, 300)), "PNG")[:120], "is damaged"),
        ("data:text/plain;base64,AAAA", "must start with"),
        ("data:image/png;base64,@@@", "not valid base64"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png", "must start with"),
        ("https://example.org/cat.jpg", "not fetched from the web"),
        ("no/such/cat.jpg", "does not exist"),
        ("bad\0name.jpg", r"cannot be read|does not exist"),
        ("x" * 5000, "cannot be read"),
        ("", "is a folder"),
        (None, "NoneType is no picture"),
        (42, "int is no picture"),
        (np.zeros((2, 2, 2), np.uint8), "shape"),
        (np.zeros((4,), np.uint8), "shape"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.full((2, 2), 2.0), "from 0 to 1"),
        (np.full((2, 2), np.nan), "finite"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.zeros((2, 2), object), "object"),
        (np.float32(3), "no picture"),
    ],
)
def test_what_is_no_picture_is_refused(source: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        decode(source)
    assert "\n" not in str(caught.value)


def test_a_text_under_the_name_of_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_text("not a cat")
    with pytest.raises(InputError, match=r"cat\.jpg is not a picture"):
        decode(path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        decode(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(encoded(corners(), "PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads files whatever their permissions")
    with pytest.raises(InputError, match="may not be read"):
        decode(path)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="not a regular file"):
        decode(tmp_path / "pipe.jpg")


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="100 are allowed"):
        decode(path)


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        decode(data)


@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"]), data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_decode_or_are_refused(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(encoded(corners(), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]))
    except InputError:
        return
    assert image.mode in ("RGB", "RGBA")


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_random_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        decode(text)


# --------------------------------------------------------------------------------------------------------- the store


def test_the_same_pixels_are_kept_once(store: ImageStore) -> None:
    first = store.add(encoded(corners(), "PNG"))
    second = store.add(encoded(corners(), "BMP"))
    assert first == second
    assert len(list(store.folder.glob("img-*.png"))) == 1
    assert store.add(corners((40, 22))).id != first.id


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pixels_come_back_exactly(store: ImageStore, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (9, 7, len(mode)), np.uint8)
    kept = store.add(pixels)
    reopened = ImageStore(store.folder)  # nothing in memory: it is read from disk
    assert (kept.mode, kept.width, kept.height) == (mode, 7, 9)
    assert np.array_equal(np.asarray(reopened.open(kept.id)), pixels)


def test_what_is_handed_out_may_be_changed(store: ImageStore) -> None:
    kept = store.add(corners())
    store.open(kept.id).putpixel((0, 0), (1, 2, 3))
    assert pixel(store.open(kept.id), (0, 0)) == RED


def test_changing_the_source_afterwards_does_not_change_the_store(store: ImageStore) -> None:
    source = corners()
    kept = store.add(source)
    source.paste((1, 2, 3), (0, 0, 40, 20))
    assert pixel(store.open(kept.id), (0, 0)) == RED


@pytest.mark.parametrize("key", ["img-0123456789abcdef", "reg-0123456789abcdef"])
def test_unknown_ids(store: ImageStore, key: str) -> None:
    assert key not in store
    with pytest.raises(InputError, match="is not in the store"):
        store.open(key) if key.startswith("img") else store.regions(key)


@pytest.mark.parametrize(
    "key",
    [
        *("", "$1", "img-", "img-../../etc/passwd", "../img-0123456789abcdef", "img-0123456789abcdef\n", "/etc/passwd"),
        *("img-0123456789ABCDEF", "img-0123456789abcdef/../x", "reg-0123456789abcdef"),
    ],
)
def test_an_id_never_becomes_another_path(store: ImageStore, key: str) -> None:
    with pytest.raises(InputError, match="is no picture of this store"):
        store.open(key)
    (store.folder.parent / "secret.json").write_text('{"origin": "elsewhere", "parents": []}')
    assert store.provenance(key) is None
    assert store.provenance("../secret") is None


def test_provenance_round_trip(store: ImageStore) -> None:
    made = Provenance("upscale_image", "upscale_image", {"image": "img-1", "scale": 2.0}, "realesrgan", ("img-1",))
    kept = store.add(corners(), made)
    store.add(corners(), Provenance("user", "later.png"))  # the first account of the same pixels stays
    assert ImageStore(store.folder).provenance(kept.id) == made
    assert store.provenance(store.add(corners((8, 8))).id) is None


def test_regions_round_trip(store: ImageStore) -> None:
    masks = np.zeros((1, 6, 5), np.bool_)
    masks[0, 1:4, 2:5] = True
    key = store.add_regions(Regions.from_masks(masks, ("dog",), [0.5]))
    again = ImageStore(store.folder).regions(key)
    assert again.masks is not None
    assert (again.labels, again.size, again.masks.tolist()) == (("dog",), (5, 6), masks.tolist())
    with pytest.raises(InputError, match="is no picture"):
        store.open(key)


def test_threads_add_the_same_and_different_pictures(store: ImageStore) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(10):
                kept = store.add(Image.new("RGB", (16, 16), (i, number % 2, 0)), Provenance("user", f"{number}"))
                assert pixel(store.open(kept.id), (0, 0)) == (i, number % 2, 0)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(list(store.folder.glob("img-*.png"))) == 20
    assert not list(store.folder.glob(".*"))  # no half-written file is left
    for path in store.folder.glob("*.json"):
        json.loads(path.read_text())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.png"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.png"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        ImageStore(tmp_path / "file").add(corners())


def test_a_damaged_file_in_the_store_is_told(store: ImageStore) -> None:
    kept = store.add(corners())
    (store.folder / f"{kept.id}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=kept.id):
        ImageStore(store.folder).open(kept.id)
    (store.folder / f"{kept.id}.json").write_text("{")
    assert store.provenance(kept.id) is None


def test_a_temporary_store_goes_with_it() -> None:
    store = ImageStore()
    store.add(corners())
    assert store.folder.exists()
    store.close()
    assert not store.folder.exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "another"])
def test_a_picture_that_is_handed_in_again_is_whole_again(damage: str, tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    kept = store.add(corners())
    mask = np.ones((1, 20, 40), np.bool_)
    key = store.add_regions(Regions.from_masks(mask, ("all",)))
    for path in (store.folder / f"{kept.id}.png", store.folder / f"{key}.npz"):
        data = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "another": png_of(40, 20)}[damage])
    for again in (store, ImageStore(store.folder)):
        assert again.add(corners()) == kept
        assert again.add_regions(Regions.from_masks(mask, ("all",))) == key
    fresh = ImageStore(store.folder)
    assert quadrants(fresh.open(kept.id)) == [RED, GREEN, BLUE, WHITE]
    assert fresh.regions(key).labels == ("all",)
