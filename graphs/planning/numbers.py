"""Numbers as a person writes them, brought into the digits that plans are written in."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.language.lexicon import CARDINALS, TENS, one_of

_GROUPED: Final = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]*\d)")
"""``1,920`` and ``1,500,000``; not ``1,2`` or a list such as ``10,200,3``."""
_UNIT: Final = r"(?=[ -](?:degrees?|percent|per cent|pixels?|px|times)\b)"
_SPELLED: Final = re.compile(
    rf"\b(?:(?:(an?|{one_of(CARDINALS)}) )?(hundred)(?: and)?[ ]?)?(?:{one_of(TENS)}[ -]{one_of(CARDINALS[:9])}"
    rf"|{one_of((*TENS, *CARDINALS))})?\b{_UNIT}",
    re.I,
)


def in_digits(request: str) -> str:
    """The request with grouped digits joined, and spelled-out numbers before a unit as digits.

    Example:
        >>> in_digits("resize it to 1,920 by 1,080, then turn it a hundred and eighty degrees")
        'resize it to 1920 by 1080, then turn it 180 degrees'
    """
    joined = _GROUPED.sub(lambda match: match[0].replace(",", ""), request)
    return _SPELLED.sub(lambda match: str(_value(match[0])) if _value(match[0]) > 9 else match[0], joined)


def _value(spelled: str) -> int:
    """The value of words such as ``a hundred and forty-five``; 0 of none."""
    total = 0
    for word in re.findall(r"[a-z]+", spelled.casefold()):
        if word == "hundred":
            total = max(total, 1) * 100
        elif word in TENS:
            total += (TENS.index(word) + 2) * 10
        elif word in CARDINALS:
            total += CARDINALS.index(word) + 1
    return total
