"""Edits of the whole picture that a request asks for, read from its words.

An edit is asked for by its direction and its amount: "twice as bright" asks for a factor of 2, "a bit darker" for one
between 0.4 and 1, "turn it left" for 270 degrees clockwise. What cannot be read for certain asks for nothing: a gap
that is told where there is none is worse than one more that is missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from visiongpt_agent.language.lexicon import CARDINALS, DETERMINERS, PICTURE, one_of
from visiongpt_agent.pictures.framing import aspect_ratio

_NEAR: Final = 0.1
"""How far a factor may be from the one that was asked for, as a share of it."""
_SLIGHT: Final = 0.6
"""The most that "a bit" changes a property by."""

Move = tuple[int, bool]
"""Quarter turns clockwise, and whether the picture is then mirrored left to right."""


@dataclass(frozen=True)
class Among:
    """Values that meet a wish: certain ones, or a range.

    Attributes:
        kind: The property, as :class:`~visiongpt_agent.graphs.answering.edits.Edit` names it.
        values: The values, where they are certain ones.
        low: The least value of a range.
        high: The greatest.
    """

    kind: str
    values: tuple[float | str, ...] = ()
    low: float = inf
    high: float = -inf

    def holds(self, value: float | str) -> bool:
        return value in self.values or (not isinstance(value, str) and self.low <= value <= self.high)


@dataclass(frozen=True)
class WantedEdit:
    """A change of the whole picture, or of a part of it, that a request asks for.

    Attributes:
        start: Where in the request the words begin.
        words: The words.
        action: What was to be done, as it follows "I did not": ``turn the picture 90 degrees clockwise``.
        allowed: The values that meet it, for each property that may.
        move: What it does to the picture's frame; None where it moves nothing, or is not clear.
        of_part: Whether it is wanted for a part of the picture only.
    """

    start: int
    words: str
    action: str
    allowed: tuple[Among, ...]
    move: Move | None = None
    of_part: bool = False

    def is_met_by(self, kind: str, value: float | str) -> bool:
        return any(among.kind == kind and among.holds(value) for among in self.allowed)

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(among.kind for among in self.allowed)


# ------------------------------------------------------------------------------------------------------------- clauses

_CLAUSE_ENDS: Final = re.compile(
    r"[,;!?]|\.(?!\d)|\b(?:and )?then\b|\b(?:and|plus|after that|afterwards|next|finally|but|before|after|while)\b"
)
_WHOLE: Final = (
    rf"(?:it|this|that|them|everything|both|all(?: of them)?|(?:all |the |these |those )?{one_of(CARDINALS)}"
    rf"(?: of them)?|(?:{one_of(DETERMINERS)} )?(?:whole |entire )?{one_of(PICTURE, plural=True)})"
)
_THE_WORD: Final = one_of(DETERMINERS)
_STATE: Final = re.compile(r"^\W*(?:is|are|was|were|which|what|who|whose|why|does|did|has|how (?:many|much))\b", re.I)
"""What a question on how the picture is begins with."""
_PART: Final = re.compile(
    r"\b(?:only the|just the|everything (?:but|except|behind|around|else)|all but|behind|around (?:the|her|him|it)"
    r"|the (?:background|backdrop|foreground|rest|others?))\b",
    re.I,
)
"""What says that a part of the picture is meant, not the whole of it."""


def edits_wanted(request: str, is_wished: Callable[[str, int], bool]) -> list[WantedEdit]:
    """The edits of the picture that a request asks for, in its order.

    Args:
        request: The person's words on one line, apostrophes straight.
        is_wished: Whether the words at a place of the request are a wish, not a refusal or a story.
    """
    text = _prepared(request)
    wanted: list[WantedEdit] = []
    flips = False
    for start, clause in _clauses(text):
        sentence = re.split(r"[.!;]\s", text[: start + len(clause)])[-1]
        if _STATE.match(sentence) and "?" in text[start:]:
            continue
        axis = flips and re.match(rf"\W*(?:also )?{_AXIS}\W*$", clause, re.I)
        whole = f"flip {clause}" if axis else clause  # "flip it horizontally and vertically"
        edits = [edit for read in _READERS for edit in read(start, whole)]
        flips = any("flip" in edit.kinds for edit in edits)
        wanted += [edit for edit in edits if axis or is_wished(text, edit.start)]
    return wanted


def _prepared(request: str) -> str:
    """The request with what belongs together in one word, and wishes for a state ("I want it flipped") as commands."""
    text = re.sub(r"\bblack (?:and|n|'n'|&) white\b", "blackwhite", request, flags=re.I)
    text = re.sub(r"\b(left|right|top|bottom) and (left|right|top|bottom)\b", r"\1-\2", text, flags=re.I)
    return re.sub(
        r"\b(?:want|need|like|get|have|should be|must be|love)\b[^.;!?]*",
        lambda match: _PARTICIPLES.sub(lambda verb: _COMMANDS[verb[0].lower()], match[0]),
        text,
        flags=re.I,
    )


_COMMANDS: Final = {"flipped": "flip", "mirrored": "mirror", "rotated": "rotate", "turned": "turn"}
_PARTICIPLES: Final = re.compile(rf"\b{one_of(_COMMANDS)}\b", re.I)


def _clauses(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for end in _CLAUSE_ENDS.finditer(text):
        yield start, text[start : end.start()]
        start = end.end()
    yield start, text[start:]


def _search(pattern: str, clause: str) -> re.Match[str] | None:
    return re.search(pattern, clause, re.I)


def _is_slight(clause: str) -> bool:
    return bool(_search(r"\b(?:bit|little|slightly|touch|tad|somewhat)\b", clause))


# ------------------------------------------------------------------------------------------------ turns and mirrorings

_AXIS: Final = (
    r"(?:horizontal(?:ly)?|vertical(?:ly)?|left[ -](?:(?:to|for)[ -])?right|top[ -](?:to[ -])?bottom|upside[ -]down"
    r"|sideways|on its head)"
)
_UPSIDE_DOWN: Final = r"\bupside[ -]down\b|\bon its head\b"
_TURN: Final = (
    rf"\b(?:rotate|tilt|spin)\b|\bturn (?:by|upside|{_WHOLE})(?=\W|$)|\b(?:quarter|half)[ -]turn\b|\brotated \d"
)
_ANGLE: Final = r"(?<![\w.])(-?\d{1,3}(?:\.\d+)?) ?(?:°|deg\w*)|\bby (-?\d{2,3})\b(?! ?%)|\b(90|180|270)\b"
_LEFTWARD: Final = r"\b(?:counter|anti)[- ]?clockwise|\b(?:to the )?left\b"
_RIGHTWARD: Final = r"(?<!counter)(?<!counter[- ])(?<!anti)(?<!anti[- ])\bclockwise|\b(?:to the )?right\b"


def _turns(start: int, clause: str) -> Iterator[WantedEdit]:
    turn = _search(_TURN, clause)
    if not turn or _search(r"\bflip|\bmirror", clause):
        return
    if _search(_UPSIDE_DOWN, clause):
        allowed = (Among("turn", (180.0,)), Among("flip", ("vertical",)))
        yield WantedEdit(start + turn.start(), turn[0], "turn the picture upside down", allowed)
        return
    degrees = _degrees(clause)
    if degrees is None:
        return
    edit = _turn_by(degrees, clause)
    for _ in range(_repetitions(clause)):
        yield WantedEdit(start + turn.start(), turn[0], *edit)


def _degrees(clause: str) -> float | None:
    """The size of a turn, below 0 for one to the left where the number itself says so; None where there is none."""
    if angle := _search(_ANGLE, clause):
        return float(next(filter(None, angle.groups())))
    if _search(r"\bhalf[ -]turn\b", clause):
        return 180.0
    is_turned = _search(r"\bquarter\b", clause) or _search(_LEFTWARD, clause) or _search(_RIGHTWARD, clause)
    return 90.0 if is_turned else None


def _turn_by(degrees: float, clause: str) -> tuple[str, tuple[Among, ...], Move | None]:
    """Action, allowed values and move of a turn."""
    left, right = _search(_LEFTWARD, clause), _search(_RIGHTWARD, clause)
    if _is_slight(clause) and not _search(_ANGLE, clause):
        low, high = (270.0, 359.9) if left else (0.1, 90.0)
        return f"turn the picture a little to the {'left' if left else 'right'}", (Among("turn", (), low, high),), None
    clockwise = (-degrees if left else degrees) % 360
    is_clear = bool(left or right) or degrees < 0 or degrees % 180 == 0
    values = [clockwise] if is_clear else [clockwise, 360 - clockwise]
    allowed = tuple(Among("turn", (), value - 1, value + 1) for value in values)
    way = "" if degrees % 180 == 0 or not is_clear else " anticlockwise" if left or degrees < 0 else " clockwise"
    move = (int(clockwise) // 90, False) if clockwise % 90 == 0 else None
    return f"turn the picture {abs(degrees):g} degrees{way}", allowed, move


def _repetitions(clause: str) -> int:
    return 2 if _search(r"\btwice\b|\btwo times\b|\bboth ways\b", clause) else 1


def _flips(start: int, clause: str) -> Iterator[WantedEdit]:
    flip = _search(
        r"\b(?:flip|mirror|reflect)\b(?![ -](?:flops?|phones?|charts?|side|book|image of|on|in|above|over|behind|frame"
        r"|the (?:door|wall)))",
        clause,
    )
    if not flip or _search(rf"\b(?:{_THE_WORD}|no|of|in|and the) $", clause[: flip.start()]):
        return
    action, allowed, move = _mirroring(clause, flip[0].lower())
    for _ in range(_repetitions(clause)):
        yield WantedEdit(start + flip.start(), flip[0], action, allowed, move)


_MIRRORINGS: Final[Mapping[str, tuple[str, Move | None]]] = {
    "horizontal": ("flip the picture left to right", (0, True)),
    "vertical": ("flip the picture top to bottom", (2, True)),
    "": ("flip the picture", None),
}


def _mirroring(clause: str, verb: str) -> tuple[str, tuple[Among, ...], Move | None]:
    """Action, allowed values and move of a mirroring."""
    down = _search(_UPSIDE_DOWN, clause)
    if down or _search(r"\bvertical(?:ly)?\b|\btop[ -](?:to[ -])?bottom", clause):
        axis = "vertical"
    elif verb != "flip" or _search(r"\bhorizontal(?:ly)?\b|\bleft\b|\bsideways\b", clause):
        axis = "horizontal"
    else:
        axis = ""
    action, move = _MIRRORINGS[axis]
    allowed = [Among("flip", (axis,) if axis else ("horizontal", "vertical"))]
    if down:  # some mean a turn by it
        allowed.append(Among("turn", (180.0,)))
    return action, tuple(allowed), None if down else move


# ----------------------------------------------------------------------------------------------------- light and colour


class _Property(NamedTuple):
    """A property that a factor changes, the words that ask for more and for less of it, and what that is called."""

    kind: str
    more: str
    less: str
    as_much: str
    actions: tuple[str, str]


_PROPERTIES: Final = (
    _Property(
        "brightness",
        r"brighter|brighten(?: up)?|lighten(?: up)?|(?:make|turn) \w+ (?:a (?:bit|little) )?lighter|too dark",
        r"darker|darken|dim|dimmer|less bright|too bright",
        r"bright",
        ("make the picture brighter", "make the picture darker"),
    ),
    _Property(
        "contrast",
        r"punchier|more contrasty",
        r"flatter|less contrasty",
        "contrasty",
        ("raise the contrast", "lower the contrast"),
    ),
    _Property(
        "saturation",
        r"more (?:colou?rful|vivid|vibrant|saturated|colou?r)|(?:boost|intensify) (?:the )?colou?rs",
        r"less (?:colou?rful|vivid|vibrant|saturated|colou?r)|paler|(?:mute|tone down) (?:the )?colou?rs",
        r"(?:colou?rful|vivid)",
        ("make the colours stronger", "make the colours weaker"),
    ),
    _Property(
        "sharpness",
        r"sharpen(?:ing)?|sharper|crisper",
        r"less sharp|softer",
        "sharp",
        ("sharpen the picture", "soften the picture"),
    ),
)
_RAISE: Final = r"(?:more|higher|raise|increase|boost|add|up|stronger|strengthen)"
_LOWER: Final = r"(?:less|lower|reduce|decrease|cut|down|weaker)"


def _factors(start: int, clause: str) -> Iterator[WantedEdit]:
    for prop in _PROPERTIES:
        match, factor = _change_of(prop, clause)
        if match is None:
            continue
        part = bool(_PART.search(clause)) or _names_a_part(clause, match)
        low, high = factor
        middle = (low + high) / 2
        is_exact = high < inf and low > 0 and high / low < 1.3
        action = prop.actions[0 if middle > 1 else 1]
        if is_exact and prop.kind == "brightness":
            action = f"make the picture {_as_much(middle)} as bright"
        elif is_exact:
            action = f"{'raise' if middle > 1 else 'lower'} the {prop.kind} to {middle * 100:.0f} %"
        if part:
            action = f"{action.replace('the picture', 'that part')} alone"
        yield WantedEdit(start + match.start(), match[0], action, (Among(prop.kind, (), low, high),), None, part)


def _change_of(prop: _Property, clause: str) -> tuple[re.Match[str] | None, tuple[float, float]]:
    """The words that ask for a property to change, and the factors that meet them."""
    if match := _search(rf"\b(?:{_TIMES}) (?:as {prop.as_much}|(?:the |its )?{prop.kind})\b", clause):
        return match, _around(_times(match[0]))
    if prop.kind == "brightness" and (match := _search(rf"\b(?:{_TIMES}) as dark\b", clause)):
        return match, _around(1 / _times(match[0]))
    if share := _search(rf"\b{_PERCENT} (?:of (?:the )?)?{prop.kind}\b|\b{prop.kind} (?:to |at ){_PERCENT}", clause):
        return share, _around(float(share[1] or share[2]) / 100)
    more = _search(rf"\b(?:{prop.more})\b|\b{_RAISE} (?:the |its )?{prop.kind}\b|\b{prop.kind} up\b", clause)
    less = _search(rf"\b(?:{prop.less})\b|\b{_LOWER} (?:the |its )?{prop.kind}\b|\b{prop.kind} down\b", clause)
    up = bool(more) and not (less and more and less.start() < more.start())
    match = more if up else less
    if match and _search(rf"\b(?:{_THE_WORD}|which|any) $", clause[: match.start()]):  # "the brighter one"
        return None, (0, 0)
    return match, _amount(clause, up=up)


_PERCENT: Final = r"(\d{1,3}(?:\.\d+)?) ?(?:%|per ?cent)"


def _around(factor: float) -> tuple[float, float]:
    return factor * (1 - _NEAR), factor * (1 + _NEAR)


def _as_much(factor: float) -> str:
    words = {2.0: "twice", 0.5: "half", 3.0: "three times", 4.0: "four times"}
    return words.get(round(factor, 2), f"{factor:.2g} times")


def _amount(clause: str, *, up: bool) -> tuple[float, float]:
    """The factors that meet a wish for more or less of a property: "30 % brighter", "a bit darker", "twice"."""
    if percent := _search(r"(\bto )?(?<![\d.])(\d{1,3}(?:\.\d+)?) ?(?:%|per ?cent\b)", clause):
        share = float(percent[2]) / 100
        return _around(share if percent[1] else 1 + share if up else 1 - share)
    if part := _search(r"\bby (half|a third|a quarter)\b", clause):
        share = _times(part[0])
        return _around(1 + share if up else 1 - share)
    if times := _times(clause):
        return _around(times if up or times < 1 else 1 / times)
    if _is_slight(clause):
        return (1.001, 1 + _SLIGHT) if up else (1 - _SLIGHT, 0.999)
    return (1.001, inf) if up else (0.0, 0.999)


_MULTIPLES: Final = {"twice": 2.0, "double": 2.0, "thrice": 3.0, "triple": 3.0, "half": 0.5, "halve": 0.5}
_TIMES: Final = rf"(?:\d+(?:\.\d+)? ?(?:x|times)|{one_of(CARDINALS)} times|{one_of(_MULTIPLES)}|a third|a quarter)"


def _times(clause: str) -> float:
    """A number of times that a clause speaks of: twice, three times, 2x, half; 0 for none."""
    if number := _search(
        r"(?<![\d.])(\d+(?:\.\d+)?) ?(?:x\b(?! ?\d)|times\b|-fold\b)|\bfactor (?:of )?(\d+(?:\.\d+)?)", clause
    ):
        return float(next(filter(None, number.groups())))
    if word := _search(rf"\b({one_of(CARDINALS)}) times\b", clause):
        return CARDINALS.index(word[1].lower()) + 1.0
    if word := _search(rf"\b{one_of(_MULTIPLES)}\b", clause):
        return _MULTIPLES[word[0].lower()]
    return 1 / 3 if _search(r"\ba third\b", clause) else 0.25 if _search(r"\ba quarter\b", clause) else 0.0


def _names_a_part(clause: str, match: re.Match[str]) -> bool:
    """Whether the change is wanted for a thing: "make the dog brighter", "brighten her face"."""
    before = _search(r"\b(?:make|turn|get|have) (.+?)$", clause[: match.start()].strip())
    thing = re.sub(_MANNER, "", before[1], flags=re.I) if before else ""
    after = re.match(rf"\s+({_THE_WORD}\s+[\w'-]+)", clause[match.end() :], re.I)
    named = [words.strip() for words in (thing, after[1] if after else "") if words.strip()]
    return any(not re.fullmatch(_NO_PART, words, re.I) for words in named)


_MANNER: Final = rf"\b(?:look|much|way|by|a (?:bit|little|lot|touch|tad)|slightly|\d.*|{_TIMES})\b.*"
_NO_PART: Final = (
    rf"(?:{_WHOLE}|(?:{_THE_WORD} )?"
    r"(?:brightness|contrast|colou?rs?|saturation|sharpness|light|bit|little|lot|tad|touch))"
)


_GREY: Final = (
    r"\bdesaturate\b|\bblackwhite\b|\bgr[ae]y-?scale\b|\bmonochrome\b|\bb ?& ?w\b"
    rf"|\b(?:make|turn) {_WHOLE} (?:all )?gr[ae]y\b|\b(?:remove|drop|take out|lose) (?:the |all )?colou?rs?\b(?! of)"
    r"|\btake (?:the |all )?colou?rs? (?:out|away)\b|\bno colou?rs?\b"
)
_BEHIND_GREY: Final = (
    rf"(?:{one_of(PICTURE, plural=True)}|version|please|pls|for|so|with|by|in|on|of|as|now|only|a|slightly|completely"
    r"|too|also|again|it|this|that|them|everything|the)\b"
)
_LOOKS: Final = (
    ("sepia", r"\bsepia\b", "give the picture a sepia tone"),
    ("warm", r"\bwarmer\b|\bwarm (?:look|tones?|colou?rs)\b", "make the colours warmer"),
    ("cool", r"\b(?:cooler|colder)\b|\b(?:cool|cold) (?:look|tones?|colou?rs)\b", "make the colours cooler"),
    (
        "negative",
        r"\b(?:in)?to (?:an?|its) negative\b|\binvert (?:the |all |its )?colou?rs\b",
        "invert the colours",
    ),
)


def _colours(start: int, clause: str) -> Iterator[WantedEdit]:
    grey = _search(_GREY, clause)
    if grey and not _PART.search(clause) and not _is_attribute(clause, grey):
        partly = "desaturate" in grey[0].lower()
        action = "take colour out of the picture" if partly else "make the picture black and white"
        yield WantedEdit(start + grey.start(), grey[0], action, (Among("saturation", (), 0, 0.999 if partly else 0),))
    for look, words, action in _LOOKS:
        match = _search(words, clause)
        if match and not _PART.search(clause):
            yield WantedEdit(start + match.start(), match[0], action, (Among("look", (look,)),))


def _is_attribute(clause: str, grey: re.Match[str]) -> bool:
    """Whether grey is what a thing is ("the black and white cat"), or wanted for a thing alone."""
    named = _search(rf"\b(?:{_THE_WORD}|which) $", clause[: grey.start()])
    if named and not _search(r"\b(?:make|turn|convert|change|into|want)\b", clause[: grey.start()]):
        return True
    behind = re.match(r" ([a-z]+)", clause[grey.end() :], re.I)
    if behind and not re.match(_BEHIND_GREY, behind[1], re.I):
        return True
    before = _search(rf"\b(?:make|turn|convert) ({_THE_WORD} \w+)", clause[: grey.start()])
    return bool(before) and not re.fullmatch(_WHOLE, before[1], re.I) if before else False


# --------------------------------------------------------------------------------------------------------------- sizes

_SIZE: Final = r"(?<![\d.:])(\d{2,4}) ?(?:x|×|by) ?(\d{2,4})(?![\d.:])(?: ?(?:px|pixels?))?"
_SIDES: Final = (
    (
        "width",
        "wide",
        r"(?<![\d.])(\d{2,4}) ?(?:px|pixels?)? ?(?:wide|in width|across)\b|\bwidth (?:of |to )?(\d{2,4})\b",
    ),
    (
        "height",
        "high",
        r"(?<![\d.])(\d{2,4}) ?(?:px|pixels?)? ?(?:high|tall|in height)\b|\bheight (?:of |to )?(\d{2,4})\b",
    ),
)
_RESIZES: Final = r"\b(?:resize|rescale|scale|make|shrink|enlarge|to|exactly|want|need|get|down)\b"
_ENLARGE: Final = (
    r"\b(?:upscal\w+|enlarge|magnify|super-?resolution|blow (?:it|this|that) up|higher resolution"
    r"|(?:make|want|need) (?:it|this|them|that|the \w+) (?:\w+ )?(?:bigger|larger)"
    r"|twice (?:the|its|as) (?:size|resolution|big|large)|double (?:the|its) (?:size|resolution)"
    r"|times (?:the|its) (?:size|resolution)|times (?:as )?(?:larger|bigger|big|large)|\d ?x (?:larger|bigger))\b"
)
_SHRINK: Final = (
    r"\b(?:shrink|downscale|downsize|scale (?:it |this )?down|half (?:the|its|of its|as) (?:size|big|large)"
    r"|(?:make|want|need) (?:it|this|them|that|the \w+) (?:\w+ )?smaller|halve (?:the|its) size"
    r"|\d+ ?(?:%|per ?cent) (?:of )?(?:the|its) (?:original )?size)\b"
)


def _sizes(start: int, clause: str) -> Iterator[WantedEdit]:
    resizes = _search(_RESIZES, clause)
    exact = _search(_SIZE, clause) if resizes else None
    if exact:
        width, height = float(exact[1]), float(exact[2])
        action = f"resize the picture to {width:g}x{height:g} pixels"
        yield WantedEdit(start + exact.start(), exact[0], action, (Among("width", (width,)),))
        return
    for kind, adjective, words in _SIDES:
        side = _search(words, clause)
        if side and resizes:
            pixels = float(next(filter(None, side.groups())))
            action = f"make the picture {pixels:g} pixels {adjective}"
            yield WantedEdit(start + side.start(), side[0], action, (Among(kind, (pixels,)),))
            return
    yield from _scales(start, clause)


_CROPS_TO: Final = (
    r"\b(crop(?:ped)?)\b.*? (?:to|into|as) (?:an? )?(?:aspect(?: ratio)? of )?"
    r"(square|\d{1,2}(?:\.\d+)? ?[:/] ?\d{1,2}(?:\.\d+)?)"
    r"(?=\W*$|,? (?:format|shape|aspect|ratio|crop|version|around|for|please)\b)"
)


def _aspects(start: int, clause: str) -> Iterator[WantedEdit]:
    crop = _search(_CROPS_TO, clause)
    ratio = aspect_ratio(crop[2]) if crop else None
    if crop and ratio:
        shape = "a square" if ratio == 1 else re.sub(r"\s*[:/]\s*", ":", crop[2])
        allowed = (Among("aspect", (), ratio * 0.99, ratio * 1.01),)
        yield WantedEdit(start + crop.start(), crop[1], f"crop the picture to {shape}", allowed)


def _scales(start: int, clause: str) -> Iterator[WantedEdit]:
    up = _search(_ENLARGE, clause)
    match = up or _search(_SHRINK, clause)
    if not match or _scales_a_thing(clause, match):
        return
    low, high = _scale(clause, up=bool(up))
    is_exact = high < inf and low > 0
    action = "enlarge the picture" if up else "make the picture smaller"
    if is_exact:
        action = f"make the picture {_as_much((low + high) / 2)} as large"
    yield WantedEdit(start + match.start(), match[0], action, (Among("scale", (), low, high),))


def _scale(clause: str, *, up: bool) -> tuple[float, float]:
    """The factors of size that meet a wish; percent are of the size, unless "by" stands before them."""
    if percent := _search(r"(\bby )?(?<![\d.])(\d{1,3}) ?(?:%|per ?cent\b)", clause):
        share = float(percent[2]) / 100
        return _around((1 + share if up else 1 - share) if percent[1] else share)
    if times := _times(clause):
        return _around(times if up or times < 1 else 1 / times)
    return (1.001, inf) if up else (0.0, 0.999)


def _scales_a_thing(clause: str, match: re.Match[str]) -> bool:
    after = re.match(rf"\s+({_THE_WORD}\s+[\w'-]+)", clause[match.end() :], re.I)
    own = rf"{_WHOLE}|(?:the|its) (?:result|crop|cut-?out|size|resolution)"
    return after is not None and not re.fullmatch(own, after[1], re.I)


_READERS: Final = (_turns, _flips, _factors, _colours, _sizes, _aspects)
