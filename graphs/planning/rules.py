"""The rules around a planner: one ordered list, each rule with the request that made it necessary.

A rule stands around the model and around the rules after it in the list: a request goes through them in order, its plan
comes back through them in reverse. A rule may answer by itself, reword the request, mend the plan, or both of these.
Which rules stand around which model says its :class:`~visiongpt_agent.graphs.planning.profile.PlannerProfile`.

A new rule is a module of functions on plain values (a request's words, a plan), with its test in
``tests/graphs/planning``, and one line of :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.instructions import by_tools
from visiongpt_agent.graphs.planning.missing_images import missing_image
from visiongpt_agent.graphs.planning.pleasantries import is_pleasantry
from visiongpt_agent.graphs.planning.pointing import grounded, worded
from visiongpt_agent.graphs.planning.queries import without_feelings
from visiongpt_agent.plan import Plan, Refusal

PlanFunction = Callable[[Brief], Plan]
"""Makes a plan of a brief: a model, or a model with rules around it."""


class Rule(NamedTuple):
    """One rule.

    Attributes:
        name: What it is called.
        needed_for: A request that comes out wrong without it.
        plan: Makes the plan, itself or by calling what it stands around.
    """

    name: str
    needed_for: str
    plan: Callable[[Brief, PlanFunction], Plan]


def within(rules: Sequence[Rule], plan: PlanFunction) -> PlanFunction:
    """A plan function with rules around it, the first of them outermost."""
    for rule in reversed(rules):
        plan = _within(rule, plan)
    return plan


def _within(rule: Rule, plan: PlanFunction) -> PlanFunction:
    return lambda brief: rule.plan(brief, plan)


def _point(brief: Brief, plan: PlanFunction) -> Plan:
    made = plan(replace(brief, request=worded(brief.request, brief.pointed)))
    return grounded(made, brief.request, brief.pointed)


def _greet(brief: Brief, plan: PlanFunction) -> Plan:
    return Plan.reply() if is_pleasantry(brief.request) else plan(brief)


def _miss_image(brief: Brief, plan: PlanFunction) -> Plan:
    missing = missing_image(brief.request, brief.image_count)
    if not missing:
        return plan(brief)
    return Plan.decline(Refusal(cause="no_image", tool="", detail=f"there is no {missing} image"))


def _look_plainly(brief: Brief, plan: PlanFunction) -> Plan:
    return without_feelings(plan(brief))


def _edit_by_tool(brief: Brief, plan: PlanFunction) -> Plan:
    return by_tools(plan(brief), brief.catalog)


POINTING: Final = Rule("pointing", "remove this, with a box drawn in the picture", _point)

RULES: Final = (
    POINTING,
    Rule("pleasantry", "Hello!", _greet),
    Rule("missing image", "crop the puppy in the third picture, with two pictures", _miss_image),
    Rule("plain query", "find the blasted walking stick", _look_plainly),
    Rule("edit by tool", "before you flip it, remove the slippers", _edit_by_tool),
)
"""All rules in the order in which a request meets them."""
