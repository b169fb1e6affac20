"""Colours as files mean them: embedded profiles, deep pictures, and the formats of phones."""

from __future__ import annotations

import io
import struct
from typing import Final

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.color_profiles import srgb_profile
from visiongpt_agent.pictures.decoding import decode

Triple = tuple[float, float, float]

# Colorants under D50: of Adobe RGB (1998), and of DCI-P3 as displays have it.
ADOBE: Final = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3: Final = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB_TO_XYZ: Final = np.array(  # under D50, columns red, green, blue (Bruce Lindbloom)
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
COLORS: Final = ((200, 60, 50), (60, 160, 60), (70, 80, 190), (230, 190, 40), (128, 128, 128))


def profile(primaries: tuple[Triple, ...], gamma: float) -> bytes:
    """A matrix profile as ICC.1:2001-04 lays it out: a header, a table of tags, three colorants and three curves."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: Triple) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + b"\0" * 79
    tags = [(b"desc", description), (b"cprt", b"text\0\0\0\0none\0\0\0\0"), (b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    tags += [*zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, primaries), strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    start, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    white = struct.pack(">iii", 63190, 65536, 54061)
    header = struct.pack(">I4xI", start + len(body), 0x02400000) + b"mntrRGB XYZ " + b"\x07\xea\0\1\0\1\0\0\0\0\0\0"
    header += b"acsp" + b"\0" * 28 + white + b"\0" * 48
    return header + struct.pack(">I", len(tags)) + table + body


def in_space(color: tuple[int, int, int], primaries: tuple[Triple, ...], gamma: float) -> tuple[int, ...]:
    """An sRGB colour in the numbers of another space, by the standard's formulas."""
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    other = np.linalg.inv(np.array(primaries).T) @ SRGB_TO_XYZ @ linear
    return tuple(int(v) for v in np.rint(255 * np.clip(other, 0, 1) ** (1 / gamma)))


def card(colors: tuple[tuple[int, ...], ...], mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (20 * len(colors), 20))
    for number, color in enumerate(colors):
        image.paste(color, (20 * number, 0, 20 * number + 20, 20))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seen(image: Image.Image) -> np.ndarray:
    return np.asarray(image)[10, 10::20].astype(int)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize(("primaries", "gamma"), [(ADOBE, 2.2), (P3, 2.2), (ADOBE, 1.8)])
def test_colours_of_an_embedded_profile_are_those_that_people_see(
    primaries: tuple[Triple, ...], gamma: float, kind: str
) -> None:
    other = card(tuple(in_space(color, primaries, gamma) for color in COLORS))
    lossy = {"quality": 100} if kind in ("JPEG", "WEBP", "AVIF") else {}
    data = encoded(other, kind, icc_profile=profile(primaries, gamma), **lossy)
    assert np.abs(seen(decode(data)) - COLORS).max() <= (8 if lossy else 3)
    untagged = np.abs(seen(decode(encoded(other, "PNG"))) - COLORS).max()
    assert untagged > 8  # the numbers alone would be other colours


def test_a_profile_with_transparency() -> None:
    other = card(tuple((*in_space(color, ADOBE, 2.2), 100) for color in COLORS), "RGBA")
    image = decode(encoded(other, "PNG", icc_profile=profile(ADOBE, 2.2)))
    assert image.mode == "RGBA"
    assert np.abs(seen(image)[:, :3] - COLORS).max() <= 3
    assert (seen(image)[:, 3] == 100).all()


def test_a_palette_with_a_profile() -> None:
    other = card(tuple(in_space(color, ADOBE, 2.2) for color in COLORS)).quantize(8)
    assert np.abs(seen(decode(encoded(other, "PNG", icc_profile=profile(ADOBE, 2.2)))) - COLORS).max() <= 4


@pytest.mark.parametrize("damaged", [b"no profile", profile(ADOBE, 2.2)[:200], b"\0" * 600])
def test_a_damaged_profile_is_passed_over(damaged: bytes) -> None:
    assert (seen(decode(encoded(card(COLORS), "PNG", icc_profile=damaged))) == COLORS).all()


def test_srgb_stays_exactly_as_it_is() -> None:
    tag = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (seen(decode(encoded(card(COLORS), "PNG", icc_profile=tag))) == COLORS).all()


@pytest.mark.parametrize("tag", ["bits", "maximum"])
@pytest.mark.parametrize("depth", [10, 12, 14])
def test_deep_greys_are_scaled_by_the_depth_that_the_file_states(depth: int, tag: str) -> None:
    white = 2**depth - 1
    values = np.array([[0, white // 4, white // 2, white]], np.uint16)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if tag == "maximum":
        tags[281] = white
        tags.tagtype[281] = 3
    else:
        tags[341] = white
        tags.tagtype[341] = 3
    grey = np.asarray(decode(encoded(Image.fromarray(values), "TIFF", tiffinfo=tags)))[0, :, 0]
    assert np.abs(grey.astype(int) - [0, 64, 127, 255]).max() <= 1


def test_twelve_bits_in_a_portable_grey_map() -> None:
    values = np.array([[0, 1024, 2048, 4095]], ">u2")
    grey = np.asarray(decode(b"P5 4 1 4095\n" + values.tobytes()))[0, :, 0]
    assert np.abs(grey.astype(int) - [0, 64, 128, 255]).max() <= 1


def test_deep_colours_keep_their_range() -> None:
    import cv2

    pixels = np.zeros((4, 4, 3), np.uint16)
    pixels[..., 1] = 160 * 257
    for kind in (".png", ".tiff"):
        assert np.abs(np.asarray(decode(cv2.imencode(kind, pixels)[1].tobytes())).astype(int) - [0, 160, 0]).max() <= 1


def test_pictures_of_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(card(COLORS).resize((200, 40))).save(buffer, quality=95)
    picture = np.asarray(decode(buffer.getvalue()))
    assert np.abs(picture[20, 20::40].astype(int) - COLORS).max() <= 10
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"HEIC picture: pip install 'visiongpt-agent\[heic\]'"):
        decode(buffer.getvalue())


def test_the_tag_of_saved_pictures_has_one_date() -> None:
    """Else the same picture, saved a second later, would be another file."""
    assert srgb_profile()[24:36] == struct.pack(">6H", 2000, 2, 1, 0, 0, 0)
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.getOpenProfile(io.BytesIO(srgb_profile())))
