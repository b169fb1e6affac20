"""What a plan passes over: the model that made it is told once, and decides."""

from __future__ import annotations

import pytest

from tests.scripted import ScriptedChat
from visiongpt_agent.graphs.planning.ask import request_plan
from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.uncovered import uncovered
from visiongpt_agent.graphs.resources import GivenModel
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog

FIND = '#1 = detect_objects(image=$1, query="gull")'
REMOVE = f"{FIND}\n#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)"
BOTH = f'{FIND}\n#2 = detect_objects(image=$2, query="gull")'


@pytest.mark.parametrize(
    ("plan", "request_", "images", "missed"),
    [
        (REMOVE, "keep the gull, remove the buoy", 1, 'it destroys "gull", which the request wants kept'),
        (FIND, "count the gulls in the first picture and in the second picture", 2, "it does not use $2"),
        (FIND, "count the gulls in both pictures", 2, "it does not use $2"),
        (FIND, "count the gulls in picture 2", 2, "it does not use $2"),
    ],
)
def test_what_is_passed_over(plan: str, request_: str, images: int, missed: str) -> None:
    assert [clause for clause in uncovered(parse_plan(plan), request_, images) if clause.startswith(missed)]


@pytest.mark.parametrize(
    ("plan", "request_", "images"),
    [
        (REMOVE, "remove the gull", 1),
        (BOTH, "count the gulls in both pictures", 2),
        (FIND, "count the gulls in the first picture, not the second picture", 2),
        (FIND, "count the gulls", 2),
        ('decline(reason="no tool for that")', "count the gulls in both pictures", 2),
    ],
)
def test_what_is_covered(plan: str, request_: str, images: int) -> None:
    assert not uncovered(parse_plan(plan), request_, images)


def planned(request: str, images: int, *script: str, critique: str = "") -> tuple[str, ScriptedChat]:
    """The plan that is made of a request with a scripted model, and the model."""
    chat, store, pool = ScriptedChat(script=list(script)), ImageStore(), ModelPool()
    tools = [spec.bind(store, pool) for spec in catalog().values()]
    signatures = {tool.name: tool.signature for tool in tools}
    lines = [f"${k} user photo.jpg 640x480" for k in range(1, images + 1)]
    brief = Brief(request, lines, images, signatures, critique=critique)
    return str(request_plan(GivenModel(chat), tools, brief)), chat


def test_a_model_is_told_once_and_may_change_its_plan() -> None:
    plan, chat = planned("count the gulls in both pictures", 2, FIND, BOTH)

    assert plan == BOTH
    assert len(chat.asked) == 2
    assert "it does not use $2, which the request names" in chat.asked[1][-1].text
    assert FIND in chat.asked[1][-1].text


def test_a_model_may_stay_with_its_plan() -> None:
    plan, chat = planned("count the gulls in both pictures", 2, FIND)

    assert (plan, len(chat.asked)) == (FIND, 2)


def test_a_second_plan_that_does_not_check_leaves_the_first() -> None:
    plan, _ = planned("count the gulls in both pictures", 2, FIND, "#1 = detect_objects(image=$7)")

    assert plan == FIND


@pytest.mark.parametrize("critique", ["", "inpaint found no regions"])
def test_a_model_is_not_told_where_all_is_covered_or_a_part_is_planned_anew(critique: str) -> None:
    request = "count the gulls in both pictures" if critique else "count the gulls in the first picture"

    assert len(planned(request, 2, FIND, critique=critique)[1].asked) == 1
