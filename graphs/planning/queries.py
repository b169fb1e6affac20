"""Queries without what a person feels about the thing: a detector looks for a walking stick, not for a blasted one."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.plan import Plan, Proposal

_FELT: Final = frozenset(
    {
        *("annoying", "awful", "blasted", "confounded", "cursed", "damn", "damned", "dratted", "dreadful", "freaking"),
        *("goddamn", "hideous", "horrible", "horrid", "idiotic", "pesky", "stupid", "ugly", "wretched"),
    }
)
"""Not those that may be meant as they are said, as bloody, flaming and blooming."""
_WORD: Final = re.compile(r"[\w'’-]+ ?")


def without_feelings(plan: Plan) -> Plan:
    """The plan with words such as "blasted" left out of what ``detect_objects`` looks for.

    They stay where nothing else is said: ``the ugly`` may be the name of a figure.
    """
    return Plan(tuple(_plain(proposal) for proposal in plan))


def _plain(proposal: Proposal) -> Proposal:
    query = proposal.args.get("query")
    if proposal.tool != "detect_objects" or not isinstance(query, str):
        return proposal
    left = ", ".join(_without(noun) for noun in query.split(", "))
    return proposal if left == query else Proposal(proposal.id, proposal.tool, {**proposal.args, "query": left})


def _without(noun: str) -> str:
    left = _WORD.sub(lambda match: "" if match[0].strip().casefold() in _FELT else match[0], noun).strip()
    return left or noun
