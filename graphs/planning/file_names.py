"""File names in a request that are those of its images: they say which image is meant, and nothing of what it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_NAMED: Final = re.compile(r"\$(\d+) user (.+) \d+x\d+")


def without_paths(request: str, images: Sequence[str]) -> str:
    """The request with paths and file names of its images replaced: by ``the picture``, or by ``$k`` of several.

    Args:
        request: The person's words.
        images: The images as a planner reads them, e.g. ``$1 user x.png 640x480``.

    Example:
        >>> without_paths("segment the objects in resources/x.png", ["$1 user x.png 640x480"])
        'segment the objects in the picture'
    """
    for line in images:
        named = _NAMED.fullmatch(line)
        if named and "." in named[2]:
            name = "the picture" if len(images) == 1 else f"${named[1]}"
            path = rf"(?:[\w.~:-]*[/\\])+{re.escape(named[2])}(?!\w|\.\w)"
            request = re.sub(rf"(?:\b(?:the )?{_NOUNS} )?[\"'‘“]?(?<!\w){path}[\"'’”]?", name, request, flags=re.I)
    return request


_NOUNS: Final = r"(?:file|image|picture|photo)"
