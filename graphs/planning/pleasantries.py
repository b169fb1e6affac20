"""Greetings and thanks, which no model needs to be asked about: a small one may take "Hello!" for a wish."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.language.lexicon import DAYTIMES, FAREWELLS, GREETINGS, PRAISE, THANKS

_CORE: Final = frozenset((*GREETINGS, *THANKS, *FAREWELLS))
_BESIDE: Final = frozenset(
    {
        *("good", "guten", "there", "again", "everyone", "everybody", "all", "folks", "friend", "mate", "dear", "to"),
        *("you", "so", "very", "much", "many", "a", "an", "lot", "bunch", "million", "oh", "ok", "okay", "well", "and"),
        *PRAISE,
        *(
            "that",
            "that's",
            "is",
            "for",
            "now",
            "your",
            "help",
            "schön",
            "vielen",
            "muchas",
            "beaucoup",
            "be",
            "will",
            "it",
        ),
    }
)


def is_pleasantry(request: str) -> bool:
    """Whether a request is nothing but a greeting, a farewell or thanks: ``Good morning!``, ``ok thanks a lot``.

    ``morning`` or ``evening`` alone may well be meant for the picture and is none.
    """
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", request.casefold().replace("’", "'"))
    left = [word for word in words if word not in _BESIDE]
    if not left or re.search(r"[\d$#]", request):
        return False
    greeted = {"good", "guten"} & set(words) or "!" in request
    return all(word in _CORE or (word in DAYTIMES and greeted) for word in left) and len(words) <= 10
