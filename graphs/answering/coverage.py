"""What of a request no step took on: images, things and actions that it names and the plan passed over.

It reads the request with a table of wishes (words that ask for something, and the tools that could do it), not with a
language model, and is silent where it is not sure: a gap that is told where there is none is worse than one more that
is missed. A step that was tried counts as taken on, whatever came of it: that is told by the step itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from visiongpt_agent.graphs.loop.lineage import origin
from visiongpt_agent.graphs.state import ImageEntry, Step
from visiongpt_agent.language.english import join, plural, singular
from visiongpt_agent.language.lexicon import (
    CARDINALS,
    COLORS,
    DETERMINERS,
    ORDINALS,
    PICTURE,
    REMOVE,
    REPLACE,
    SHOTS,
    one_of,
)
from visiongpt_agent.language.vocabulary import read_query, understand

_EDITS_ANYTHING: Final = frozenset({"edit_image"})
_MAKES: Final = frozenset({"generate_image", "generate_with_control", "edit_image"})
_CHANGES_ALL: Final = _MAKES | {
    *("adjust_image", "stylize_image", "transform_image", "upscale_image", "recolor_regions", "replace_background")
}
_FINDS: Final = frozenset(
    {"detect_objects", "segment_objects", "detect_faces", "detect_anomalies", "estimate_pose", "answer_question"}
)


@dataclass(frozen=True)
class _Wish:
    """Words that ask for something, the tools that take it on, and how to say that it was not done."""

    words: re.Pattern[str]
    tools: frozenset[str]
    undone: str
    argument: str = ""


def _wish(words: str, tools: str | Iterable[str], undone: str, argument: str = "") -> _Wish:
    named = tools.split() if isinstance(tools, str) else tools
    return _Wish(re.compile(rf"\b(?:{words})\b", re.I), frozenset(named), undone, argument)


_THINGS: Final = rf"(?:{one_of(DETERMINERS)}\s+)?"
_COLOR: Final = rf"(?!black (?:and|&) white){one_of(COLORS)}"
_PICTURE: Final = one_of((*PICTURE, *SHOTS))
_MANY_PICTURES: Final = one_of(map(plural, (*PICTURE, *SHOTS)))
_WISHES: Final = (
    _wish(
        r"how many|count(?! on)(?!s|ed|er)|(?<!serial )number of (?!plates)|wheres|where(?:'s| is| are)"
        r"|find(?! out)|locate"
        r"|is there (?:an?|any|some)\b(?! way)|are there any",
        {*_FINDS, "crop_regions", "read_text", "read_codes", "caption_image"},
        "I did not look for or count anything.",
    ),
    _wish(r"segment|outlines?|(?:pixel )?masks?(?! off)", "segment_objects", "I did not outline anything."),
    _wish(
        r"describe|caption|alt text|put it into words|what (?:does|do) (?:this|the|it) .{0,30}(?:show|look like)",
        "caption_image answer_question classify_image",
        "I did not describe the picture.",
    ),
    _wish(
        r"transcribe|ocr|read(?! (?:the )?(?:qr|bar|code|ean))(?:s)?(?= (?:it|the|what|out|this|that|all|any|me|its))"
        r"|what (?:does )?it says?|what(?:'s| is) (?:printed|written)|wording|get the text|as text|text out",
        "read_text read_codes answer_question",
        "I did not read the text.",
    ),
    _wish(
        r"(?:decode|scan|read) (?:it|(?:the |this |that )?(?:\w+ )?(?:qr|bar ?code|code|ean)s?)|decode|ean\b"
        r"|qr code take",
        "read_codes read_text",
        "I did not read the code.",
    ),
    _wish(
        r"(?:what|which) (?:kind|sort|type|breed|species)(?: of)?(?! jobs)|classify",
        "classify_image answer_question caption_image",
        "I did not say what kind it is.",
    ),
    _wish(r"depth(?: map)?", "estimate_depth generate_with_control", "I did not estimate the depth."),
    _wish(
        r"(?:body )?key ?points|skeleton|(?:his|her|their|my|body|find|mark|show)(?: all)?(?: the)? joints"
        r"|(?:the|his|her|their|body) pose",
        "estimate_pose generate_with_control",
        "I did not look for body keypoints.",
    ),
    _wish(
        r"(?:search|look|check|inspect|find|show|mark|spot)\w*\b.{0,25}\b(?:defects?|scratch(?:es)?|dents?"
        r"|cracks?|flaws?|faults?|anomal\w+)",
        "detect_anomalies detect_objects",
        "I did not look for defects.",
    ),
    _wish(
        r"compare|what(?:'s| is| has)? (?:changed|different|differs)|how (?:alike|different|similar)"
        r"|how much does (?:that|it|this) differ|spot the differences?",
        "compare_images detect_anomalies answer_question",
        "I did not compare the pictures.",
    ),
    _wish(
        r"(?:draw|generate|paint|make|create) (?:me )?an? (?:picture|drawing|painting|poster|sprite|image|photo) of",
        _MAKES,
        "I did not make a new picture.",
    ),
    _wish(
        r"blur(?! the line)(?:red)?(?= )(?! (?:photo|picture|image|and small))|blurred|(?:hide|pixelate"
        r"|anonymi[sz]e|censor) " + _THINGS + r"(?:\w+ )?(?:faces?|plates?|names?)",
        "blur_regions",
        "I did not blur anything.",
    ),
    _wish(
        r"sharpen(?:ing)?|(?:make \w+|a bit|bit|little) sharper",
        "adjust_image upscale_image",
        "I did not sharpen the picture.",
        "sharpness",
    ),
    _wish(
        r"brighten|(?:make|turn) \w+ (?:a (?:bit|little) )?(?:brighter|darker|lighter)|darken|lighten"
        r"|(?:more|less|raise|lower|increase|reduce) (?:the )?brightness|too (?:bright|dark)",
        "adjust_image",
        "I did not change the brightness.",
        "brightness",
    ),
    _wish(
        r"(?:more|less|raise|lower|increase|reduce|boost|up) (?:the )?contrast|contrast (?:up|down)",
        "adjust_image",
        "I did not change the contrast.",
        "contrast",
    ),
    _wish(
        r"desaturate|black (?:and|&|n) white|gr[ea]yscale|monochrome|b&w|(?:more|less) saturation"
        r"|saturation (?:up|down)"
        r"|(?:boost|raise|lower) (?:the )?saturation",
        "adjust_image stylize_image estimate_depth generate_image",
        "I did not change the saturation.",
        "saturation",
    ),
    _wish(
        r"rotate|(?:turn|rotate|tilt) (?:it |this |that |the (?:picture|photo|image) )?(?:by )?\d+ ?(?:°"
        r"|deg\w*)|quarter turn"
        r"|upside down|(?:counter|anti)?clockwise",
        "transform_image",
        "I did not turn the picture.",
        "rotate",
    ),
    _wish(
        r"(?:flip|mirror)(?! (?:on|in|above|over|behind|frame|the (?:door|wall)))",
        "transform_image",
        "I did not flip the picture.",
        "flip",
    ),
    _wish(
        r"resize|shrink|\d+ ?(?:px|pixels) (?:wide|high|tall)|(?:exactly |to |be )\d{2,4} ?(?:x|×|by) ?\d{2,4}",
        "transform_image upscale_image",
        "I did not resize the picture.",
        "width height",
    ),
    _wish(
        r"upscal\w+|enlarge|super.?resolution|twice (?:the|its) (?:size|resolution)|[2-4] ?x\b(?! ?\d)|(?:two"
        r"|three|four) times (?:the|its|as|larger|bigger)"
        r"|blow (?:it|this|that) up|higher resolution|double (?:the|its) (?:size|resolution)",
        "upscale_image transform_image",
        "I did not enlarge the picture.",
        "width height",
    ),
    _wish(
        r"(?<!no )crop(?= |,|$)(?! circle)|(?:be|get it|have it) cropped", "crop_regions", "I did not crop the picture."
    ),
    _wish(
        r"(?:remove|delete|erase|cut|take|strip|get rid of|drop|clear)\b[^.,;]{0,25}\b(?:background|bg|backdrop)"
        r"|(?:transparent|new|white|other|different|plain \w+) (?:background|backdrop)|(?:background|bg) (?:off"
        r"|out|away|removed)"
        r"|cut (?:out )?(?:it|(?:the|my|a) \w+) (?:from|out of) (?:the|its) background",
        "remove_background replace_background blur_regions",
        "I did not take the background away.",
    ),
    _wish(
        r"cut out (?:the|my|his|her|that|this) \w+",
        "remove_background segment_objects crop_regions replace_background",
        "I did not cut anything out.",
    ),
    _wish(
        rf"(?:{one_of(REMOVE)}|paint (?:\w+ )?over)(?! the background| background| bg)",
        "inpaint remove_background replace_background",
        "I did not remove anything.",
    ),
    _wish(
        rf"{one_of(REPLACE)} (?!the background|background)(?:\w+ ){{1,5}}(?:with|for|by)",
        "inpaint replace_background recolor_regions",
        "I did not replace anything.",
    ),
    _wish(
        r"re?colou?r (?:the|it|them|all)|(?:change|turn) the colou?r|colou?r (?:the|them|it|all)",
        "recolor_regions inpaint",
        "I did not change any colour.",
    ),
    _wish(
        r"(?:paint|make|turn|dye|colou?r) (?:the|his|her|my|its|their|that|this) (?:(?!of |in |on |with "
        r"|to )[\w'-]+ ){1,4}?"
        + _COLOR
        + r"(?=$|[.,;!?]| and| please| but| then| as)"
        + r"|(?:should|must|has to|have to|needs to) be (?:[\w-]+ )?"
        + _COLOR
        + r"(?=$|[.,;!?]| and| please| as)",
        "recolor_regions inpaint replace_background adjust_image",
        "I did not change any colour.",
        "saturation",
    ),
    _wish(
        r"make (?:it|this|the scene|everything) (?:look )?(?:like )?(?!out|so|possible|work|to|up|of|and|black"
        r"|gr[ae]y|bigger|larger|smaller|sharper)[\w-]+",
        _CHANGES_ALL,
        "I did not {words}.",
    ),
    _wish(
        r"(?<!he )(?<!i )(?<!they )put (?:the|my|me|him|her|it|this) (?:[\w-]+ ){0,3}(?:on|onto|in front of"
        r"|against|at) (?:an?|the)",
        "replace_background inpaint generate_with_control",
        "I did not change the background.",
    ),
    _wish(
        r"(?:in(?:to)? the style of|(?:in|into) an? \w+(?:[ -]\w+)? style)|water ?colou?r|pencil sketch"
        r"|oil painting|charcoal|cartoon(?:ify|ise|ize)|styli[sz]e",
        "stylize_image generate_image generate_with_control inpaint",
        "I did not paint the picture in another style.",
    ),
)

# ---------------------------------------------------------------------------------------- what does not count as asked

_REFUSED: Final = re.compile(
    r"\b(?:don'?t|do not|doesn'?t|does not|never|no need(?: to)?|not(?: to)?|stop|already|didn'?t|did not"
    r"|isn'?t|aren'?t|won'?t"
    r"|cannot|can'?t|couldn'?t|tired of|hate to|ignore|leave|keep|has been|was|were|had|nothing)\b[^.,:;!?]*$"
    r"|\b(?:without|instead of|rather than|except|apart from)(?: \S+){0,2} ?$",
    re.I,
)
_REFUSAL_ENDS: Final = re.compile(r"\b(?:but|and then|just|only|instead|please|so)\b| - ", re.I)
_PURPOSE: Final = re.compile(
    r"\b(?:so (?:that )?(?:i|we|he|she|they|you|nobody|it)|because|since|as (?:i|we)|in order to|i(?:'ll| will)"
    r"|we(?:'ll| will)|later|i want to|want(?:s)? to"
    r"|(?:he|she|they) (?:say|said|think|thinks|keep|keeps))\b[^.,;!?]*$",
    re.I,
)


def gaps(request: str, steps: Sequence[Step], images: Sequence[ImageEntry], turn: int) -> list[str]:
    """What the request names and no step took on, as sentences.

    Args:
        request: The person's words.
        steps: All steps, whatever came of them.
        images: Of the conversation; the k-th is ``$k``.
        turn: The request's number in the conversation.

    Returns:
        Sentences such as ``I did not look for lemons.``, none where everything was taken on.
    """
    if not steps:
        return []
    text = " ".join(request.replace("’", "'").split())
    missed = [*_undone(text, steps), *_not_looked_for(text, steps), *_unused(text, steps, images, turn)]
    return list(dict.fromkeys(missed))


# ------------------------------------------------------------------------------------------------------------- actions


def _undone(text: str, steps: Sequence[Step]) -> Iterator[str]:
    told = _strings(steps)
    for wish in _WISHES:
        if any(_takes_on(step, wish) for step in steps):
            continue
        for match in wish.words.finditer(text):
            if _is_asked(text, match.start()) and not _is_argument(match[0], told):
                yield wish.undone.format(words=match[0].lower())
                break


def _takes_on(step: Step, wish: _Wish) -> bool:
    if step["tool"] not in wish.tools:
        return False
    # One tool adjusts four properties: that it raised the contrast does not make it sharpen.
    return (
        step["tool"] not in ("adjust_image", "transform_image")
        or not wish.argument
        or any(name in step["args"] for name in wish.argument.split())
    )


def _is_asked(text: str, start: int) -> bool:
    """Whether what begins there is wished for, rather than refused, told of, or what the wish is for."""
    before = re.split(r"[.;!?]\s", text[:start])[-1]
    refused = _REFUSED.search(before)
    if refused and not _REFUSAL_ENDS.search(refused[0]):
        return False
    return not _PURPOSE.search(before)


def _is_argument(words: str, told: Sequence[str]) -> bool:
    """Whether words of the request went into an argument: a prompt, a question, an instruction."""
    wanted = re.findall(r"\w+", words.lower())
    return any(set(wanted) <= set(re.findall(r"\w+", one)) for one in told)


def _strings(steps: Sequence[Step]) -> list[str]:
    found: list[str] = []
    for step in steps:
        for value in step["args"].values():
            found += [value.lower()] if isinstance(value, str) and value[:1] not in "$#" else []
            found += [str(one).lower() for one in value] if isinstance(value, list) else []
    return found


# -------------------------------------------------------------------------------------------------------------- things

_DOMAIN: Final = {
    "face": "detect_faces",
    "person": "estimate_pose",
    "defect": "detect_anomalies",
    "text": "read_text",
    "code": "read_codes",
    "background": "remove_background",
}
_ASKS_FOR_THINGS: Final = re.compile(
    r"\b(?:find|locate|count|spot|detect|how many|where(?:'s| is| are)|number of|are there any|is there an?"
    rf"|segment|outline|blur|crop(?: to)?|{one_of(REMOVE)}|mask (?:for|of)|recolou?r)\s+(?:me |us )?"
    rf"((?:all the |(?:{one_of(DETERMINERS)} )?)[\w'-]+(?: [\w'-]+){{0,3}})",
    re.I,
)
_NOUN_ENDS: Final = re.compile(
    r"\b(?:and|or|but|because|when|where|then|in|on|at|of|off|with|from|to|for|by|is|are|was|do|does|did|can"
    r"|could|you|i|we|there|here|before|after|while|please|so"
    r"|that|which|who|if|as|it|them|this|these|those|also|too|into|onto|over|out|up|next|near|behind|under|have"
    r"|has|see|visible|each|both)\b",
    re.I,
)


def _not_looked_for(text: str, steps: Sequence[Step]) -> Iterator[str]:
    sought = [noun for step in steps for noun in read_query(str(step["args"].get("query", "")))]
    if any(step["tool"] == "detect_objects" and not step["args"].get("query") for step in steps):
        return
    if any(step["tool"] in ("segment_objects", *_EDITS_ANYTHING) and "regions" not in step["args"] for step in steps):
        return
    told = " ".join(_strings(steps))
    queries = " ".join(str(step["args"].get("query", "")).lower() for step in steps)
    missed = [thing for thing in _wanted(text, queries) if not _is_covered(thing, told, steps)]
    known = {noun.name for noun in sought}
    names = list(dict.fromkeys(plural(thing) for thing in missed if thing not in known))
    if names:
        yield f"I did not look for {join(names, 'or')}."


def _wanted(text: str, queries: str) -> Iterator[str]:
    """Objects of a wish that the word list knows, and what is listed beside a thing that was sought."""
    for match in _ASKS_FOR_THINGS.finditer(text):
        if _is_asked(text, match.start()):
            head = _head(match[1])
            if head and understand(_noun(head)).classes:
                yield head
    for match in _LISTED.finditer(text):
        first, second = _head(match[1], last=True), _head(match[2])
        if not (first and second and _is_asked(text, match.start())) or _begins_wish(match[2]):
            continue
        if _mentions(queries, first):
            yield second
        elif _mentions(queries, second) and re.search(
            r"\b(?:the|all|any|my)\s+(?:[\w'-]+ ?){1,3}$"
            r"|s$",
            match[1],
            re.I,
        ):
            yield first


_LISTED: Final = re.compile(
    r"((?:[\w'-]+ ){0,3}[\w'-]+)(?:,? (?:and|or|plus) | ?[+&] ?)((?:the |a |an |all |any "
    r"|my )?[\w'-]+(?: [\w'-]+){0,3})",
    re.I,
)


def _begins_wish(words: str) -> bool:
    first = re.sub(r"^(?:then|also|please|just|now|finally|the|a|an|all|any|my)\s+", "", words.strip().lower())
    return any(wish.words.match(first) for wish in _WISHES) or first.split()[0] in _VERBS


_VERBS: Final = frozenset(
    {
        *("make", "turn", "tell", "show", "give", "put", "paint", "mark", "say", "get", "let", "how", "what", "where"),
        *(
            "which",
            "is",
            "are",
            "do",
            "does",
            "then",
            "also",
            "we",
            "you",
            "he",
            "she",
            "it",
            "they",
            "not",
            "no",
            "if",
        ),
        *(
            "so",
            "but",
            "please",
            "cut",
            "take",
            "add",
            "change",
            "keep",
            "leave",
            "save",
            "send",
            "swap",
            "use",
            "hang",
        ),
        *("label", "box", "draw", "check", "look", "enlarge", "brighten", "darken", "desaturate", "describe", "read"),
        *("scan", "zoom", "set", "replace", "convert", "pixelate", "hide", "black", "white"),
    }
)


def _noun(head: str) -> Any:
    return next(iter(read_query(head)), None) or read_query("thing")[0]


def _head(phrase: str, *, last: bool = False) -> str:
    """The noun that a phrase begins with (or ends with), in the singular; ``""`` for none."""
    phrase = re.sub(r"^(?:(?:the|all|any|every|an?|my|his|her|their|both)\s+)+", "", phrase.strip().lower())
    nouns = read_query(_NOUN_ENDS.split(phrase)[-1 if last else 0].strip())
    name = nouns[0].name.split()[-1] if nouns else ""
    return name if name.replace("-", "").isalpha() and len(name) > 2 else ""


def _mentions(told: str, noun: str) -> bool:
    said = {singular(word) for word in re.findall(r"[\w'-]+", told)}
    return noun in said or noun.removesuffix("es") in said  # of "glasses" nobody can say whether they are for the eyes


def _is_covered(thing: str, told: str, steps: Sequence[Step]) -> bool:
    if _mentions(told, thing) or any(_DOMAIN.get(thing) == step["tool"] for step in steps):
        return True
    wanted = set(understand(_noun(thing)).classes)
    return any(wanted & set(understand(noun).classes) for part in told.split(",") for noun in read_query(part))


# -------------------------------------------------------------------------------------------------------------- images

_EACH: Final = re.compile(
    rf"\b(?:both (?:of )?(?:the |my |these |those )?(?:{_MANY_PICTURES}|ones|them|these)"
    rf"|each (?:{_PICTURE}|one|of (?:them|these|the))|(?:for|in|of) each(?=[.,;!?]|$)"
    rf"|(?:all|these|those) (?:the |of (?:the|these|them) |my )?(?:\w+ )?{_MANY_PICTURES}"
    rf"|all (?:{one_of(CARDINALS)}|of (?:them|these))|every (?:{_PICTURE}|one)|{_PICTURE} by {_PICTURE})\b",
    re.I,
)
_BOTH_IN: Final = re.compile(r"\b(?:in|on|of|for) both(?= before| please|[.,;!?]|$)", re.I)
_LEFT_OUT: Final = re.compile(
    r"\b(?:except|apart from|but not|not the|only|other than|ignore|rest|leave|stays? out|already|others?"
    r"|one of|any of|which of)\b",
    re.I,
)


def _unused(text: str, steps: Sequence[Step], images: Sequence[ImageEntry], turn: int) -> Iterator[str]:
    used = _used(steps)
    mine = [k for k, image in enumerate(images, 1) if image["turn"] == turn and image["origin"] == "user"]
    named = {k for k, image in enumerate(images, 1) if _is_named(text, k, image, len(images))}
    each = len(mine) > 1 and bool(_EACH.search(text) or _BOTH_IN.search(text)) and not _LEFT_OUT.search(text)
    if each:
        named |= set(mine)
    titled = {k for k in mine if _has_title_word(text, images[k - 1])}
    if len(titled) > 1:  # one such word may well mean something else
        named |= titled
    for k in sorted(named - used):
        yield f"I did not use ${k} ({images[k - 1]['title']})."
    if each:
        yield from _unequal(sorted(set(mine) & used), steps, images)


def _unequal(mine: Sequence[int], steps: Sequence[Step], images: Sequence[ImageEntry]) -> Iterator[str]:
    """Where the same was wanted for each image: what was done to others and not to this one."""
    done = {k: {step["tool"] for step in steps if origin(step, steps) == f"${k}"} for k in mine}
    for k in mine:
        for tool in sorted(set().union(*done.values()) - done[k] - {"compare_images"}):
            yield f"I did not {tool.replace('_', ' ')} in ${k} ({images[k - 1]['title']})."


def _used(steps: Sequence[Step]) -> set[int]:
    references = [str(value) for step in steps for value in step["args"].values()]
    references += [origin(step, steps) for step in steps]
    return {int(reference[1:]) for reference in references if re.fullmatch(r"\$\d+", reference)}


def _is_named(text: str, k: int, image: ImageEntry, count: int) -> bool:
    patterns = [rf"(?<![\w$])\${k}(?![\d.,]*\d)(?!\w)"]
    title = image["title"]
    stem = PurePath(title).stem
    if image["origin"] == "user" and title != stem:
        patterns.append(rf"(?<!\w){re.escape(title)}(?!\w)")
        if re.search(r"[_\d]", stem) and len(stem) > 3:
            patterns.append(rf"(?<!\w){re.escape(stem)}(?!\w)")
    if count > 1 and image["origin"] == "user" and k <= len(ORDINALS):
        patterns.append(rf"\b{ORDINALS[k - 1]} (?:{_PICTURE}|one)\b")
    found = (match for pattern in patterns for match in re.finditer(pattern, text, re.I))
    return any(
        _is_asked(text, match.start()) and not _LEFT_OUT.search(text[max(0, match.start() - 25) : match.start()])
        for match in found
    )


def _has_title_word(text: str, image: ImageEntry) -> bool:
    stem = PurePath(image["title"]).stem.lower()
    found = re.search(rf"\b(?:the|of|from) {re.escape(stem)}\b(?! (?:stays|is just|got|was))", text, re.I)
    return len(stem) > 2 and stem.isalpha() and found is not None and _is_asked(text, found.start())
