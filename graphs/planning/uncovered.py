"""What a plan passes over: images that its request names, and things that are to be kept.

It reads the request by words alone, so it may err: a model that understands more is told, and decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from visiongpt_agent.graphs.planning.missing_images import named_numbers
from visiongpt_agent.graphs.planning.opposites import opposed
from visiongpt_agent.language.english import join
from visiongpt_agent.language.lexicon import PICTURE, one_of
from visiongpt_agent.plan import Plan

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
