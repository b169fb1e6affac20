"""Variants of examples say the same of other things."""

from __future__ import annotations

import random

import pytest

from visiongpt_agent.plan import parse_plan
from visiongpt_agent.training.conversations import elsewhere, shifted, without_images
from visiongpt_agent.training.examples import Example, parse_examples, written_examples
from visiongpt_agent.training.variants import exchanged, strings_of, variant, with_other_names
from visiongpt_agent.training.voices import voiced


@pytest.mark.parametrize(
    ("request_", "phrase", "word", "expected"),
    [
        ("count the ducks", "duck", "otter", ("count the otters", "otter")),
        ("is there a duck", "duck", "otter", ("is there an otter", "otter")),
        ("An owl?", "owl", "newt", ("A newt?", "newt")),
        ("Ducks gone", "duck", "child", ("Children gone", "child")),
        ("a duck house", "duck", "fox", ("a fox house", "fox")),
        ("draw a cosy hut", "cosy hut", "two otters", ("draw two otters", "two otters")),
        ("draw a cosy hut", "cosy hut", "an old mill", ("draw an old mill", "old mill")),
        ("in front of the Alps", "Alps", "a beach", ("in front of a beach", "beach")),
        ("backdrop: Alps", "Alps", "a beach", ("backdrop: beach", "beach")),
    ],
)
def test_a_phrase_is_exchanged_with_its_article_and_number(
    request_: str, phrase: str, word: str, expected: tuple[str, str]
) -> None:
    plan = parse_plan(f'#1 = detect_objects(image=$1, query="{phrase}")')

    said, changed = exchanged(request_, plan, phrase, word)

    assert (said, *strings_of(changed)) == expected


def test_names_and_numbers_are_exchanged_in_request_and_plan_alike() -> None:
    plan = parse_plan('#1 = book(town="Ghent", stars=4, nights=12)')
    example = Example((), "12 nights in Ghent, 4 stars", plan)
    rng = random.Random(0)

    made = [with_other_names(example, rng) for _ in range(50)]

    assert len({one.request for one in made}) > 30
    for one in made:
        for value in one.plan.proposals[0].args.values():
            assert str(value) in one.request


def test_what_the_request_does_not_say_stays() -> None:
    plan = parse_plan('#1 = detect_objects(image=$1, query="duck")')

    assert exchanged("who quacks there", plan, "duck", "otter") == ("who quacks there", plan)


def test_a_later_picture_shifts_the_references() -> None:
    plan = parse_plan("#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)")

    moved = shifted(plan, {1: 3})

    assert str(moved) == "#1 = detect_faces(image=$3)\n#2 = blur_regions(image=$3, regions=#1)"


def test_without_a_picture_it_is_declined() -> None:
    (example,) = parse_examples('@ $1 user a.jpg 1x1\nmirror it\n#1 = transform_image(image=$1, flip="horizontal")')

    declined = without_images(example)

    assert (declined.images, str(declined.plan)) == ((), 'decline(reason="no image given")')


def test_variants_of_all_examples_are_whole() -> None:
    rng = random.Random(5)
    for example in written_examples():
        made = voiced(elsewhere(variant(example, rng), rng), rng)

        assert made.request.strip()
        assert "{" not in made.request
        assert not made.swaps
        assert [p.tool for p in made.plan] == [p.tool for p in example.plan]
        for proposal in made.plan:
            assert all(ref.sigil == "#" or ref.number <= len(made.images) for ref in proposal.refs)


def test_a_voice_leaves_what_the_plan_quotes() -> None:
    plan = parse_plan('#1 = detect_objects(image=$1, query="hydrant")')
    example = Example(("$1 user a.jpg 1x1",), "Could you count every hydrant in this picture?", plan)
    rng = random.Random(1)

    made = [voiced(example, rng) for _ in range(300)]

    assert all(strings_of(one.plan)[0] in one.request.lower() for one in made)
    assert len({one.request for one in made}) > 40
