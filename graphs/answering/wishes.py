"""Words that ask for something, the tools that could do it, and what is said where none of them was used.

Edits of the whole picture have their own reader, which also takes in how much is wanted
(:mod:`~visiongpt_agent.graphs.answering.edits_asked`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from visiongpt_agent.language.lexicon import COLORS, DETERMINERS, REMOVE, REPLACE, one_of

_MAKES: Final = frozenset({"generate_image", "generate_with_control", "edit_image"})
_CHANGES_ALL: Final = _MAKES | {
    *("adjust_image", "stylize_image", "transform_image", "upscale_image", "recolor_regions", "replace_background")
}
_FINDS: Final = frozenset(
    {"detect_objects", "segment_objects", "detect_faces", "detect_anomalies", "estimate_pose", "answer_question"}
)


@dataclass(frozen=True)
class Wish:
    """Words that ask for something, the tools that take it on, and how to say that it was not done."""

    words: re.Pattern[str]
    tools: frozenset[str]
    undone: str


def _wish(words: str, tools: str | Iterable[str], undone: str) -> Wish:
    names = tools.split() if isinstance(tools, str) else tools
    return Wish(re.compile(rf"\b(?:{words})\b", re.I), frozenset(names), undone)


_THINGS: Final = rf"(?:{one_of(DETERMINERS)}\s+)?"
_COLOR: Final = rf"(?!black (?:and|&) white){one_of(COLORS)}"
WISHES: Final = (
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
        r"(?:write|print|put|add)(?= (?!.em\b)(?:[a-z]+ ){0,3}[\"'“‘«])",
        "add_text edit_image inpaint",
        "I did not write anything on the picture.",
    ),
    _wish(
        r"(?:put|place|show|combine|join|arrange|lay) [^.;!?]{0,30}(?:side by side|next to each other)"
        r"|stack (?:them|both|the (?:two )?(?:pictures|images|photos))",
        "combine_images compare_images",
        "I did not put the pictures into one.",
    ),
    _wish(
        r"(?:in(?:to)? the style of|(?:in|into) an? \w+(?:[ -]\w+)? style)|water ?colou?r|pencil sketch"
        r"|oil painting|charcoal|cartoon(?:ify|ise|ize)|styli[sz]e",
        "stylize_image generate_image generate_with_control inpaint",
        "I did not paint the picture in another style.",
    ),
)

# ------------------------------------------------------------------------------------------- what is no wish

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


def is_wished(text: str, start: int) -> bool:
    """Whether the words at ``start`` are a wish: not a refusal, a story, or a purpose ("so that I can crop it")."""
    before = re.split(r"[.;!?]\s", text[:start])[-1]
    refused = _REFUSED.search(before)
    if refused and not _REFUSAL_ENDS.search(refused[0]):
        return False
    return not _PURPOSE.search(before)
