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
from visiongpt_agent.graphs.planning.every_page import over_pages
from visiongpt_agent.graphs.planning.file_facts import asks_about_file
from visiongpt_agent.graphs.planning.file_names import without_paths
from visiongpt_agent.graphs.planning.instructions import by_tools
from visiongpt_agent.graphs.planning.missing_images import missing_image
from visiongpt_agent.graphs.planning.named_images import on_named_image
from visiongpt_agent.graphs.planning.numbers import in_digits
from visiongpt_agent.graphs.planning.opposites import never_opposite
from visiongpt_agent.graphs.planning.plain_edits import read_plainly
from visiongpt_agent.graphs.planning.pleasantries import is_pleasantry
from visiongpt_agent.graphs.planning.pointing import grounded, worded
from visiongpt_agent.graphs.planning.queries import without_feelings
from visiongpt_agent.graphs.planning.unworkable import unworkable
from visiongpt_agent.language.languages import other_language
from visiongpt_agent.llm.fitting import beginnings
from visiongpt_agent.plan import Plan, Refusal
from visiongpt_agent.tools import catalog

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


def _know_the_language(brief: Brief, plan: PlanFunction) -> Plan:
    code = other_language(brief.request)
    if not code:
        return plan(brief)
    return Plan.decline(Refusal(cause="language", tool="", detail=code), "only English is understood here")


def _miss_image(brief: Brief, plan: PlanFunction) -> Plan:
    missing = missing_image(brief.request, brief.image_count)
    if not missing:
        return plan(brief)
    return Plan.decline(Refusal(cause="no_image", tool="", detail=f"there is no {missing} image"))


def _refuse_unworkable(brief: Brief, plan: PlanFunction) -> Plan:
    why = unworkable(brief.request)
    return Plan.decline(Refusal(cause="request", tool="", detail=why)) if why else plan(brief)


def _know_file(brief: Brief, plan: PlanFunction) -> Plan:
    return Plan.reply() if brief.image_count and asks_about_file(brief.request) else plan(brief)


def _name_images(brief: Brief, plan: PlanFunction) -> Plan:
    return plan(replace(brief, request=without_paths(brief.request, brief.images)))


def _write_digits(brief: Brief, plan: PlanFunction) -> Plan:
    return plan(replace(brief, request=in_digits(brief.request)))


def _read_plainly(brief: Brief, plan: PlanFunction) -> Plan:
    if len(brief.images) != brief.image_count or _speaks_of_added(brief):
        return plan(brief)
    return read_plainly(brief.request, brief.images, brief.catalog) or plan(brief)


def _speaks_of_added(brief: Brief) -> bool:
    """Whether the request has a word of the name of a tool that a person added: then that tool may be meant."""
    added = " ".join(brief.catalog.keys() - catalog(offered=False).keys()).replace("_", " ")
    return bool(beginnings(added) & beginnings(brief.request))


def _never_opposite(brief: Brief, plan: PlanFunction) -> Plan:
    return never_opposite(brief.request, lambda words: plan(replace(brief, request=words)), brief.catalog)


def _take_named_image(brief: Brief, plan: PlanFunction) -> Plan:
    made = plan(brief)
    return on_named_image(made, brief.request, brief.images) if len(brief.images) == brief.image_count else made


def _look_plainly(brief: Brief, plan: PlanFunction) -> Plan:
    return without_feelings(plan(brief))


def _edit_by_tool(brief: Brief, plan: PlanFunction) -> Plan:
    return by_tools(plan(brief), brief.catalog)


def _read_every_page(brief: Brief, plan: PlanFunction) -> Plan:
    return over_pages(plan(brief), brief.request, brief.documents)


POINTING: Final = Rule("pointing", "remove this, with a box drawn in the picture", _point)

RULES: Final = (
    POINTING,
    Rule("pleasantry", "Hello!", _greet),
    Rule("language", "Wie viele Personen sind auf dem Bild?", _know_the_language),
    Rule("missing image", "crop the puppy in the third picture, with two pictures", _miss_image),
    Rule("no wish, no value", "upscale it by -2", _refuse_unworkable),
    Rule("file facts", "what are the dimensions of this image?", _know_file),
    Rule("file names", "segment the objects in resources/x.png", _name_images),
    Rule("digits", "resize to 1,920 by 1,080", _write_digits),
    Rule("named image", "flip the first result, of three images", _take_named_image),
    Rule("plain edits", "black and white, flip it horizontally, then vertically, then horizontally", _read_plainly),
    Rule("never the opposite", "leave the cat and delete the laundry basket", _never_opposite),
    Rule("every page", "read the text, with a PDF of three pages", _read_every_page),
    Rule("plain query", "find the blasted walking stick", _look_plainly),
    Rule("edit by tool", "before you flip it, remove the slippers", _edit_by_tool),
)
"""All rules in the order in which a request meets them."""
