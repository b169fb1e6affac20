"""Colours as files mean them: embedded profiles are converted to sRGB, the colours of screens and of all models."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

_SPACES: Final = {"RGB": ("RGB",), "CMYK": ("CMYK",), "GRAY": ("L",), "Lab": ("LAB",)}
"""The modes whose pixels a profile of a colour space describes."""
_DATE: Final = slice(24, 36)
"""Where in a profile's header its date is, six 16-bit numbers: ICC.1:2022, 7.2.8."""


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB where it carries a profile of other colours; else, or where the profile is damaged, itself.

    Relative colorimetric, with black point compensation, as browsers do.

    Args:
        image: 8 bits a channel; its profile is in ``info["icc_profile"]``.

    Returns:
        A picture of mode RGB or RGBA, of the same size.
    """
    from PIL import Image, ImageCms

    data = image.info.get("icc_profile")
    if not data:
        return image
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        if image.has_transparency_data or image.mode == "P":
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
        colors = image.convert({"LA": "L", "RGBA": "RGB", "1": "L"}.get(image.mode, image.mode))
        if space == "GRAY" and colors.mode == "RGB" and image.mode == "RGBA":
            colors = colors.convert("L")
        if colors.mode not in _SPACES.get(space, ()) or _is_srgb(profile):
            return image
        converted = ImageCms.profileToProfile(
            colors,
            profile,
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted = Image.merge("RGBA", (*converted.split(), alpha))
    return converted


@cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, to tag saved pictures with: the same bytes at any time, as its date is fixed."""
    from PIL import ImageCms

    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[: _DATE.start] + struct.pack(">6H", 2000, 2, 1, 0, 0, 0) + made[_DATE.stop :]


def _is_srgb(profile: object) -> bool:
    from PIL import ImageCms

    return "srgb" in (ImageCms.getProfileDescription(profile) or "").lower()  # type: ignore[arg-type]
