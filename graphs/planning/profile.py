"""What is special about planning with a kind of language model, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from visiongpt_agent.graphs.planning.rules import POINTING, RULES, Rule
from visiongpt_agent.graphs.resources import LanguageModel
from visiongpt_agent.llm.local_chat import LocalChat


@dataclass(frozen=True)
class PlannerProfile:
    """How a language model is asked for plans.

    Attributes:
        writes: Whether it writes prose too. Then it reads a critique of its last plan, and may word an answer.
        grammar: Whether its plans are decoded under the grammar of plans: they always check, so it is asked once.
        prompt: What it is shown before the request: nothing (``bare``), planned requests like this one (``examples``),
            or the conventions of plans (``conventions``).
        tools: Which tools it is shown: those that it was trained on with a person's own (``trained``), or those that
            can run (``runnable``).
        rules: The rules around it, the first outermost.
    """

    writes: bool
    grammar: bool
    prompt: Literal["bare", "examples", "conventions"]
    tools: Literal["trained", "runnable"]
    rules: tuple[Rule, ...] = ()


SMALL: Final = PlannerProfile(writes=False, grammar=True, prompt="bare", tools="trained", rules=RULES)
"""The planner that comes with the package."""

LLAMA: Final = PlannerProfile(writes=True, grammar=True, prompt="examples", tools="runnable", rules=(POINTING,))
"""A local LLaMA-family model that was not trained to plan."""

CALLERS_OWN: Final = PlannerProfile(writes=True, grammar=False, prompt="conventions", tools="runnable")
"""A chat model of the caller's that calls tools: it plans what it plans, and its plan is only checked."""


def profile_of(llm: LanguageModel) -> PlannerProfile:
    """The profile of a language model."""
    if isinstance(llm.chat, LocalChat):
        return LLAMA if llm.writes else SMALL
    return replace(CALLERS_OWN, writes=llm.writes)
