"""Words by class, one a line in ``words/*.txt``: what may stand where an example says that its word may be exchanged.

Rare words and made-up ones matter as much as common ones: they teach the model to copy what the request says.
"""

from __future__ import annotations

import random
from functools import cache
from importlib.resources import files
from typing import Final

CLASSES: Final = ("thing", "stuff", "person", "animal", "colour", "style", "scene", "content", "edit", "label")
"""``thing`` is countable, ``stuff`` is not; ``scene`` is a place or background, ``content`` what a picture shows,
``edit`` a whole instruction, ``label`` a category to choose among."""

_ATTRIBUTES: Final = (
    *("old", "new", "small", "big", "broken", "rusty", "wooden", "striped", "empty", "round", "tall", "dented"),
    *("dusty", "folded", "half-hidden", "leaning", "spare", "plastic", "leather", "tiny", "upper", "rear", "loose"),
)
_ONSETS: Final = (
    *("b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "k", "l", "m"),
    *("n", "p", "pl", "qu", "r", "s", "sk", "sp", "st", "t", "tr", "th", "v", "w", "z"),
)
_VOWELS: Final = ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ou")
_CODAS: Final = ("n", "l", "r", "m", "t", "k", "nd", "rk", "lt", "mp", "nt", "p", "b", "g", "rd", "ck")
_MADE_UP: Final = 0.06
_ATTRIBUTED: Final = {"thing": 0.16, "person": 0.08, "animal": 0.08}


@cache
def words(kind: str) -> tuple[str, ...]:
    """The words of a class."""
    text = (files(__package__) / "words" / f"{kind}.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def draw_word(kind: str, rng: random.Random) -> str:
    """A word of a class; of things, animals and people some with an attribute, and some that nobody ever heard of."""
    if kind in _ATTRIBUTED and rng.random() < _MADE_UP:
        return made_up_word(rng)
    if kind == "thing" and rng.random() < 0.12:
        kind = rng.choice(("animal", "person", "thing"))
    word = rng.choice(words(kind))
    if rng.random() < _ATTRIBUTED.get(kind, 0.0):
        attribute = rng.choice(_ATTRIBUTES) if kind == "thing" else rng.choice(("old", "young", "tall", "small"))
        return f"{rng.choice(words('colour')) if kind == 'thing' and rng.random() < 0.4 else attribute} {word}"
    return word


def made_up_word(rng: random.Random) -> str:
    """A word that looks English and is not: ``brondel``, ``keftin pralk``."""
    syllables = (rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 1, 2, 2, 3))))
    one = "".join(syllables) + rng.choice(_CODAS)
    return one if rng.random() < 0.8 else f"{one} {made_up_word(rng)}"
