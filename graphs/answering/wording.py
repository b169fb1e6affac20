"""Sentences read closely enough to tell whether one says no more than another.

A sentence is cut at commas and conjunctions into *parts*. Of each part remain the words that carry meaning (lemmas),
the quantities and what they count, quotations, names of images, prepositions with what follows them, and the marks of
negation, exception and doubt. Nothing here understands English: words that are not on the short lists of function words
are taken to carry meaning, so that an unknown word is never waved through.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from visiongpt_agent.language.english import singular
from visiongpt_agent.language.lexicon import ARTICLES, CARDINALS, ORDINALS, PICTURE, POINTING, POSSESSIVES, TENS


@dataclass(frozen=True)
class Word:
    """A word that carries meaning: its lemma, and whether it stood in the plural."""

    lemma: str
    many: bool


@dataclass
class Part:
    """A stretch of a sentence that has one thing to say.

    Attributes:
        words: In their order.
        quantities: Numbers and words of quantity in one spelling: ``2``, ``43%``, ``640x480``, ``several``, ``first``.
        counted: Pairs of a quantity and the lemmas that follow it: what it may be said to count.
        bound: Pairs of a quantity and the one word next to it.
        quotes: What stands in quotation marks.
        names: Image references and file names.
        links: Pairs of a preposition and the lemma or quantity that follows it.
        marks: One for each negation, exception and doubt: ``no``, ``but``, ``may``, ``likely``.
        verbs: The lemmas among ``words`` that are verbs.
        has_verb: Whether there is any verb, ``is`` and ``see`` included.
        opens: Whether it opens with an article or a quantity, as a new thing does.
        refers: Whether a pronoun refers back to something said before.
    """

    words: list[Word] = field(default_factory=list)
    quantities: list[str] = field(default_factory=list)
    counted: set[tuple[str, str]] = field(default_factory=set)
    bound: list[tuple[str, str]] = field(default_factory=list)
    quotes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    has_verb: bool = False
    opens: bool = False
    refers: bool = False

    @property
    def says(self) -> bool:
        """Whether it says anything at all."""
        return bool(self.words or self.quantities or self.quotes or self.names or self.links or self.marks)

    @property
    def lemmas(self) -> list[str]:
        return [word.lemma for word in self.words]


# --------------------------------------------------------------------------------------------------------- the lists


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ARTICLES: Final = frozenset((*ARTICLES, *POINTING, *POSSESSIVES))
_PRONOUNS: Final = _set("it its they them their theirs he she him his her hers which who whom whose this these those")
_BE: Final = _set("is are was were be been being am has have had having does do did")
_SEEING: Final = _set(
    "make see find spot detect show contain include identify notice count depict feature display locate"
)
_FUNCTION: Final = (
    _ARTICLES
    | _PRONOUNS
    | _BE
    | _SEEING
    | _set("of in on at for as i me my we us our you your there here now also too where what visible total side time")
)
_VERBS: Final = _set(
    "turn flip resize crop blur remove replace change raise lower paint enlarge outline cutout put keep read say fit"
)
_IRREGULAR: Final = {
    **{"found": "find", "seen": "see", "saw": "see", "shown": "show", "made": "make", "kept": "keep", "took": "take"},
    **{"taken": "take", "said": "say", "says": "say", "gave": "give", "given": "give", "told": "tell", "held": "hold"},
    **{"does": "do", "has": "have", "drew": "draw", "drawn": "draw", "lay": "lie", "stood": "stand", "sat": "sit"},
}
_SAME: Final = {
    **dict.fromkeys(PICTURE, "picture"),
    **{"rotate": "turn", "mirror": "flip", "upscale": "enlarge", "magnify": "enlarge", "erase": "remove"},
    **{"delete": "remove", "trace": "outline", "segment": "outline", "increase": "raise", "boost": "raise"},
    **{"decrease": "lower", "reduce": "lower", "trim": "crop", "colour": "color", "recolour": "recolor"},
    **{"centre": "middle", "center": "middle", "grey": "gray", "px": "pixel", "repaint": "paint", "rescale": "resize"},
    **{"grayscale": "blackwhite", "greyscale": "blackwhite", "monochrome": "blackwhite"},
}
_PLACES: Final = _set("left right top bottom middle upper lower clockwise picture")
_NEGATIONS: Final = _set("no not never none nothing neither nor without nobody nowhere cannot zero lack lacking absent")
_DOUBTS: Final = {
    **dict.fromkeys(_set("may might could can perhaps maybe possibly would should seem appear potentially"), "may"),
    **dict.fromkeys(_set("likely probably presumably apparently"), "likely"),
}
_LINKS: Final = _set(
    "than from to with by behind before after under over above below beside near between against into onto through"
    " across around instead via per infront without"
)
_SEPARATORS: Final = _set("and or but while whereas then plus")
_QUANTITIES: Final = {
    **{word: str(number) for number, word in enumerate(CARDINALS, 1)},
    **{tens: str(10 * i) for i, tens in enumerate(TENS, 2)},
    **{f"{ten}-{unit}": str(10 * i + j) for i, ten in enumerate(TENS, 2) for j, unit in enumerate(CARDINALS[:9], 1)},
    **{word: word for word in ORDINALS},
    **{"dozen": "12", "pair": "2", "couple": "2", "both": "2", "twice": "2", "double": "2", "duo": "2", "trio": "3"},
    **{"triple": "3", "thrice": "3", "single": "1", "sole": "1", "lone": "1", "once": "1", "everything": "all"},
    **{"every": "all", "everyone": "all"},
    **{
        word: word
        for word in _set(
            "hundred thousand million billion dozens hundreds thousands half third quarter several some many few"
            " multiple numerous various most all each another more less fewer additional extra lot lots plenty majority"
            " countless handful bunch quadruple last next"
        )
    },
}

# ------------------------------------------------------------------------------------------------------ reading text

_QUOTED: Final = re.compile(r'"([^"]*)"|“([^”]*)”|«([^»]*)»|(?<!\w)[\'‘]([^\'’]{2,})[\'’](?!\w)')
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\s]+|(?<=[.!?]\")\s+|\n+")
_TOKEN: Final = re.compile(
    r"\x00\d+\x00|\x01\d+\x01"  # a quotation, a known name
    r"|[$#]\w+"
    r"|[-−]?\d[\d,]*(?:\.\d+)?(?:\s?[x×]\s?\d[\d,]*)?(?:\s?%|\s?percent\b|°|(?:st|nd|rd|th|x)\b)?"
    r"|[^\s.,;:()!?–—-]+(?:[.][^\s.,;:()!?]+)+"
    r"|[^\W\d_]+(?:[-'’][^\W\d_]+)*"
    r"|[^\s]"
)
_IN_PICTURE: Final = re.compile(
    r"\b(?:in|of|on|within|from) (?:the|your|this|my) (?:whole )?(?:picture|image|photo|photograph)\b"
    r"|\b(?:the|your|this) (?:picture|image|photo|photograph) (?=(?:shows|contains|has|includes|depicts|features)\b)",
    re.I,
)
_COMPOUNDS: Final = (
    (re.compile(r"\bblack[- ]and[- ]white\b", re.I), "blackwhite"),
    (re.compile(r"\bcut[- ]out\b", re.I), "cutout"),
    (re.compile(r"\bin front of\b", re.I), "infront"),
    (re.compile(r"\b(?:you|i|we) can (?:now )?(?=(?:see|find|spot)\b)", re.I), "you "),
    (re.compile(r"\bmost likely\b", re.I), "likely"),
    (
        re.compile(r"\b(everything|everyone|all|anything|nothing) (?:but|except for|except|apart from)\b", re.I),
        "\\1 \x02",
    ),
    (re.compile(r"\b(?:except for|except|apart from|other than|aside from|excluding)\b", re.I), "\x02"),
    (re.compile(r"\b(\w+)n['’]t\b", re.I), r"\1 not"),
    (re.compile(r"\b(there|it|that|here)['’]s\b", re.I), r"\1 is"),
    (re.compile(r"(\w)['’](?:s|re|ve|m)\b", re.I), r"\1"),
    (re.compile(r"(\d)°"), r"\1 degrees"),
)
_PLAIN: Final = frozenset(" \t\n.,;:'’()%$°×–—!-?\x00\x01\x02")


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on its own; marks of lists and of emphasis are taken off."""
    hidden, quotes = _hide_quotes(re.sub(r"(?m)^\s*[-*•]\s+|\*\*|__", "", text))
    found = [part.strip() for part in _SENTENCE_END.split(hidden)]
    return [re.sub(r"\x00(\d+)\x00", lambda m: quotes[int(m[1])][0], part) for part in found if part]


def read_parts(sentence: str, names: Collection[str] = ()) -> list[Part] | None:
    """What a sentence says, part by part.

    Args:
        sentence: One sentence.
        names: File names that may stand in it.

    Returns:
        Its parts; None where it holds what no plain sentence holds: a question, a link, markup, an emoji.
    """
    known = sorted(names, key=len, reverse=True)
    for index, name in enumerate(known):
        sentence = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w])", f"\x01{index}\x01", sentence)
    hidden, quotes = _hide_quotes(sentence)
    if hidden.rstrip().endswith("?") or not all(c.isalpha() or c in _PLAIN or c in "0123456789" for c in hidden):
        return None
    hidden = _IN_PICTURE.sub(" ", hidden)
    for pattern, replacement in _COMPOUNDS:
        hidden = pattern.sub(replacement, hidden)
    said = {f"\x00{i}\x00": text for i, (_, text) in enumerate(quotes)}
    named = {f"\x01{i}\x01": name for i, name in enumerate(known)}
    return [_read(tokens, said, named) for tokens in _cut(hidden)]


def _hide_quotes(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text with a placeholder for each quotation, and the quotations with and without their marks."""
    quotes: list[tuple[str, str]] = []

    def hide(match: re.Match[str]) -> str:
        inner = next(group for group in match.groups() if group is not None)
        quotes.append((match[0], " ".join(inner.split())))
        return f"\x00{len(quotes) - 1}\x00" + ("." if inner.rstrip().endswith(".") and match.end() == len(text) else "")

    return _QUOTED.sub(hide, text), quotes


def _cut(text: str) -> Iterator[list[str]]:
    part: list[str] = []
    for token in _TOKEN.findall(text):
        if token in ",;:–—-" or token.lower() in _SEPARATORS:
            if part:
                yield part
            part = []
        elif token not in ".()!?'’":
            part.append(token)
    if part:
        yield part


def _read(tokens: list[str], quotes: dict[str, str], names: dict[str, str]) -> Part:
    part = Part(opens=bool(tokens) and (tokens[0].lower() in _ARTICLES or _quantity(tokens[0]) is not None))
    open_quantities: list[str] = []
    unbound: list[str] = []
    links: list[str] = []
    for token in tokens:
        low = token.lower()
        quantity = _quantity(token)
        if token in quotes:
            part.quotes.append(quotes[token])
            _close(part, links, f'"{quotes[token]}"')
        elif token in names or token[0] in "$#" or ("." in token[1:] and not token[0].isdigit() and token[0] != "-"):
            part.names.append(names.get(token, token))
        elif token == "\x02":
            part.marks.append("but")
            open_quantities.clear()
        elif quantity is not None:
            part.quantities.append(quantity)
            open_quantities.append(quantity)
            unbound.append(quantity)
        elif low in _NEGATIONS:
            part.marks.append("no")
            if low == "without":
                links.append(low)
        elif _stem(low) in _DOUBT_STEMS:
            part.marks.append(_DOUBT_STEMS[_stem(low)])
        elif low in _LINKS:
            links.append(low)
            open_quantities.clear()
        elif low in _FUNCTION or _stem(low) in _FUNCTION_STEMS:
            part.has_verb |= low in _BE or _stem(low) in _SEEING_STEMS
            part.refers |= low in _PRONOUN_SUBJECTS
        else:
            _add_word(part, low, open_quantities, unbound, links)
    _close(part, links, part.quantities[-1] if part.quantities else "")
    for quantity in unbound:
        if part.words and part.words[-1].lemma not in _PLACE_STEMS:
            part.bound.append((quantity, part.words[-1].lemma))
    return part


def _add_word(part: Part, low: str, open_quantities: list[str], unbound: list[str], links: list[str]) -> None:
    lemma = _lemma(low)
    verb = lemma in _VERB_STEMS or low in _IRREGULAR or low.endswith("ed")
    part.words.append(Word(lemma, singular(low) != low))
    part.has_verb |= verb
    if verb:
        part.verbs.append(lemma)
    part.counted |= {(quantity, lemma) for quantity in open_quantities}
    part.bound += [(quantity, lemma) for quantity in unbound if not verb]
    if not verb:
        unbound.clear()
    _close(part, links, lemma)


def _close(part: Part, links: list[str], lemma: str) -> None:
    part.links += [(link, lemma) for link in links if not (link == "by" and (not lemma or lemma in ("degre", "pixel")))]
    links.clear()


def _quantity(token: str) -> str | None:
    if token[0].isdigit() or (token[0] in "-−" and token[1:2].isdigit()):
        plain = re.sub(r"[\s,]", "", token.lower()).replace("×", "x").replace("−", "-").replace("percent", "%")
        plain = plain[:-1] if plain.endswith("x") else plain
        return re.sub(r"^(-?\d+)\.0+(?=\D|$)", r"\1", plain)
    return _QUANTITIES.get(token.lower())


def _stem(word: str) -> str:
    """One form for the singular and plural of a noun, and for the present and past of a regular verb.

    It is no English word (``remov``, ``fac``): it is only ever compared. Forms in -ing stay apart, since a painting is
    not what was painted.
    """
    word = _IRREGULAR.get(word, word)
    one = singular(word)
    if one.endswith("ed") and len(one) > 4 and not one.endswith("eed"):
        one = one[:-2]
    one = one.removesuffix("e")
    one = one[:-1] if len(one) > 2 and one[-1] == one[-2] else one
    return f"{one[:-1]}y" if one.endswith("i") and len(one) > 3 else one


def _lemma(word: str) -> str:
    stem = _stem(word)
    return _SAME_STEMS.get(stem, stem)


def _stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset(_stem(word) for word in words)


_SAME_STEMS: Final = {_stem(word): _stem(other) for word, other in _SAME.items()}
_FUNCTION_STEMS: Final = _stems(_FUNCTION)
_SEEING_STEMS: Final = _stems(_SEEING)
_VERB_STEMS: Final = _stems(_VERBS)
_PLACE_STEMS: Final = _stems(_PLACES)
_DOUBT_STEMS: Final = {_stem(word): kind for word, kind in _DOUBTS.items()}
_PRONOUN_SUBJECTS: Final = _PRONOUNS - _ARTICLES
PICTURE_LEMMA: Final = _stem("picture")


def is_place(lemma: str) -> bool:
    """Whether a word only says where in a picture something is, or which way it turns."""
    return lemma in _PLACE_STEMS
