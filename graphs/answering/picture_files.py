"""What is known of pictures as files, without looking at them: size in pixels, and the format that a name says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from visiongpt_agent.graphs.state import ImageEntry

_FORMATS: Final = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "tiff": "TIFF"}


def describe_files(request: str, images: Sequence[ImageEntry]) -> str:
    """A sentence for each picture that the request names as ``$k``, or for all that the person gave."""
    named = {int(number) for number in re.findall(r"\$(\d+)", request)}
    meant = [entry for k, entry in enumerate(images, 1) if (k in named if named else entry["origin"] == "user")]
    return " ".join(map(_describe, meant or images))


def _describe(entry: ImageEntry) -> str:
    size = f"{entry['title']} is {entry['width']} pixels wide and {entry['height']} pixels high"
    suffix = entry["title"].rpartition(".")[2].casefold() if "." in entry["title"] else ""
    return f"{size}; its name says {_FORMATS.get(suffix, suffix.upper())}." if suffix else f"{size}."
