"""What is looked for is named without what a person feels about it."""

from __future__ import annotations

import pytest

from tests.graphs.planning.test_instructions import right_plans
from visiongpt_agent.graphs.planning.queries import without_feelings
from visiongpt_agent.plan import parse_plan


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("blasted walking stick", "walking stick"),
        ("Damn traffic cone, stupid sign", "traffic cone, sign"),
        ("man in the ugly hat", "man in the hat"),
        ("stupid", "stupid"),
        ("bloody bandage, flaming torch", "bloody bandage, flaming torch"),
        ("damned-if-you-do tattoo", "damned-if-you-do tattoo"),
        ("red bus", "red bus"),
        ("", ""),
    ],
)
def test_a_query(query: str, left: str) -> None:
    plan = parse_plan(f'#1 = detect_objects(image=$1, query="{query}")' if query else "#1 = detect_objects(image=$1)")
    made = without_feelings(plan)
    assert made.proposals[0].args.get("query", "") == left


def test_prompts_and_instructions_keep_their_words() -> None:
    plan = parse_plan(
        '#1 = generate_image(prompt="ugly duckling")\n#2 = edit_image(image=#1, instruction="make it ugly")'
    )
    assert without_feelings(plan) == plan


def test_no_plan_that_is_right_is_changed() -> None:
    assert [str(plan) for plan in right_plans() if without_feelings(plan) != plan] == []
