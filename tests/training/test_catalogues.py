"""Other catalogues: renamed, cut and invented tools, with plans that fit them."""

from __future__ import annotations

import itertools
import random

from visiongpt_agent.plan import Signature, parse_plan
from visiongpt_agent.training.catalogues import Catalogue, draw_catalogue, full, invented
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.records import OWN_CATALOGUE, Records

BLUR = Example(
    ("$1 user a.jpg 1x1",),
    "blur the faces",
    parse_plan("#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"),
)


def test_a_renamed_tool_is_called_by_its_new_name(own: tuple[Signature, ...]) -> None:
    catalogue = Catalogue(own, {"detect_faces": "face_finder", "blur_regions": "obscure"}, {"regions": "areas"})

    plan = catalogue.translated(BLUR).plan

    assert str(plan) == "#1 = face_finder(image=$1)\n#2 = obscure(image=$1, areas=#1)"


def test_what_needs_a_tool_that_is_not_shown_is_declined(own: tuple[Signature, ...]) -> None:
    catalogue = full([signature for signature in own if signature.tool != "detect_faces"])

    assert str(catalogue.translated(BLUR).plan) == 'decline(reason="no tool for that")'


def test_an_example_is_declined_just_where_its_catalogue_lacks_a_tool(own: tuple[Signature, ...]) -> None:
    rng = random.Random(2)
    called: set[str] = set()
    for number in range(700):
        catalogue = draw_catalogue(own, rng)
        shown = {signature.tool: signature for signature in catalogue.signatures}
        assert len(shown) == len(catalogue.signatures), f"catalogue {number} names a tool twice"
        for example in catalogue.own:
            plan = catalogue.translated(example).plan
            lacking = [p.tool for p in example.plan if p.tool not in shown]
            assert (plan.control is not None) == bool(lacking), example.request
            plan.check(shown, len(example.images))
            called |= {p.tool for p in plan}
    assert {tool.signature.tool for tool in invented()} <= called


def test_tools_are_also_added_to_the_whole_catalogue_before_behind_and_amid_it(own: tuple[Signature, ...]) -> None:
    rng, places = random.Random(1), set[str]()
    for _ in range(400):
        shown = draw_catalogue(own, rng).signatures
        if len(shown) > len(own) and tuple(signature for signature in shown if signature in own) == own:
            places.add("behind" if shown[: len(own)] == own else "before" if shown[-len(own) :] == own else "amid")
    assert places == {"before", "behind", "amid"}


def test_invented_tools_are_used_in_their_examples() -> None:
    for tool in invented():
        assert tool.examples
        for example in tool.examples:
            assert any(proposal.tool == tool.signature.tool for proposal in example.plan), example.request


def test_the_stream_follows_from_its_seed_and_shows_both_kinds_of_catalogue(
    own: tuple[Signature, ...], records: Records
) -> None:
    shown = [records.row(number)[0].signatures for number in range(300)]
    mine = shown.count(own) / len(shown)

    assert abs(mine - OWN_CATALOGUE) < 0.1
    again = Records(own, seed=3)
    assert begun(records, 8) == begun(again, 8)
    assert begun(records, 8) != begun(records, 9)


def test_the_records_of_the_stream_check(own: tuple[Signature, ...], records: Records) -> None:
    for number in range(40):
        catalogue, examples = records.row(number)
        shown = {signature.tool: signature for signature in catalogue.signatures}
        for example in itertools.islice(examples, 25):
            example.plan.check(shown, len(example.images))


def begun(records: Records, number: int) -> tuple[Catalogue, list[Example]]:
    catalogue, examples = records.row(number)
    return catalogue, list(itertools.islice(examples, 20))
