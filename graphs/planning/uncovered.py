"""What a plan passes over: images that its request names, things to be kept, and that nothing else be destroyed.

It reads the request by words alone, so it may err: a model that understands more is told, and decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from visiongpt_agent.graphs.planning.missing_images import named_numbers
from visiongpt_agent.graphs.planning.opposites import opposed
from visiongpt_agent.language.english import join
from visiongpt_agent.language.lexicon import BLUR, PICTURE, REMOVE, REPLACE, one_of
from visiongpt_agent.plan import Plan, Proposal, Refusal

UNASKED: Final = "it is not clear to me what is to be done to the picture: say what is to go, or what is to be shown"

_REMOVING: Final = (
    rf"{one_of((*REMOVE, *REPLACE))}|remov|eras|delet|replac|clean|clear|get(?:ting)? rid|gone|go|goes|away|off|out"
    r"|without|lose|minus|no|disappear|vanish|fix|mend|repair|retouch|restor|turn|chang|swap|substitut|put|instead|into"
    r"|paint|inpaint|cover|fill|heal|patch|wipe|drop|cut|take|strip|kill|nuke|ditch|edit|hide|only|just|rather"
    r"|(?:should|must|may|can|need|have)(?:n't| ?not| no)|not (?:be seen|to be|see|have|want|supposed)"
)
_WISHES: Final[Mapping[str, re.Pattern[str]]] = {
    tool: re.compile(rf"\b(?:{words})", re.I)
    for tool, words in {
        "inpaint": _REMOVING,
        "blur_regions": rf"{one_of(BLUR)}|blur|pixel|hid|obscur|censor|redact|anonym|mask|cover|black|unreadable"
        r"|illegible|soft|bokeh|focus|recogni|unrecogni|identif|gdpr|privacy|private|unsharp|fuzz|smudg|mosaic"
        r"|background|make|turn",
        "crop_regions": r"crop|cut|zoom|trim|close|tight|fram|only|just|single|separate|each|portrait|extract|isolat"
        r"|enlarg|magnif|read|upscal|bigger|larger|part|section|head ?shot|thumbnail|corner|square|clip",
        "remove_background": rf"{_REMOVING}|background|backdrop|transparen|isolat|extract|cutout|sticker|alone|pure"
        r"|white|png",
        "replace_background": r"background|backdrop|behind|place|put|set|in front|on a|at|against|scene|sky|beach|onto"
        r"|white|studio|rather",
    }.items()
}
_BOTH: Final = re.compile(
    rf"\bboth (?:of )?(?:the |these |those |my )?(?:{one_of(PICTURE, plural=True)}|them|these)\b", re.I
)
_APART: Final = re.compile(r"\b(?:except|apart|but not|not|only|other than|ignore|rest|leave|already|others?)\b", re.I)


def uncovered(plan: Plan, request: str, images: int) -> list[str]:
    """What a plan passes over, as clauses with "it" for the plan; none where nothing is seen.

    Args:
        plan: A plan that checks.
        request: The person's words.
        images: How many images there are in the conversation.
    """
    if plan.control:
        return []
    return [*_untouched(plan, request, images), *_opposite(plan, request)]


def only_asked(plan: Plan, request: str) -> Plan:
    """The plan; one that declines where a step of it destroys what nobody asked to be destroyed."""
    steps = unasked(plan, request)
    if not steps:
        return plan
    return Plan.decline(Refusal(cause="request", tool=steps[0].tool, detail=UNASKED))


def unasked(plan: Plan, request: str) -> list[Proposal]:
    """The steps that destroy a part of a picture where no word of the request asks for such a thing."""
    return [step for step in plan if step.tool in _WISHES and not _WISHES[step.tool].search(request)]


def _untouched(plan: Plan, request: str, images: int) -> Iterator[str]:
    used = {ref.number for step in plan for ref in step.refs if ref.sigil == "$"}
    named = {number for number in named_numbers(request) if number <= images}
    if images == 2 and _BOTH.search(request):
        named = {1, 2}
    left = sorted(named - used)
    if left and not _APART.search(request):
        yield f"it does not use {join([f'${number}' for number in left])}, which the request names"


def _opposite(plan: Plan, request: str) -> Iterator[str]:
    for search in opposed(plan, request):
        yield f'it destroys "{search.args["query"]}", which the request wants kept'
