"""The rules around a planner: whom they apply to, in which order, and what a model of the caller's own is spared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.scripted import ScriptedChat
from visiongpt_agent import PlanError, parse_plan
from visiongpt_agent.graphs.planning.ask import ATTEMPTS, no_usable_plan, request_plan
from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.profile import CALLERS_OWN, LLAMA, SMALL
from visiongpt_agent.graphs.planning.rules import POINTING, RULES, Rule, within
from visiongpt_agent.graphs.resources import GivenModel
from visiongpt_agent.plan import Plan
from visiongpt_agent.tools import catalog

LINES = ["$1 user a.jpg 8x8"]
CATALOG = {name: spec.signature for name, spec in catalog().items()}
CAPTION = "#1 = caption_image(image=$1)"


def brief(request: str) -> Brief:
    return Brief(request, LINES, 1, CATALOG)


def removal(query: str) -> str:
    return (
        f'#1 = detect_objects(image=$1, query="{query}")\n'
        "#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)"
    )


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        ("Hello!", CAPTION),
        ("crop the second picture in the album", '#1 = edit_image(image=$1, instruction="crop it")'),
        ("remove the cup", '#1 = edit_image(image=$1, instruction="remove the cup")'),
        ("find the ugly cup", '#1 = detect_objects(image=$1, query="ugly cup")'),
        ("find the dog and highlight it", removal("dog")),
        ("show me only the dog", CAPTION),
    ],
)
def test_a_model_of_the_callers_own_plans_what_it_plans(request_: str, plan: str) -> None:
    chat = ScriptedChat(script=[plan])

    made = request_plan(GivenModel(chat), [], brief(request_))

    assert str(made) == plan
    assert len(chat.asked) == 1
    assert chat.asked[0][-1].text.endswith(f"Request: {request_}")


def test_its_plan_is_checked_and_it_is_told_what_is_wrong() -> None:
    chat = ScriptedChat(script=["#1 = caption_image(image=$7)", CAPTION])

    assert str(request_plan(GivenModel(chat), [], brief("describe it"))) == CAPTION
    assert "there is no image $7" in chat.asked[1][-1].text


def test_it_is_told_so_only_so_often() -> None:
    chat = ScriptedChat(script=["#1 = caption_image(image=$7)"])

    with pytest.raises(PlanError, match=r"there is no image \$7"):
        request_plan(GivenModel(chat), [], brief("describe it"))
    assert len(chat.asked) == ATTEMPTS


def test_rules_made_for_the_small_planner_apply_to_it_alone() -> None:
    assert SMALL.rules == RULES
    assert LLAMA.rules == (POINTING,)
    assert CALLERS_OWN.rules == ()


@pytest.mark.parametrize(
    ("request_", "plan", "mended"),
    [
        ("Hello!", CAPTION, "reply()"),
        ("crop the puppy in the third picture", CAPTION, 'decline(reason="there is no third image")'),
        ("remove the cup", '#1 = edit_image(image=$1, instruction="remove the cup")', removal("cup")),
        (
            "find the ugly cup",
            '#1 = detect_objects(image=$1, query="ugly cup")',
            '#1 = detect_objects(image=$1, query="cup")',
        ),
        ("describe it", CAPTION, CAPTION),
    ],
)
def test_plans_of_the_small_planner_are_mended(request_: str, plan: str, mended: str) -> None:
    made = within(RULES, lambda _: parse_plan(plan))(brief(request_))

    assert str(made) == mended
    made.check(CATALOG, 1)


def test_a_refusal_of_a_rule_says_its_cause() -> None:
    made = within(RULES, lambda _: parse_plan(CAPTION))(brief("crop the puppy in the third picture"))

    assert made.refusal == {"cause": "no_image", "tool": "", "detail": "there is no third image"}
    assert no_usable_plan(PlanError("so")).refusal == {"cause": "no_plan", "tool": "", "detail": "so"}


def test_the_first_rule_is_outermost() -> None:
    order: list[str] = []

    def noting(name: str) -> Rule:
        def plan(asked: Brief, rest: object) -> Plan:
            order.append(f"{name} before")
            made: Plan = rest(asked)  # type: ignore[operator]
            order.append(f"{name} after")
            return made

        return Rule(name, "", plan)

    within([noting("a"), noting("b")], lambda _: parse_plan(CAPTION))(brief("x"))

    assert order == ["a before", "b before", "b after", "a after"]


def test_every_rule_has_a_name_of_its_own_and_says_what_it_is_needed_for() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.needed_for for rule in RULES)


@pytest.mark.parametrize(("tool", "goes_to_the_model"), [("pixelate_areas", True), ("weigh", False)])
def test_what_may_mean_an_added_tool_is_not_read_by_rule(tool: str, goes_to_the_model: bool) -> None:
    (plainly,) = (rule for rule in RULES if rule.name == "plain edits")
    asked = replace(brief("pixelate the cup"), catalog={**CATALOG, tool: replace(CATALOG["caption_image"], tool=tool)})

    made = within((plainly,), lambda _: parse_plan(CAPTION))(asked)

    assert (str(made) == CAPTION) is goes_to_the_model
