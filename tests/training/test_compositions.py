"""Composed requests: each wish's plan moved to where it belongs."""

from __future__ import annotations

import random

import pytest

from visiongpt_agent.plan import Signature, parse_plan
from visiongpt_agent.training import compositions
from visiongpt_agent.training.compositions import chained, draw_clause, joined

REMOVE = parse_plan(
    '#1 = detect_objects(image=$1, query="bus")\n#2 = segment_objects(image=$1, regions=#1)\n'
    "#3 = inpaint(image=$1, regions=#2)"
)
DEPTH = parse_plan("#1 = estimate_depth(image=$1)")
COUNT = parse_plan('#1 = detect_objects(image=$1, query="dog")')
UPSCALE = parse_plan("#1 = upscale_image(image=$1)")


def test_a_chain_works_on_the_newest_picture(own: tuple[Signature, ...]) -> None:
    catalog = {signature.tool: signature for signature in own}

    plan = chained([REMOVE, COUNT, UPSCALE], catalog)

    assert [str(p) for p in plan][3:] == [
        '#4 = detect_objects(image=#3, query="dog")',
        "#5 = upscale_image(image=#3)",
    ]


def test_a_depth_map_is_not_gone_on_with(own: tuple[Signature, ...]) -> None:
    catalog = {signature.tool: signature for signature in own}

    assert str(chained([DEPTH, UPSCALE], catalog)).endswith("#2 = upscale_image(image=$1)")


def test_plans_for_several_pictures_keep_their_own(own: tuple[Signature, ...]) -> None:
    two = parse_plan("#1 = detect_faces(image=$2)\n#2 = blur_regions(image=$2, regions=#1)")

    assert str(joined([DEPTH, two])).split("\n")[1:] == [
        "#2 = detect_faces(image=$2)",
        "#3 = blur_regions(image=$2, regions=#2)",
    ]


@pytest.mark.parametrize("kind", ["chain", "several", "single"])
def test_composed_plans_check(kind: str, own: tuple[Signature, ...]) -> None:
    catalog = {signature.tool: signature for signature in own}
    rng = random.Random(7)
    for _ in range(400):
        made = compositions.single(rng) if kind == "single" else getattr(compositions, kind)(rng, catalog)
        made.plan.check(catalog, len(made.images))
        assert "{" not in made.request


def test_every_wording_can_be_drawn() -> None:
    rng = random.Random(0)

    said = {draw_clause(rng).words for _ in range(3000)}

    assert len(said) > 2000
