"""Small encoded pictures for tests of doors."""

from __future__ import annotations

import io

from PIL import Image


def png(width: int, height: int, colour: str = "teal") -> bytes:
    """A picture of one colour as a PNG file."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()
