"""Scores of plans: what counts as the same plan, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from visiongpt_agent.errors import InputError
from visiongpt_agent.plan_scores import Gold, PlanScores, score_plan
from visiongpt_agent.tools import catalog

CATALOG = {name: spec.signature for name, spec in catalog().items()}

REMOVE_DOG = (
    '#1 = detect_objects(image=$1, query="dog")\n#2 = segment_objects(image=$1, regions=#1)\n'
    "#3 = inpaint(image=$1, regions=#2)"
)


def gold(plan: str, **more: Any) -> Gold:
    return Gold.of({"plan": plan, **more}, "line 1")


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ('#1 = detect_objects(image=$1, query="dog, lemon")', '#1 = detect_objects(image=$1, query="the Dogs,lemons")'),
        ("#1 = upscale_image(image=$1)", "#1 = upscale_image(image=$1, scale=4)"),
        ("#1 = transform_image(image=$1, rotate=270)", "#1 = transform_image(image=$1, rotate=-90)"),
        ('#1 = stylize_image(image=$1, style="watercolour")', '#1 = stylize_image(image=$1, style="a watercolor")'),
        ('decline(reason="no tool for audio")', 'decline(reason="sound cannot be made")'),
        ('decline(reason="no image given")', 'decline(reason="there is no third picture")'),
    ],
)
def test_the_same_plan_in_other_spelling_is_exact(wanted: str, made: str) -> None:
    assert score_plan(made, gold(wanted), CATALOG, images=1).exact


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ('#1 = detect_objects(image=$1, query="dog, lemon")', '#1 = detect_objects(image=$1, query="lemon, dog")'),
        ('#1 = detect_objects(image=$1, query="dog")', "#1 = detect_objects(image=$1)"),
        ("#1 = upscale_image(image=$1)", "#1 = upscale_image(image=$1, scale=2)"),
        ("#1 = read_text(image=$1)", "#1 = read_text(image=$2)"),
        ('decline(reason="no tool for audio")', 'decline(reason="no image given")'),
        ("reply()", 'decline(reason="no tool for audio")'),
    ],
)
def test_another_plan_is_not(wanted: str, made: str) -> None:
    score = score_plan(made, gold(wanted), CATALOG, images=2)

    assert score.valid
    assert not score.exact


def test_alternatives_tolerances_and_free_words() -> None:
    brighter = gold(
        "#1 = adjust_image(image=$1, brightness=1.5)",
        also=['#1 = edit_image(image=$1, instruction="make it brighter")'],
        tolerance={"brightness": [1.1, 2]},
        free=["instruction"],
    )

    for made, right in (
        ("#1 = adjust_image(image=$1, brightness=1.2)", True),
        ("#1 = adjust_image(image=$1, brightness=0.8)", False),
        ("#1 = adjust_image(image=$1, contrast=1.2)", False),
        ('#1 = edit_image(image=$1, instruction="lighten the photo")', True),
    ):
        assert score_plan(made, brighter, CATALOG, images=1).exact is right, made


def test_part_of_a_plan_counts_in_part() -> None:
    score = score_plan('#1 = detect_objects(image=$1, query="cat")', gold(REMOVE_DOG), CATALOG, images=1)

    assert score.tool_f1 == pytest.approx(2 * 1 / (1 + 3))
    assert (score.shared, score.made, score.wanted) == (1, 2, 6)  # image=$1 is shared, the query is not


@pytest.mark.parametrize(
    "made",
    ["", "hello", "#1 = fly(image=$1)", "#1 = read_text(image=$3)", "#1 = read_text()", "#2 = read_text(image=$1)"],
)
def test_what_does_not_check_is_not_valid(made: str) -> None:
    score = score_plan(made, gold("#1 = read_text(image=$1)"), CATALOG, images=1)

    assert (score.valid, score.exact, score.tool_f1) == (False, False, 0.0)


def test_sums_by_kind() -> None:
    right = gold("#1 = read_text(image=$1)")
    scores = [score_plan(made, right, CATALOG, 1) for made in ("#1 = read_text(image=$1)", "reply()", "?")]

    found = PlanScores.of(scores, ["single", "single", "hard"], [0.1, 0.3, 9.0])

    assert found.exact == pytest.approx(1 / 3)
    assert found.valid == pytest.approx(2 / 3)
    assert found.seconds == 0.3
    assert found.kinds == {"hard": (0, 1), "single": (1, 2)}
    assert found.argument_f1 == pytest.approx(2 * 1 / (1 + 3))


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({}, 'no "plan"'),
        ({"plan": "what?"}, "cannot be read"),
        ({"plan": "reply()", "also": ["?"]}, "cannot be read"),
        ({"plan": "reply()", "tolerance": {"scale": 3}}, "not as it should be"),
    ],
)
def test_a_record_that_cannot_be_compared_with_is_named(record: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=rf"^line 7.*{fault}"):
        Gold.of(record, "line 7")
