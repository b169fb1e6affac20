"""What is left out of a planner's prompt that is longer than the model's context.

First the turns before the last one go, the oldest first: examples and what was said earlier. Then the tools that are
least like the request; the request itself is never cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from visiongpt_agent.errors import PlanError
from visiongpt_agent.plan import Signature

Turn = dict[str, str]
"""One turn of a chat: ``role`` and ``content``."""

FEWEST_TOOLS: Final = 4
"""With fewer tools than that a plan is hardly worth making."""


@dataclass(frozen=True)
class Fitted:
    """What of a conversation and of the tools is shown.

    Attributes:
        turns: The turns kept; the last one is the request.
        tools: The tools kept, in their order.
        turns_left_out: How many turns are not shown.
        tools_left_out: The names of the tools that are not shown.
    """

    turns: Sequence[Turn]
    tools: Sequence[Signature]
    turns_left_out: int = 0
    tools_left_out: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not (self.turns_left_out or self.tools_left_out)


def fitted(turns: Sequence[Turn], tools: Sequence[Signature], fits: Callable[[Fitted], bool]) -> Fitted:
    """The fullest form that fits.

    Args:
        turns: System and alternating user and assistant turns; the last one is the request.
        tools: All tools.
        fits: Whether a form is short enough.

    Raises:
        PlanError: If not even the shortest form fits.
    """
    for form in _ever_shorter(turns, tools):
        if fits(form):
            return form
    raise PlanError("the request does not fit into the language model's context: say it shorter")


def _ever_shorter(turns: Sequence[Turn], tools: Sequence[Signature]) -> Iterator[Fitted]:
    system = [turn for turn in turns if turn["role"] == "system"]
    said = [turn for turn in turns if turn["role"] != "system"]
    for start in range(0, max(1, len(said)), 2):  # a user turn and its answer go together
        shown = [*system, *said[start:]]
        yield Fitted(shown, tools, start)
    left_out = len(turns) - len(shown)
    request = said[-1]["content"] if said else ""
    ranked = sorted(tools, key=lambda tool: -likeness(tool, request))
    kept = len(tools) // 2
    while kept >= FEWEST_TOOLS:
        names = {tool.tool for tool in ranked[:kept]}
        lost = tuple(tool.tool for tool in tools if tool.tool not in names)
        yield Fitted(shown, [tool for tool in tools if tool.tool in names], left_out, lost)
        kept //= 2


def likeness(tool: Signature, request: str) -> int:
    """How many words of the tool's line the request has, by their beginnings."""
    return len(beginnings(f"{tool.tool} {tool.summary}") & beginnings(request))


def beginnings(text: str) -> set[str]:
    """The first four letters of each word of three or more."""
    return {word[:4] for word in re.findall(r"[^\W_]{3,}", text.casefold())}
