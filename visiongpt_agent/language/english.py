"""The little English that summaries need: numbers as words, plurals, lists, and where a thing is in a picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

NUMBER_WORDS: Final = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)

_IRREGULAR: Final = {
    **{"person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "goose": "geese"},
    **{"foot": "feet", "tooth": "teeth", "ox": "oxen", "die": "dice", "cactus": "cacti", "fungus": "fungi"},
    **{"knife": "knives", "wife": "wives", "life": "lives", "leaf": "leaves", "loaf": "loaves", "half": "halves"},
    **{"shelf": "shelves", "wolf": "wolves", "calf": "calves", "thief": "thieves", "elf": "elves", "scarf": "scarves"},
    **{"potato": "potatoes", "tomato": "tomatoes", "hero": "heroes", "mango": "mangoes", "mosquito": "mosquitoes"},
    **{
        "volcano": "volcanoes",
        "buffalo": "buffaloes",
        "bus": "buses",
        "axis": "axes",
        "gas": "gases",
        "quiz": "quizzes",
    },
    **{"toothbrush": "toothbrushes", "axe": "axes", "passer-by": "passers-by", "analysis": "analyses"},
}
_UNCHANGED: Final = frozenset(
    {
        *("sheep", "deer", "fish", "moose", "aircraft", "series", "species", "skis", "luggage", "furniture", "traffic"),
        *("scissors", "glasses", "sunglasses", "headphones", "jeans", "pants", "trousers", "shorts", "binoculars"),
        *("pliers", "tweezers", "stairs", "goggles", "pyjamas", "handcuffs", "broccoli", "hair", "grass", "water"),
        *("snow", "sand", "sky", "smoke", "food", "text"),
    }
)
_SINGULAR: Final = {many: one for one, many in _IRREGULAR.items()} | {
    **{"skis": "ski", "persons": "person", "axes": "axe", "bases": "base", "houses": "house", "canvases": "canvas"},
}
_NOT_COMPOUND: Final = frozenset(("human", "german", "roman", "shaman", "talisman"))
_NOT_PLURAL: Final = frozenset(("specimen", "regimen", "abdomen", "stamen", "omen", "yemen"))
_NO_PLURAL_S: Final = re.compile(
    r"(ss|us|is|^(?:gas|atlas|canvas|christmas|bias|alias|pampas|chaos|cosmos|rhinoceros|thermos|asbestos|cos))$"
)


def plural(noun: str) -> str:
    """The plural of a noun or noun phrase; of a phrase the head is changed: ``person in red`` -> ``people in red``."""
    head, tail = split_head(noun)
    before, _, word = head.rpartition(" ")
    return f"{before} {_plural_word(word)}{tail}".strip()


def singular(noun: str) -> str:
    """The singular of a noun or noun phrase; unchanged where it is one already."""
    head, tail = split_head(noun)
    before, _, word = head.rpartition(" ")
    one = "glass" if before and word == "glasses" else _singular_word(word)  # wine glasses, but sunglasses and glasses
    return f"{before} {one}{tail}".strip()


def split_head(phrase: str) -> tuple[str, str]:
    """Split a noun phrase behind its head noun: ``man in the blue shirt`` -> ``("man", " in the blue shirt")``."""
    match = _FOLLOWER.search(phrase)
    return (phrase[: match.start()], phrase[match.start() :]) if match and match.start() else (phrase, "")


_FOLLOWER: Final = re.compile(
    r"\s+(?:with|without|in|inside|on|onto|of|off|at|by|near|behind|under|above|below|beside|beneath|next|between|from"
    r"|for|to|around|across|against|over|that|who|which|whose|closest|nearest|parked"
    r"|(?:wear|hold|rid|carry|sitt|stand|ly|walk|runn|cross|look|lean|hang|driv|eat|drink|play|wav|cover|sleep|jump|smil|talk|swimm|fly|mov|fac)ing)\b"
)


def _plural_word(word: str) -> str:
    low = word.lower()
    if low in _UNCHANGED:
        return word
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    compound = re.fullmatch(r"(.+?)(woman|man|person|child|foot|tooth|knife|wife|shelf|loaf)", low)
    if compound and low not in _NOT_COMPOUND:
        return compound[1] + _IRREGULAR[compound[2]]
    if re.search(r"[^aeiou]y$", low):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", low) else "s")


def _singular_word(word: str) -> str:
    low = word.lower()
    if low in _SINGULAR:
        return _SINGULAR[low]
    if low in _UNCHANGED or _NO_PLURAL_S.search(low) or not low.endswith("s") or len(low) < 3:
        compound = re.fullmatch(r"(.+?)(women|men|people|children|feet|teeth)", low)
        return compound[1] + _SINGULAR[compound[2]] if compound and low not in _NOT_PLURAL else word
    compound = re.fullmatch(r"(.+)(knives|wives|shelves|loaves)", low)
    if compound:
        return compound[1] + _SINGULAR[compound[2]]
    if re.search(r"[^aeiou]ies$", low) and len(low) > 4:
        return word[:-3] + "y"
    return word[:-2] if re.search(r"(ss|x|zz|ch|sh|[^ao]us)es$", low) else word[:-1]


def number_word(count: int) -> str:
    """``no``, ``one``, ... ``twelve``; larger numbers as digits."""
    return NUMBER_WORDS[count] if 0 <= count < len(NUMBER_WORDS) else f"{count:,}"


def count_phrase(count: int, noun: str) -> str:
    """A count and its noun: ``count_phrase(3, "dog")`` -> ``three dogs``, ``count_phrase(0, "bus")`` -> ``no bus``."""
    return f"{number_word(count)} {noun if count <= 1 else plural(noun)}"


def read_counts(text: str, nouns: Iterable[str]) -> dict[str, int]:
    """How many of which things the sentence of a text that begins with "There is" or "There are" says there are.

    Args:
        text: Sentences.
        nouns: The names that things may have, in the singular; a number of anything else is read as that of ``""``.

    Example:
        >>> read_counts("There are three dogs and one red cup, one of them broken. I saw no cat.", ["red cup", "dog"])
        {'dog': 3, 'red cup': 1}
    """
    names = sorted(nouns, key=len, reverse=True)
    for place, name in enumerate(names):
        text = re.sub(rf"(?<!\w)(?:{re.escape(plural(name))}|{re.escape(name)})(?!\w)", f"<{place}>", text)
    said = re.search(r"There (?:is|are) (.*?)(?:\. |\.?$)", text)
    counts: dict[str, int] = {}
    for number, noun in re.findall(rf"\b({_NUMBERS}) (\S+)", said[1] if said else ""):
        known = re.match(r"<(\d+)>", noun)
        if known or noun not in _AFTER_A_BARE_NUMBER:
            name = names[int(known[1])] if known else ""
            counts[name] = counts.get(name, 0) + read_number(number)
    return counts


def read_number(words: str) -> int:
    """The number that :func:`number_word` writes so."""
    return NUMBER_WORDS.index(words) if words in NUMBER_WORDS else int(words.replace(",", ""))


def read_places(text: str) -> list[str]:
    """The places in the picture that a text names, as :func:`place_of` does.

    Example:
        >>> read_places("There are two cups, one on the left and one in the upper right of the picture.")
        ['on the left', 'in the upper right']
    """
    return re.findall(r"\b((?:in|on|at) the [a-z ]+?)(?= of the picture| and |, )", text)


_NUMBERS: Final = "|".join([*NUMBER_WORDS, r"\d[\d,]*"])
_AFTER_A_BARE_NUMBER: Final = ("in", "on", "at", "of")


def a_(noun: str) -> str:
    """The noun with its indefinite article: ``a cup``, ``an apple``, ``an umbrella``, ``a unicorn``."""
    vowel = re.match(r"[aeiou]", noun.lower()) and not re.match(r"(uni|use|usb|eu|one)", noun.lower())
    return f"{'an' if vowel or re.match(r'(hour|honest)', noun.lower()) else 'a'} {noun}"


def join(parts: Sequence[str], last: str = "and") -> str:
    """A list in words: ``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def place_of(box: Sequence[float], size: tuple[int, int]) -> str:
    """Where a box's centre is, in thirds of the picture.

    Args:
        box: ``x1, y1, x2, y2`` in pixels.
        size: ``(width, height)`` of the picture.

    Returns:
        One of ``on the left``, ``on the right``, ``at the top``, ``at the bottom``, ``in the middle``,
        ``in the upper left``, ``in the upper right``, ``in the lower left`` and ``in the lower right``.
    """
    across = _third((float(box[0]) + float(box[2])) / 2, size[0])
    down = _third((float(box[1]) + float(box[3])) / 2, size[1])
    if across == 1:
        return ("at the top", "in the middle", "at the bottom")[down]
    side = "left" if across == 0 else "right"
    return f"on the {side}" if down == 1 else f"in the {'upper' if down == 0 else 'lower'} {side}"


def _third(position: float, length: int) -> int:
    return min(2, max(0, int(3 * position / length)))
