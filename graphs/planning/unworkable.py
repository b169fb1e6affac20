"""Requests that no plan can carry out as they are worded: no words, or a value that cannot be."""

from __future__ import annotations

import re
from typing import Final

_SIZING: Final = r"(?:up|down)?(?:scal|siz|enlarg|zoom|magnif|blow|shrink|reduc)\w*"
_BELOW: Final = re.compile(
    rf"\b(?:re)?{_SIZING}\b[^.;!?]{{0,40}}?\b(?:by|to|at|x|times|factor of)?\s*"
    r"(?P<value>(?<!\d)(?:-|[−–](?=\d)|minus )\s?\d[\d.]*)",
    re.I,
)
_NOTHING: Final = re.compile(
    rf"\b(?:re)?{_SIZING}\b[^.;!?\d]{{0,40}}(?P<value>0(?:\.0+)?)"
    r"(?= ?(?:x|×|by|%|percent|times|px|pixels|$|[.,;!?](?!\d)))",
    re.I,
)


def unworkable(request: str) -> str:
    """Why a request cannot be carried out, ``""`` where nothing is known against it.

    Example:
        >>> unworkable("upscale it by -2")
        'nothing can be scaled by -2'
    """
    words = re.findall(r"[^\W\d_]+", request)
    if all(len(word) > 3 and len(set(word.casefold())) == 1 for word in words):
        return "there are no words in it that say what is wanted"
    match = _BELOW.search(request) or _NOTHING.search(request)
    return f"nothing can be scaled by {re.sub('^(minus |[−–-] ?)', '-', match['value'])}" if match else ""
