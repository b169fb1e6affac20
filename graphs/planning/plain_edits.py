"""Chains of plain edits, read without a model: every clause of the request is one that can be meant in one way alone.

A small planner is right about two or three simple steps, and of eight it forgets some. If a single clause of a request
is not read here, the whole of it goes to the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from visiongpt_agent.language.english import singular
from visiongpt_agent.language.lexicon import PICTURE, one_of
from visiongpt_agent.plan import MAX_PROPOSALS, Kind, Plan, Proposal, Ref, Signature, Value

Call = tuple[str, dict[str, Value]]


@dataclass(frozen=True)
class Place:
    """Where a clause's calls will stand.

    Attributes:
        image: The image that they work on.
        first: The number of the first of them.
        width: Of the image in pixels, 0 where it is not known.
        scales: Whether pictures can be resized by a factor.
    """

    image: Ref
    first: int
    width: int = 0
    scales: bool = True


Reader = Callable[[re.Match[str], Place], Sequence[Call]]

_IT: Final = (
    rf"(?:it|this|that|everything|(?:the |this |my )?(?:whole |entire )?{one_of((*PICTURE, 'result', 'thing'))})"
)
_BOTH: Final = rf"(?:them|both|(?:the |these )?(?:two |both )?{one_of(PICTURE, plural=True)}|both of them)"
_MONOCHROME: Final = r"(?:monochrome|gr[ae]y ?-?scale|grays|black-and-white)"
_WISH: Final = re.compile(
    r"^(?:(?:please|kindly|hey|ok(?:ay)?|now|so|first(?: of all)?|can you|could you|would you|will you|i want you to"
    r"|i'd like you to|i would like you to|just|go ahead and|next)[ ,:]+)+",
    re.I,
)
_THANKS: Final = re.compile(r"(?:[ ,]+(?:please|pls|thanks|thx|thank you|for me|if you can|would you))+$", re.I)
_THEN: Final = r"(?:(?:and )?(?:then|next|after that|afterwards|finally|lastly)(?: and)?,? )?"
_BETWEEN: Final = re.compile(
    rf"\s*[,;.!]\s+(?:and )?{_THEN}|\s+(?:and )?(?:then|after that|afterwards|finally|lastly),?\s+|\s+and\s+{_THEN}",
    re.I,
)
_QUOTED: Final = r"[\"'‘“«](?P<text>[^\"“”«»]{1,80}?)[\"'’”»]"
_THING: Final = r"(?P<what>(?:[a-z][\w'-]* ){0,3}[a-z][\w-]*)"


def read_plainly(request: str, images: Sequence[str], catalog: Mapping[str, Signature]) -> Plan | None:
    """The plan of a request whose every clause is a plain edit of its one picture; None where that is not so.

    Args:
        request: The person's words, numbers in digits.
        images: The images as a planner reads them; one of them a person's, the others results.
        catalog: The tools that a plan may name.

    Example:
        >>> from visiongpt_agent.tools import catalog
        >>> tools = {name: spec.signature for name, spec in catalog().items()}
        >>> print(read_plainly("flip it vertically, then rotate it by 90 degrees", ["$1 user a.jpg 8x8"], tools))
        #1 = transform_image(image=$1, flip="vertical")
        #2 = transform_image(image=#1, rotate=90)
    """
    together = _both(request, images, catalog)
    if together or sum(" user " in line for line in images) != 1:
        return together
    clauses = _clauses(request)
    size = re.search(r"(\d+)x\d+$", images[-1])
    resizing = catalog.get("transform_image")
    scales = resizing is not None and resizing.argument("scale") is not None
    place = Place(Ref("$", len(images)), 1, int(size[1]) if size else 0, scales)
    made: list[Proposal] = []
    before = ""
    for clause in clauses:
        reading = _read(clause, before, place)
        if reading is None or not all(_fits(call, catalog) for call in reading[0]):
            return None
        calls, before = reading
        made += [Proposal(place.first + k, tool, args) for k, (tool, args) in enumerate(calls)]
        ends = catalog[made[-1].tool].returns is not Kind.IMAGE or made[-1].args.get("each")
        if ends and clause is not clauses[-1]:
            return None
        place = Place(Ref("#", len(made)), len(made) + 1, scales=scales)
    return Plan(tuple(made)) if _is_sound(made) else None


def _clauses(request: str) -> list[str]:
    said = re.sub(r"\bblack (?:and|&|n) white\b|\bb ?[&/] ?w\b", "monochrome", request, flags=re.I)
    said = re.sub(r"\band nothing else\b", "exclusively", said, flags=re.I)
    said = re.sub(
        r"\b(?:find|locate|detect) (.+?) and (highlight|circle|mark) (?:it|them)\b", r"\2 \1", said, flags=re.I
    )
    said = _THANKS.sub("", " ".join(said.replace("’", "'").split()).strip(" .!?"))
    if re.search(_QUOTED, said):
        return [_WISH.sub("", said)]  # what stands in quotation marks is not cut up
    return [_THANKS.sub("", _WISH.sub("", part)).strip(" .!") for part in _BETWEEN.split(_WISH.sub("", said))]


def _read(clause: str, before: str, place: Place) -> tuple[Sequence[Call], str] | None:
    """The calls of a clause, and its verb, which a clause behind it may leave out."""
    clause = re.sub(r"(?:,? (?:once more|again|as well|too))+$", "", clause, flags=re.I)
    for words in (clause, f"{before} {clause}" if before else clause):
        for verb, pattern, reader in _CLAUSES:
            if match := re.fullmatch(pattern, words, re.I):
                calls = reader(match, place)
                return (calls, verb) if calls else None
    return None


def _fits(call: Call, catalog: Mapping[str, Signature]) -> bool:
    signature = catalog.get(call[0])
    return signature is not None and all(signature.argument(name) for name in call[1])


def _is_sound(made: Sequence[Proposal]) -> bool:
    """Whether the plan is short enough, and no two adjustments follow each other, which may be meant as one."""
    tools = [proposal.tool for proposal in made]
    return 0 < len(made) <= MAX_PROPOSALS and ("adjust_image", "adjust_image") not in pairwise(tools)


def _both(request: str, images: Sequence[str], catalog: Mapping[str, Signature]) -> Plan | None:
    """Two pictures put into one."""
    if len(images) != 2 or "combine_images" not in catalog:
        return None
    said = " ".join(_clauses(request)) if len(_clauses(request)) == 1 else ""
    if re.fullmatch(
        rf"(?:(?:put|place|show|combine|join|arrange) )?{_BOTH} (?:side by side|next to each other)", said, re.I
    ):
        layout: dict[str, Value] = {}
    elif re.fullmatch(rf"stack {_BOTH}|(?:put|place) {_BOTH} (?:one above the other|above each other)", said, re.I):
        layout = {"layout": "stacked"}
    else:
        return None
    return Plan((Proposal(1, "combine_images", {"image": Ref("$", 1), "other": Ref("$", 2), **layout}),))


# ---------------------------------------------------------------------------------------------------------- readers


def _one(tool: str, **args: Value) -> Reader:
    return lambda _, place: [(tool, {"image": place.image, **args})]


def _rotate(match: re.Match[str], place: Place) -> Sequence[Call]:
    degrees = _number(match["degrees"] or "90")
    if match["way"] and re.search(r"anti|counter|left", match["way"], re.I):
        degrees = -degrees
    return [("transform_image", {"image": place.image, "rotate": degrees})]


def _upscale(match: re.Match[str], place: Place) -> Sequence[Call]:
    word = match["factor"].casefold()
    factor = {"twice": 2, "double": 2, "triple": 3}.get(word) or _number(word.removesuffix(" times"))
    return [("upscale_image", {"image": place.image, "scale": factor})] if 1 < factor <= 8 else []


def _shrink(match: re.Match[str], place: Place) -> Sequence[Call]:
    """To a part of the size; in pixels where there is no argument for the part."""
    words = (match["part"] or "half").casefold()
    part = {"half": 0.5, "halve": 0.5, "a quarter": 0.25}.get(words) or float(re.sub(r"[^\d.]", "", words)) / 100
    part = round(1 - part if words.startswith("by ") else part, 4)
    if not 0 < part < 1:
        return []
    if place.scales:
        return [("transform_image", {"image": place.image, "scale": part})]
    return [("transform_image", {"image": place.image, "width": round(place.width * part)})] if place.width else []


def _resize(match: re.Match[str], place: Place) -> Sequence[Call]:
    size = {name: int(match[name]) for name in ("width", "height") if match[name]}
    return [("transform_image", {"image": place.image, **size})] if all(size.values()) else []


def _search(match: re.Match[str], place: Place) -> Call | None:
    """The search for what a clause names; None where it is no plain thing."""
    every = r"^(?:(?:all|every|each|any)(?: of)? )?(?:(?:the|these|those|my|that|this) )?"
    thing = re.sub(rf"{every}|(?: of them)? (?:separately|individually|one by one)$", "", match["what"], flags=re.I)
    if singular(thing).rpartition(" ")[2] in (*_VAGUE, *PICTURE) or re.search(
        r"\b(?:or|not|where|which|that)\b|^$", thing
    ):
        return None
    if singular(thing) == "face":
        return ("detect_faces", {"image": place.image})
    return ("detect_objects", {"image": place.image, "query": singular(thing)})


def _on_found(tool: str, *, outlined: bool = False, **args: Value) -> Reader:
    """A search, and one step on what it finds, with an outline between where the step needs one."""

    def read(match: re.Match[str], place: Place) -> Sequence[Call]:
        search = _search(match, place)
        if search is None:
            return []
        outline: Call = ("segment_objects", {"image": place.image, "regions": Ref("#", place.first)})
        regions = Ref("#", place.first + outlined)
        step: Call = (tool, {"image": place.image, "regions": regions, **args})
        return [search, *([outline] if outlined else []), step]

    return read


def _write(match: re.Match[str], place: Place) -> Sequence[Call]:
    where = (match["where"] or "").casefold()
    position = "top" if "top" in where else "center" if re.search("cent|middle", where) else ""
    args: dict[str, Value] = {"image": place.image, "text": match["text"]}
    return [("add_text", {**args, "position": position} if position else args)]


def _look(match: re.Match[str], place: Place) -> Sequence[Call]:
    word = match["look"].casefold()
    look = {"warmer": "warm", "cooler": "cool", "invert": "negative"}.get(word, word)
    return [("adjust_image", {"image": place.image, "look": look})]


def _aspect(match: re.Match[str], place: Place) -> Sequence[Call]:
    shape = match["shape"].casefold()
    aspect = "1:1" if "square" in shape else re.sub(r"\s*(?::|x|by|to|/)\s*", ":", shape)
    return [("transform_image", {"image": place.image, "aspect": aspect})]


def _adjust(match: re.Match[str], place: Place) -> Sequence[Call]:
    change = float(match["percent"]) / 100
    factor = round(1 + (change if re.match("incr|rais|boost", match["way"], re.I) else -change), 4)
    return [("adjust_image", {"image": place.image, match["knob"].casefold(): factor})] if 0 <= factor <= 3 else []


def _number(digits: str) -> int | float:
    return int(float(digits)) if float(digits).is_integer() else float(digits)


_VAGUE: Final = frozenset(
    {
        *(
            "it",
            "them",
            "everything",
            "one",
            "difference",
            "joint",
            "defect",
            "flaw",
            "fault",
            "damage",
            "error",
            "text",
        ),
        *("scratch", "crack", "dent", "chip", "blemish", "stain", "pose", "word", "code", "change", "only", "skeleton"),
    }
)
"""What is no thing that one search finds."""
_MONO: Final = _one("adjust_image", saturation=0)
_ACROSS: Final = _one("transform_image", flip="horizontal")
_EACH: Final = _on_found("crop_regions", each=True)
_HIGHLIGHT: Final = _on_found("highlight_regions")
_KEEP: Final = _on_found("remove_background", outlined=True)
_KNOBS: Final = r"(?P<knob>brightness|contrast|saturation|sharpness)"
_PART: Final = r"(?:the )?(?:very )?(?:top|bottom|center|centre|middle|picture|photo|image)[\w ]*"
_WHERE: Final = rf"(?:on|onto|in|over|across|at|to) (?:it|{_PART})"
_COPY: Final = rf"(?:give me (?:a|the) {one_of((*PICTURE, 'version', 'copy'))} )?(?:at )?"
_FLIP: Final = rf"(?:flip|mirror)(?: {_IT})?"
_ENLARGE: Final = rf"(?:upscale|enlarge|scale up|blow up|magnify|upsize)(?: {_IT})?(?: up)?"
_SHRINK: Final = rf"(?:resize|scale|shrink|reduce|scale down|downscale)(?: {_IT})?(?: down)?"
_TURN: Final = rf"(?:rotate|turn|spin)(?: {_IT})?(?: by)?"
_DEGREES: Final = r"(?P<degrees>\d+(?:\.\d+)?) ?(?:degrees?|deg|°)"
_WAY: Final = r"(?: (?:to the )?(?P<way>clockwise|right|left|anti-?clockwise|counter-?clockwise))?"
_FACTOR: Final = r"(?P<factor>\d+(?:\.\d+)?|twice|double|triple)"
_PERCENT: Final = r"(?P<percent>\d+(?:\.\d+)?) ?(?:%|percent|per cent)"
_SIZE_OF: Final = r"(?:the |its )?(?:original )?(?:size|as (?:big|large))"

_CLAUSES: Final[Sequence[tuple[str, str, Reader]]] = (
    ("", rf"(?:(?:make|turn|convert|change|render|put)(?: {_IT})?(?: in| into| to)? )?{_MONOCHROME}", _MONO),
    ("flip it", rf"{_FLIP} (?:horizontally|from left to right)|(?:an? )?horizontal (?:flip|mirror)", _ACROSS),
    ("flip it", rf"{_FLIP} vertically|(?:an? )?vertical (?:flip|mirror)", _one("transform_image", flip="vertical")),
    ("flip it", _FLIP, _ACROSS),
    ("rotate it", rf"{_TURN} {_DEGREES}{_WAY}", _rotate),
    (
        "rotate it",
        rf"(?:an? )?{_DEGREES}(?:[ -](?P<way>clockwise|anti-?clockwise|counter-?clockwise))? rotation",
        _rotate,
    ),
    ("rotate it", rf"{_TURN} (?:to the )?(?P<way>left|right)(?P<degrees>)", _rotate),
    ("upscale it", rf"{_ENLARGE}(?: by| to)?(?: a factor of)? {_FACTOR}(?: ?x| times)?(?: {_SIZE_OF})?", _upscale),
    (
        "upscale it",
        rf"(?:make {_IT} )?(?P<factor>\d+ times|twice|double|triple)(?: as (?:big|large)| the size)",
        _upscale,
    ),
    ("upscale it", r"(?P<factor>double|triple) (?:the|its) (?:size|resolution)", _upscale),
    ("", rf"(?:{_SHRINK}|make {_IT}) (?:to )?(?P<part>half|a quarter)(?: of)? {_SIZE_OF}", _shrink),
    (
        "",
        rf"{_COPY}(?P<part>half|a quarter)(?: of)? {_SIZE_OF}",
        _shrink,
    ),
    ("", r"(?P<part>halve) (?:it|the size|its size)|reduce (?:the|its) size by half", _shrink),
    ("", rf"{_SHRINK} (?P<part>(?:to|by) \d+(?:\.\d+)? ?(?:%|percent|per cent))(?: of {_SIZE_OF})?", _shrink),
    ("", rf"{_SHRINK} to (?P<width>\d+) ?(?:x|×|by) ?(?P<height>\d+)(?: ?(?:pixels|px))?", _resize),
    ("", rf"(?P<way>increase|raise|boost|lower|reduce|decrease) (?:the |its )?{_KNOBS} by {_PERCENT}", _adjust),
    ("", rf"make {_IT} brighter|brighten(?: {_IT})?(?: up)?", _one("adjust_image", brightness=1.5)),
    ("", rf"make {_IT} darker|darken(?: {_IT})?", _one("adjust_image", brightness=0.7)),
    ("", rf"make {_IT} sharper|sharpen(?: {_IT})?", _one("adjust_image", sharpness=1.5)),
    ("", rf"remove (?:the|its) background(?: (?:of|from) {_IT})?", _one("remove_background")),
    (
        "",
        rf"(?:(?:make|turn|convert)(?: {_IT})?(?: in| into| to)?(?: an?)? )?(?P<look>sepia|negative)(?: tones?)?",
        _look,
    ),
    ("", rf"make {_IT} (?P<look>warmer|cooler)", _look),
    ("", rf"(?:give {_IT} )?an? (?P<look>sepia|warm|cool|warmer|cooler|negative) (?:look|tone)", _look),
    ("", rf"(?P<look>invert) (?:the |its |all )?colou?rs(?: of {_IT})?", _look),
    (
        "",
        rf"crop(?: {_IT})? to (?:an? )?(?P<shape>square|\d+ ?: ?\d+)(?: format| shape| aspect ratio| aspect)?",
        _aspect,
    ),
    ("", rf"crop (?:out )?(?:each|every) (?:of the |one of the )?{_THING}(?: separately)?", _EACH),
    ("", rf"crop {_THING} (?:each )?(?:separately|individually|one by one)", _EACH),
    ("", rf"(?:highlight|spotlight|circle|point out|mark|draw a (?:box|circle) around) {_THING}", _HIGHLIGHT),
    ("", rf"(?:keep only|only keep|keep nothing but|keep just) {_THING}", _KEEP),
    ("", rf"(?:keep|i want|i need|show)(?: me)? {_THING} exclusively", _KEEP),
    ("", rf"(?:black out|redact) {_THING}", _on_found("blur_regions", method="black")),
    ("", rf"pixelate {_THING}", _on_found("blur_regions", method="pixelate")),
    (
        "",
        rf"(?:write|put|add|print)(?: (?:the )?(?:text|words?|caption|title))? {_QUOTED}(?P<where> {_WHERE})?",
        _write,
    ),
    (
        "",
        rf"what else is (?:there|in {_IT})(?: (?:besides|apart from|other than|except) .+)?\??",
        _one("detect_objects"),
    ),
)
"""Verb that a clause behind may leave out, pattern of the clause, what makes its calls."""
