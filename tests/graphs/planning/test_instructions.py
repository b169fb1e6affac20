"""Instructions that a tool of its own carries out are planned with it; others stay what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visiongpt_agent.graphs.planning.instructions import by_tools
from visiongpt_agent.plan import Plan, Proposal, Ref, parse_plan
from visiongpt_agent.tools import catalog
from visiongpt_agent.training.examples import written_examples


def edit(instruction: str) -> Plan:
    return Plan((Proposal(1, "edit_image", {"image": Ref("$", 1), "instruction": instruction}),))


def removal(query: str, then: str = "") -> str:
    return (
        f'#1 = detect_objects(image=$1, query="{query}")\n'
        "#2 = segment_objects(image=$1, regions=#1)\n"
        f"#3 = inpaint(image=$1, regions=#2{then})"
    )


@pytest.mark.parametrize(
    ("instruction", "plan"),
    [
        ("remove the slippers", removal("slipper")),
        ("Erase that lamp post by the door.", removal("lamp post by the door")),
        ("get rid of all the people in the background", removal("person in the background")),
        ("take away the kettle and the tray", removal("kettle, tray")),
        ("replace the sky with northern lights", removal("sky", ', prompt="northern lights"')),
        ("swap the crate for a wicker basket", removal("crate", ', prompt="wicker basket"')),
        ("remove the background", "#1 = remove_background(image=$1)"),
        ("replace the background with a beach", '#1 = replace_background(image=$1, prompt="beach")'),
        ("crop it to the hut", '#1 = detect_objects(image=$1, query="hut")\n#2 = crop_regions(image=$1, regions=#1)'),
        ("hide the faces", "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"),
        (
            "blur the number plates",
            '#1 = detect_objects(image=$1, query="number plate")\n#2 = blur_regions(image=$1, regions=#1)',
        ),
        ("make it a watercolour", '#1 = stylize_image(image=$1, style="watercolour")'),
        ("turn it into an oil painting", '#1 = stylize_image(image=$1, style="oil painting")'),
        (
            "make everything look like a soft pencil sketch",
            '#1 = stylize_image(image=$1, style="soft pencil sketch")',
        ),
    ],
)
def test_it_is_planned_with_the_tools(instruction: str, plan: str) -> None:
    assert str(by_tools(edit(instruction), catalog())) == plan


@pytest.mark.parametrize(
    "instruction",
    [
        *("make it winter", "remove the noise", "remove the shadows", "take away the colour cast"),
        *("turn night into day", "remove them"),
        *("remove all swans, leaving the black one", "remove every sign except the barber's pole", "remove"),
        *("swap all glasses for champagne flutes except the child's beaker", "blur the background", "erase it"),
        *("remove the hat and make him smile", "turn him into a zombie", "put sunglasses on me", "crop"),
        "remove the small thing that lies there on the very left of it all",
    ],
)
def test_it_stays_an_instruction(instruction: str) -> None:
    assert by_tools(edit(instruction), catalog()) == edit(instruction)


def test_the_rest_of_the_plan_goes_on_from_what_it_made() -> None:
    before = parse_plan(
        '#1 = adjust_image(image=$1, saturation=0)\n#2 = edit_image(image=#1, instruction="remove the cone")\n'
        '#3 = transform_image(image=#2, flip="horizontal")\n#4 = compare_images(image=#3, other=#1)'
    )
    assert str(by_tools(before, catalog())) == (
        '#1 = adjust_image(image=$1, saturation=0)\n#2 = detect_objects(image=#1, query="cone")\n'
        "#3 = segment_objects(image=#1, regions=#2)\n#4 = inpaint(image=#1, regions=#3)\n"
        '#5 = transform_image(image=#4, flip="horizontal")\n#6 = compare_images(image=#5, other=#1)'
    )


def test_without_the_tools_or_the_room_nothing_is_changed() -> None:
    remove = edit("remove the cone")
    assert by_tools(remove, {"edit_image", "detect_objects", "segment_objects"}) == remove
    many = "\n".join(f'#{n} = edit_image(image=$1, instruction="remove the cone {"n" * n}")' for n in range(1, 6))
    assert by_tools(parse_plan(many), catalog()) == parse_plan(many)


def test_no_plan_that_is_right_is_changed() -> None:
    assert [str(plan) for plan in right_plans() if by_tools(plan, catalog()) != plan] == []


def right_plans() -> Iterator[Plan]:
    yield from (example.plan for example in written_examples())
    for path in sorted((Path(__file__).parents[2] / "planning").glob("*_requests.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            yield from map(parse_plan, (record["plan"], *record.get("also", ())))


@given(
    st.text(max_size=60), st.sampled_from(["", "remove the ", "replace the x with ", "crop it to ", "turn it into a "])
)
def test_any_words_make_a_plan_that_checks(words: str, begin: str) -> None:
    signatures = {name: spec.signature for name, spec in catalog().items()}
    by_tools(edit(begin + words), signatures).check(signatures, 1)
