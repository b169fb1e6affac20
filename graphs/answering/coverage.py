"""What of a request no step met: images, things, actions and amounts that it names and the plan passed over.

It reads the request with a table of wishes (words that ask for something, and the tools that could do it) and with a
reader of edits (turns, mirrorings, factors, sizes), not with a language model, and is silent where it is not sure: a
gap that is told where there is none is worse than one more that is missed. A step that was tried counts, whatever came
of it: that is told by the step itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from visiongpt_agent.graphs.answering.edits import unmet_edits
from visiongpt_agent.graphs.answering.edits_asked import WantedEdit, edits_wanted
from visiongpt_agent.graphs.answering.unused_images import unused_images
from visiongpt_agent.graphs.answering.wishes import WISHES, is_wished
from visiongpt_agent.graphs.state import ImageEntry, Step
from visiongpt_agent.language import sentences
from visiongpt_agent.language.english import join, plural, singular
from visiongpt_agent.language.lexicon import BLUR, COLORS, DETERMINERS, REMOVE, one_of
from visiongpt_agent.language.vocabulary import read_query, understand

_EDITS_ANYTHING: Final = frozenset({"edit_image"})


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
    missed = [
        *_unmet_wishes(text, steps, images),
        *_not_looked_for(text, steps),
        *unused_images(text, steps, images, turn),
    ]
    return list(dict.fromkeys(missed))


# ------------------------------------------------------------------------------------------------------------- actions


def _unmet_wishes(text: str, steps: Sequence[Step], images: Sequence[ImageEntry]) -> Iterator[str]:
    arguments = _strings(steps)
    edits = [edit for edit in edits_wanted(text, is_wished) if not _is_argument(edit.words, arguments)]
    for wish in WISHES:
        if any(step["tool"] in wish.tools for step in steps):
            continue
        for match in wish.words.finditer(text):
            if _reads_as_edit(match, edits, text) or not is_wished(text, match.start()):
                continue
            if not _is_argument(match[0], arguments):
                yield wish.undone.format(words=match[0].lower())
                break
    yield from unmet_edits(text, edits, steps, images)
    yield from _other_colours(text, steps)
    yield from _other_side_blurred(text, steps)
    yield from _faces_left(text, steps)


def _reads_as_edit(match: re.Match[str], edits: Sequence[WantedEdit], text: str) -> bool:
    """Whether the words of a wish hold those of an edit, which is judged by its amount."""
    return any(edit.words.lower().split()[-1] in match[0].lower().split() for edit in edits)


_PAINTS: Final = re.compile(
    rf"\b(?:re)?(?:colou?r|paint|make|turn|dye)\b[^.;!?]*?\b({one_of(COLORS)})\b(?=\W*(?:$|[.,;!?]|and|please|but|then))",
    re.I,
)


def _other_colours(text: str, steps: Sequence[Step]) -> Iterator[str]:
    """Where things were painted in a colour that the request does not name, though it names one."""
    used = [str(step["args"].get("color", "")) for step in steps if step["tool"] == "recolor_regions"]
    wish = _PAINTS.search(text)
    if not (used and wish and is_wished(text, wish.start())):
        return
    named = [_colours_in(color) for color in used]
    if all(named) and not any(_colours_in(wish[1]) & colors for colors in named):
        yield f"I did not paint anything {wish[1].lower()}."


def _colours_in(words: str) -> set[str]:
    return {word.replace("gray", "grey") for word in re.findall(r"[a-z]+", words.lower())} & set(COLORS)


_BLURS: Final = re.compile(r"\bblur(?:red)? (?!the line)([^.,;!?]*)", re.I)
_AROUND: Final = re.compile(
    r"\b(?:background|backdrop|surroundings|all but|the rest|every(?:thing|one) (?:else|but|except|behind|around))\b",
    re.I,
)
_PRIVATE: Final = re.compile(rf"(?:{one_of(DETERMINERS)} )*(?:\w+ )?(?:faces?|plates?|names?|eyes)\b", re.I)


def _other_side_blurred(text: str, steps: Sequence[Step]) -> Iterator[str]:
    """Where the things were blurred and not what is around them, or the other way round."""
    blur = _BLURS.search(text)
    blurs = [step for step in steps if step["tool"] == "blur_regions"]
    if not (blur and blurs and is_wished(text, blur.start())):
        return
    is_inverted = [bool(step["args"].get("invert")) for step in blurs]
    if _AROUND.search(blur[1]):
        if not any(is_inverted) and "background" not in " ".join(_strings(steps)):
            yield "I blurred the things themselves, not what is around them."
    elif _PRIVATE.match(blur[1]) and all(is_inverted):
        yield "I blurred what is around them, not the things themselves."


_EVERY_FACE: Final = re.compile(
    rf"\b{one_of((*BLUR, 'hide', 'black out', 'cover'))}\b[^.;!?]*\bfaces\b|\b(?:every|each|all) [^.;!?]*\bfaces?\b",
    re.I,
)


def _faces_left(text: str, steps: Sequence[Step]) -> Iterator[str]:
    """People on whom no face was found to blur, where all faces were to be blurred."""
    if not _EVERY_FACE.search(text):
        return
    blurred = {ref for step in steps if step["tool"] == "blur_regions" for ref in map(str, step["args"].values())}
    for step in steps:
        facts = step["artifact"].get("facts", {})
        if step["tool"] == "detect_faces" and f"#{step['id']}" in blurred and facts.get("faceless"):
            yield sentences.faces_left(facts["people"], facts["faceless"])


def _is_argument(words: str, arguments: Sequence[str]) -> bool:
    """Whether words of the request went into an argument: a prompt, a question, an instruction."""
    wanted = set(re.findall(r"\w+", words.lower()))
    return any(wanted <= set(re.findall(r"\w+", argument)) for argument in arguments)


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
        if is_wished(text, match.start()):
            head = _head(match[1])
            if head and understand(_noun(head)).classes:
                yield head
    for match in _LISTED.finditer(text):
        first, second = _head(match[1], last=True), _head(match[2])
        if not (first and second and is_wished(text, match.start())) or _begins_wish(match[2]):
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
    return any(wish.words.match(first) for wish in WISHES) or first.split()[0] in _VERBS


_VERBS: Final = frozenset(
    [
        "make",
        "turn",
        "tell",
        "show",
        "give",
        "put",
        "paint",
        "mark",
        "say",
        "get",
        "let",
        "how",
        "what",
        "where",
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
        "label",
        "box",
        "draw",
        "check",
        "look",
        "enlarge",
        "brighten",
        "darken",
        "desaturate",
        "describe",
        "read",
        "scan",
        "zoom",
        "set",
        "replace",
        "convert",
        "pixelate",
        "hide",
        "black",
        "white",
        "flip",
        "mirror",
        "rotate",
        "resize",
        "sharpen",
        "shrink",
        "lighten",
        "upscale",
        "highlight",
        "spotlight",
        "circle",
        "point",
        "redact",
        "write",
        "print",
        "invert",
        "stack",
        "combine",
        "nothing",
    ]
)
"""Words that a listing does not go on with: another wish begins."""


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
