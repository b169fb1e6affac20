"""Images that a request names by number and that are not there: no other image may be taken in their place."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.language.lexicon import CARDINALS, ORDINALS, PICTURE, one_of

_NOUN: Final = one_of((*PICTURE, "shot", "scan", "upload", "attachment"))
_ORDINAL: Final = rf"(?:{one_of(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))"
_CARDINAL: Final = one_of(CARDINALS)
_BY_ORDINAL: Final = re.compile(
    rf"(?:\bthe |^|[.!?:;] |\b(?:in|on|of|from|for) )({_ORDINAL}(?:(?:, | and | or |, and |/){_ORDINAL})*) {_NOUN}s?\b"
    r"(?! (?:from the (?:left|right|top|bottom)|on the wall|in the row|frame|book|album|hook))"
)
_BY_NUMBER: Final = re.compile(
    rf"\b{_NOUN} (?:number |numero |no\.? ?|nr\.? ?|# ?)(\d{{1,2}}|{_CARDINAL})\b"
    rf"|(?<=\w ){_NOUN} (\d|1\d|{_CARDINAL})\b(?! (?:[a-z]{{3,}}s|degrees?|clockwise|percent)\b|[°%.,]\d?)"
)


def missing_image(request: str, images: int) -> str:
    """The first image that a request names and that is not there: ``"fifth"``, ``"12th"``; ``""`` where all are.

    Only what can be meant in no other way counts: ``the third picture``, ``photo number 4``, ``in image 3``; not
    ``the third one``, nor ``the third picture from the left``, which may hang on a wall.

    Args:
        request: The person's words.
        images: How many images there are in the conversation, of any origin; with none at all nothing is missed.
    """
    return next((_spoken(number) for number in sorted(named_numbers(request)) if number > images), "") if images else ""


def named_numbers(request: str) -> set[int]:
    """The numbers of the images that a request names: ``the third picture``, ``photo number 4``."""
    said = " ".join(request.casefold().split())
    numbers = {_number(word) for match in _BY_ORDINAL.finditer(said) for word in re.findall(_ORDINAL, match[1])}
    return numbers | {_number(next(filter(None, match.groups()))) for match in _BY_NUMBER.finditer(said)}


def _number(word: str) -> int:
    for names in (ORDINALS, CARDINALS):
        if word in names:
            return names.index(word) + 1
    return int(re.sub(r"\D", "", word))


def _spoken(number: int) -> str:
    if number <= len(ORDINALS):
        return ORDINALS[number - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number not in (11, 12, 13) else "th"
    return f"{number}{ending}"
