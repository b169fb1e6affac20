"""The examples that a language model is shown: right by the tools' signatures, and like what is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visiongpt_agent.plan import CONTROL, parse_plan
from visiongpt_agent.prompts.examples import planned_requests, similar_requests
from visiongpt_agent.tools import catalog


def test_every_plan_checks_and_every_tool_is_shown() -> None:
    catalogue = {name: spec.signature for name, spec in catalog().items()}
    shown: set[str] = set()
    for planned in planned_requests():
        plan = parse_plan(planned.plan)
        images = planned.user.partition("\n")[0]
        plan.check(catalogue, 0 if images == "Images: none" else images.count(";") + 1)
        shown |= {proposal.tool for proposal in plan}

    assert shown == {*catalogue, *CONTROL}


def test_none_is_a_request_of_the_scores() -> None:
    paths = (Path(__file__).parents[1] / "planning").glob("*_requests.jsonl")
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    requests = {json.loads(line)["request"].casefold() for line in lines}

    assert not {planned.user.partition("Request: ")[2].casefold() for planned in planned_requests()} & requests


@pytest.mark.parametrize(
    ("images", "request_", "tool"),
    [
        ("$1 user a.jpg 10x10", "please blur all faces", "detect_faces"),
        ("$1 user a.jpg 10x10", "replace the sky with stars", "inpaint"),
        ("none", "draw a cat", "generate_image"),
        ("none", "blur it", "decline"),
        ("$1 user a.jpg 10x10; $2 user b.jpg 10x10", "the second one black and white", "adjust_image"),
    ],
)
def test_the_likest_comes_last(images: str, request_: str, tool: str) -> None:
    found = similar_requests(f"Images: {images}\nRequest: {request_}")

    assert len(found) == 4
    assert f"{tool}(" in found[-1].plan


@pytest.mark.parametrize("user", ["", "Images: none\nRequest: ", "Images: none\nRequest: ✂️ 切り抜き"])
def test_what_is_like_none_gets_examples_all_the_same(user: str) -> None:
    assert len(similar_requests(user)) == 4
