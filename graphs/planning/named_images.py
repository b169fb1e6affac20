"""The image that a request names is the one that its plan works on: ``the original``, ``the first result``, ``$2``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from visiongpt_agent.language.lexicon import ORDINALS, PICTURE, one_of
from visiongpt_agent.plan import Plan, Ref

_ORIGINAL: Final = re.compile(
    rf"\bthe (?:original|initial|unedited|untouched)\b(?: {one_of((*PICTURE, 'one', 'version'))})?"
    r"(?! \w+ly| (?:size|colou?r))"
    rf"|\bthe very first {one_of((*PICTURE, 'one'))}\b",
    re.I,
)
_RESULT: Final = re.compile(rf"\bthe (?P<which>{one_of(ORDINALS)}|last|latest) (?:result|edit|version)\b", re.I)
_REFERENCE: Final = re.compile(r"(?<![\w$])\$(\d{1,2})(?![\d.,]*\d)(?!\w)")


def image_named(request: str, images: Sequence[str]) -> int:
    """The ``k`` of the one image that a request names, 0 where it names none, or several.

    Args:
        request: The person's words.
        images: The images as a planner reads them, all of them.
    """
    results = [k for k, line in enumerate(images, 1) if " result of " in line]
    given = [k for k in range(1, len(images) + 1) if k not in results]
    named = {int(number) for number in _REFERENCE.findall(request)}
    if _ORIGINAL.search(request) and results and len(given) == 1:
        named.add(given[0])
    for match in _RESULT.finditer(request):
        which = match["which"].casefold()
        at = len(results) - 1 if which in ("last", "latest") else ORDINALS.index(which)
        if 0 <= at < len(results):
            named.add(results[at])
    return named.pop() if len(named) == 1 and max(named) <= len(images) else 0


def on_named_image(plan: Plan, request: str, images: Sequence[str]) -> Plan:
    """The plan on the image that the request names, where it works on one image alone."""
    named = image_named(request, images)
    used = {ref for proposal in plan for ref in proposal.refs if ref.sigil == "$"}
    if not named or len(used) != 1 or used == {Ref("$", named)}:
        return plan
    return Plan(
        tuple(replace(p, args={k: Ref("$", named) if v in used else v for k, v in p.args.items()}) for p in plan)
    )
