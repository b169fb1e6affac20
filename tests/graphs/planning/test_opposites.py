"""What a request wants kept or shown is never removed, painted over or blurred."""

from __future__ import annotations

import pytest

from tests.graphs.planning.scored import requests_with_plans
from visiongpt_agent.graphs.planning.opposites import UNCLEAR, never_opposite, protects, without_protection
from visiongpt_agent.plan import Plan, parse_plan


def removal(query: str) -> Plan:
    return parse_plan(
        f'#1 = detect_objects(image=$1, query="{query}")\n'
        "#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)"
    )


def blurring(query: str) -> Plan:
    return parse_plan(
        f'#1 = detect_objects(image=$1, query="{query}")\n#2 = blur_regions(image=$1, regions=#1)\n'
        "#3 = upscale_image(image=#2, scale=2)"
    )


@pytest.mark.parametrize(
    ("request_", "thing"),
    [
        ("leave the swan, delete the duck", "swan"),
        ("keep the old heron by the reeds but erase the boats", "heron"),
        ("the kettle must stay; take out the pans", "kettle"),
        ("remove the bench, not the oak", "oak"),
        ("blur everyone but the bride", "bride"),
        ("erase all boats other than the ferries", "ferry"),
        ("I want only the violin", "violin"),
        ("the violin and nothing else", "violin"),
        ("don't remove the cat", "cat"),
    ],
)
def test_what_a_request_protects(request_: str, thing: str) -> None:
    assert protects(request_, thing)


@pytest.mark.parametrize(
    ("request_", "thing"),
    [
        ("leave the swan, delete the duck", "duck"),
        ("remove the swan", "swan"),
        ("don't keep the kettle", "kettle"),
        ("Everything about it is perfect except the pump. Out with it", "pump"),
        ("the shadow of the cable remains", "shadow of the cable"),
    ],
)
def test_what_it_does_not(request_: str, thing: str) -> None:
    assert not protects(request_, thing)


def test_the_model_is_asked_again_without_the_clause_that_misled_it() -> None:
    asked: list[str] = []

    def plan(words: str) -> Plan:
        asked.append(words)
        return removal("swan" if "swan" in words else "duck")

    assert never_opposite("leave the swan, delete the duck", plan, ()) == removal("duck")
    assert asked == ["leave the swan, delete the duck", "delete the duck"]


def test_where_it_still_does_the_opposite_the_request_is_declined() -> None:
    made = never_opposite("keep the oak but take away the bench", lambda _: removal("oak"), ())

    assert made.refusal == {"cause": "request", "tool": "", "detail": UNCLEAR}


def test_all_but_a_thing_turns_the_blur_round() -> None:
    assert str(never_opposite("blur everyone but the bride", lambda _: blurring("bride"), ())) == (
        '#1 = detect_objects(image=$1, query="bride")\n#2 = segment_objects(image=$1, regions=#1)\n'
        "#3 = blur_regions(image=$1, regions=#2, invert=true)\n#4 = upscale_image(image=#3, scale=2)"
    )


@pytest.mark.parametrize("request_", ["find the dog and highlight it", "mark the dog", "draw a box around the dog"])
def test_what_is_to_be_shown_is_not_removed(request_: str) -> None:
    search = '#1 = detect_objects(image=$1, query="dog")'
    shown = f"{search}\n#2 = highlight_regions(image=$1, regions=#1)"

    assert str(never_opposite(request_, lambda _: removal("dog"), {"highlight_regions"})) == shown
    assert str(never_opposite(request_, lambda _: removal("dog"), ())) == search


@pytest.mark.parametrize(
    ("request_", "thing", "rest"),
    [
        ("leave the swan, delete the duck", "swan", "delete the duck"),
        ("the kettle must stay; take out the pans", "kettle", "take out the pans"),
        ("remove the bench, not the oak", "oak", "remove the bench"),
        ("remove the bench but keep the oak, then flip it", "oak", "remove the bench but , then flip it"),
    ],
)
def test_the_clause_that_protects_is_left_out(request_: str, thing: str, rest: str) -> None:
    assert without_protection(request_, [thing]) == rest


def test_no_plan_that_is_right_is_changed() -> None:
    changed = [
        request
        for request, _, plan in requests_with_plans()
        if never_opposite(request, lambda _, plan=plan: plan, {"highlight_regions"}) != plan  # type: ignore[misc]
    ]

    assert changed == []
