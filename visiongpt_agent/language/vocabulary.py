"""What words mean to a detector that knows 80 classes.

:func:`read_query` takes a query apart (``two red buses, vase on the left``) into nouns, their attributes and places;
:func:`understand` says for each noun which classes stand for it: the very same thing (``sofa``: couch), a wider class
(``puppy``: dog, among which the detector cannot tell puppies), a part of what is meant (``vehicle``: cars, buses, ...),
or none. :func:`is_stuff` tells what has no shape of its own (sky, grass). The words are curated in ``data/words.txt``.

Sentence embeddings have no say in it: they tell what words have to do with each other, not whether one is a kind of the
other. Of the 21,000 words of its own vocabulary, the 37 that all-MiniLM-L6-v2 puts nearest to a class (cosine of at
least 0.74, 0.12 ahead of the next class) and that the list does not know are nearly all wrong: airline and airplane,
restroom and toilet, dining and dining table, railway and train.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Final

from visiongpt_agent.language.english import join, plural, singular, split_head
from visiongpt_agent.language.lexicon import CARDINALS, DETERMINERS, PICTURE, SHOTS, one_of

COCO: Final[tuple[str, ...]] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
"""The classes of COCO (Lin et al., 2014), in the order in which detectors number them."""


class Fit(StrEnum):
    """How well classes stand for a word."""

    SAME = "same"
    """The class is what is meant: couch for sofa, motorcycle or bicycle for bike."""
    WIDER = "wider"
    """What is meant is one kind of the class: dog for puppy."""
    NARROWER = "narrower"
    """The classes are some kinds of what is meant: car, bus, ... for vehicle."""
    NONE = "none"
    """No class stands for it."""


@dataclass(frozen=True)
class Noun:
    """One thing that a query asks for.

    Attributes:
        asked: The phrase without articles and numbers: ``red buses``.
        name: Its head noun in the singular: ``bus``.
        phrase: The same without a place: ``red bus on the left`` is a ``red bus``.
        attribute: What it says beyond noun and place: ``red``, ``in the striped shirt``; ``""`` for nothing.
        place: Which of several: ``left``, ``right``, ``top``, ``bottom``, ``middle``, ``largest``, ``smallest``; or
            ``""``.
        many: Whether the phrase is in the plural.
        classes: The classes that stand for it; empty where none does.
        fit: How they do.
    """

    asked: str
    name: str
    phrase: str = ""
    attribute: str = ""
    place: str = ""
    many: bool = False
    classes: tuple[str, ...] = ()
    fit: Fit = Fit.NONE

    def label(self, found: str) -> str:
        """What a detection of class ``found`` may truly be called: the asked noun, or the class where it is wider."""
        return found if self.fit is Fit.WIDER else self.name


# ------------------------------------------------------------------------------------------------- taking it apart

_PLACES: Final[Mapping[str, str]] = {
    **{"left": "left", "leftmost": "left", "left-most": "left", "right": "right", "rightmost": "right"},
    **{"right-most": "right", "top": "top", "topmost": "top", "upper": "top", "bottom": "bottom", "lower": "bottom"},
    **{"middle": "middle", "central": "middle", "centre": "middle", "center": "middle"},
    **{"biggest": "largest", "largest": "largest", "smallest": "smallest"},
}
_SKIPPED: Final = frozenset(
    {
        *DETERMINERS,
        *CARDINALS,
        *("some", "several", "many"),
    }
)
_QUANTITY: Final = re.compile(
    r"^(?:pair|couple|piece|group|bunch|crowd|herd|flock|row|stack|pile|number|pack|set|line|team)s? of (?!the |a |an )"
)
_ENDINGS: Final = re.compile(rf"\s+(?:in|on|of|from)\s+(?:the|this|that)\s+{one_of((*PICTURE, *SHOTS, 'scene'))}$")
_PLACE_ENDING: Final = re.compile(
    r"\s+(?:on|in|at|to)\s+the\s+(?:far\s+|very\s+)?(left|right|top|bottom|middle|centre|center)(?:\s+(?:side|half))?$"
)


def read_query(query: str) -> list[Noun]:
    """The things that a query asks for, in its order, each once; not yet matched with any classes.

    Example:
        >>> [(n.name, n.attribute, n.place) for n in read_query("the red buses, vase on the left")]
        [('bus', 'red', ''), ('vase', '', 'left')]
    """
    nouns = [_read_phrase(part) for part in _parts(query)]
    return list(dict.fromkeys(noun for noun in nouns if noun.name))


def _parts(query: str) -> Iterator[str]:
    for part in re.split(r"[,;\n]+", query.lower()):
        halves = re.split(r"\s+(?:and|or|&)\s+", part.strip())
        if len(halves) > 1 and all(_is_known(_read_phrase(half).name) for half in halves):
            yield from halves
        else:
            yield part.strip()


def _read_phrase(phrase: str) -> Noun:
    words = re.sub(r"[^\w\s'&-]", " ", phrase).split()
    while words and (words[0] in _SKIPPED or words[0].isdigit()):
        words = words[1:]
    asked = _QUANTITY.sub("", _ENDINGS.sub("", " ".join(words)))
    ending = _PLACE_ENDING.search(asked)
    place = _PLACES[ending[1]] if ending else ""
    bare = asked[: ending.start()] if ending else asked
    first, _, rest = bare.partition(" ")
    if not place and rest and first in _PLACES:
        place, bare = _PLACES[first], rest
    before, name, after = _find_noun(bare)
    attribute = " ".join(part for part in (before, after) if part)
    return Noun(asked, singular(name), singular(bare), attribute, place, many=singular(name) != name)


def _find_noun(phrase: str) -> tuple[str, str, str]:
    """Split a phrase into what stands before its noun, the noun (as long as the word list knows it), and the rest."""
    if _is_known(phrase):
        return "", phrase, ""
    head, tail = split_head(phrase)
    words = head.split()
    for start in range(len(words)):
        if _is_known(" ".join(words[start:])):
            return " ".join(words[:start]), " ".join(words[start:]), tail.strip()
    return "", head, tail.strip()


# --------------------------------------------------------------------------------------------------- matching words


_MEMBERSHIP: Final = {"either": Fit.SAME, "group": Fit.NARROWER, "among": Fit.WIDER}
"""How the classes of a line that begins so stand for its word."""


@cache
def _words() -> Mapping[str, tuple[tuple[str, ...], Fit]]:
    """The curated list: classes and fit by word."""
    known: dict[str, tuple[tuple[str, ...], Fit]] = {name: ((name,), Fit.SAME) for name in COCO}
    for line in _lines():
        if line.startswith(("not:", "stuff:")):
            known |= dict.fromkeys(_listed(line.partition(":")[2]), ((), Fit.NONE))
        elif line.startswith(tuple(_MEMBERSHIP)):
            kind, _, rest = line.partition(":")
            word, _, members = rest.partition("=")
            known[word.strip()] = (_listed(members), _MEMBERSHIP[kind])
        elif "=" in line:
            name, _, rest = line.partition("=")
            same, _, kinds = rest.partition("|")
            known |= dict.fromkeys(_listed(same), ((name.strip(),), Fit.SAME))
            known |= dict.fromkeys(_listed(kinds), ((name.strip(),), Fit.WIDER))
    return known


def _lines() -> list[str]:
    from importlib.resources import files

    return (files("visiongpt_agent") / "data" / "words.txt").read_text(encoding="utf-8").splitlines()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _is_known(word: str) -> bool:
    return _entry(word) is not None


def _entry(word: str) -> tuple[tuple[str, ...], Fit] | None:
    for spelling in (word, singular(word), word.replace("-", " "), word.replace(" ", "-")):
        if spelling in _words():
            return _words()[spelling]
    return None


_REPRESENTED: Final = re.compile(
    r"\b(?:toy|model|lego|paper|cardboard|origami|inflatable|stuffed|plush|rubber|gingerbread|chess|carousel|painted"
    r"|cartoon|miniature)\b"
)
_REAL_ONLY: Final = frozenset(COCO[:9] + COCO[14:24])


def understand(noun: Noun) -> Noun:
    """The noun, as :func:`read_query` read it, with the classes that stand for it."""
    entry = _entry(noun.name)
    if entry is None or (_REPRESENTED.search(noun.attribute) and set(entry[0]) & _REAL_ONLY):  # a toy car is no car
        return noun
    return replace(noun, classes=entry[0], fit=entry[1])


@cache
def _stuff() -> frozenset[str]:
    return frozenset(word for line in _lines() if line.startswith("stuff:") for word in _listed(line.partition(":")[2]))


def is_stuff(phrase: str) -> bool:
    """Whether a noun or noun phrase means stuff, which has an area but no shape that a box could hold.

    Example:
        >>> is_stuff("the blue sky"), is_stuff("beach ball")
        (True, False)
    """
    nouns = read_query(phrase)
    return len(nouns) == 1 and nouns[0].name in _stuff()


def describe_fit(noun: Noun, judged: bool = False) -> list[str]:
    """Sentences on what the classes do not tell of the noun; none where they are the very thing.

    Args:
        noun: As :func:`understand` left it.
        judged: Whether the attribute was judged by other means.

    Example:
        >>> describe_fit(understand(read_query("puppies")[0]))
        ['The detector here does not tell puppies from other dogs.']
    """
    said: list[str] = []
    if noun.name in _MEANT:
        said.append(f"By {plural(noun.name)} the detector here means {_MEANT[noun.name]}.")
    if noun.fit is Fit.NARROWER:
        known = join([plural(name) for name in noun.classes])
        said.append(f"Of all {plural(noun.name)} the detector here knows only {known}.")
    if noun.fit is Fit.WIDER or (noun.fit is not Fit.NONE and noun.attribute and not judged):
        special = plural(noun.name if judged else noun.phrase)
        others = [noun.name] if noun.fit is Fit.NARROWER else list(noun.classes)
        said.append(f"The detector here does not tell {special} from other {join([plural(o) for o in others], 'or')}.")
    return said


_MEANT: Final[Mapping[str, str]] = {"mouse": "computer mice, not the animals", "kite": "the toys, not the birds"}
