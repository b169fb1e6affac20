"""The written examples: each can be read, its plan checks, and none of them is what the planner is measured on."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from visiongpt_agent.errors import InputError
from visiongpt_agent.language.english import singular
from visiongpt_agent.plan import Signature
from visiongpt_agent.training.examples import parse_examples, written_examples
from visiongpt_agent.training.records import HeldOut

SCORED_ON = sorted((Path(__file__).parents[1] / "planning").glob("*_requests.jsonl"))

BLOCK = """@ $1 user pond.jpg 640x480; $2 result of inpaint
{Could|Can} you count the ducks?
#1 = detect_objects(image=$2, query="duck")
~ duck=animal"""


def test_a_block_is_read() -> None:
    (example,) = parse_examples(BLOCK)

    assert example.images == ("$1 user pond.jpg 640x480", "$2 result of inpaint")
    assert example.request == "{Could|Can} you count the ducks?"
    assert str(example.plan) == '#1 = detect_objects(image=$2, query="duck")'
    assert example.swaps == {"duck": "animal"}


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ("hello\nthere\nreply()", "line of images"),
        ("@ none\nhello", "line of images"),
        ("@ none\nhello\n#1 = detect(", "#1 = detect("),
        ("@ none\nhello\nreply()\n~ hello=planet", "class of words"),
    ],
)
def test_a_block_that_cannot_be_read_is_named(block: str, fault: str) -> None:
    with pytest.raises(InputError, match=r"pond\.txt, example 2") as raised:
        list(parse_examples(f"{BLOCK}\n\n{block}", "pond.txt"))
    assert fault in str(raised.value)


def test_all_examples_check(own: tuple[Signature, ...]) -> None:
    catalogue = {signature.tool: signature for signature in own}
    for example in written_examples():
        example.plan.check(catalogue, len(example.images))
        for number, image in enumerate(example.images, 1):
            assert image.startswith((f"${number} user ", f"${number} result of ")), image


def test_no_plan_holds_a_mark_of_the_templates() -> None:
    assert [example.request for example in written_examples() if re.search(r"[{}|~]", str(example.plan))] == []


def test_what_a_plan_looks_for_is_said_in_the_request() -> None:
    invented = [
        (example.request, query)
        for example in written_examples()
        for proposal in example.plan
        if isinstance(query := proposal.args.get("query"), str)
        if query not in OTHERWISE and not said(query, example.request)
    ]

    assert invented == []


OTHERWISE = {"person", "person without helmet"}
"""Queries for what requests say in other words: people, anybody, w/o."""


def said(query: str, request: str) -> bool:
    """Whether a request has half of the words of a query, by their beginnings."""
    words = re.findall(r"[^\W_]+", query.casefold())
    spoken = re.findall(r"[^\W_]+", request.casefold())
    beginnings = {form[:4] for word in spoken for form in (word, singular(word))}
    return sum(word[:4] in beginnings for word in words) * 2 >= len(words)


def test_there_are_examples_of_every_tool_and_of_both_control_actions(own: tuple[Signature, ...]) -> None:
    tools = Counter(proposal.tool for example in written_examples() for proposal in example.plan)

    assert {name for name, count in tools.items() if count >= 20} == {*(s.tool for s in own), "reply", "decline"}


def test_no_example_is_a_request_of_the_scores_in_other_words() -> None:
    """As written; what varies of them is held to the same while training (``--held-out``)."""
    lines = [line for path in SCORED_ON for line in path.read_text(encoding="utf-8").splitlines()]
    held_out = HeldOut(json.loads(line) for line in lines)

    assert len(SCORED_ON) == 2
    assert [example.request for example in written_examples() if held_out.holds(example)] == []


def test_what_is_held_out_is_told_by_its_words_and_by_what_it_quotes() -> None:
    held_out = HeldOut([{"request": "any newts in the pond?", "plan": '#1 = detect_objects(image=$1, query="newt")'}])

    (same_words,) = parse_examples("@ $1 user a.jpg 1x1\nare any newts in the pond\n#1 = caption_image(image=$1)")
    (same_plan,) = parse_examples('@ $1 user a.jpg 1x1\nnewts!\n#1 = detect_objects(image=$1, query="Newt")')
    (other,) = parse_examples('@ $1 user a.jpg 1x1\nany frogs?\n#1 = detect_objects(image=$1, query="frog")')

    assert held_out.holds(same_words)
    assert held_out.holds(same_plan)
    assert not held_out.holds(other)
