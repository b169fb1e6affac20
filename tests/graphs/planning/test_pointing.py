"""Pointing: which words mean it, how the planner's plan takes it up, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import InputError, VisionGPT
from visiongpt_agent.errors import PlanError
from visiongpt_agent.graphs.planning.ask import request_plan
from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.pointing import check_boxes, grounded, worded
from visiongpt_agent.graphs.resources import LanguageModel
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Plan, Proposal, Ref, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.request import Pointed, checked_pointed
from visiongpt_agent.tools import catalog

PERSON = [Pointed(image=1, box=[48, 400, 245, 903], label="person")]
TWO = [*PERSON, Pointed(image=1, box=[0, 0, 20, 20], label="")]
SELECT = '#1 = select_regions(image=$1, boxes=["48 400 245 903"], labels=["person"])'


@pytest.mark.parametrize(
    ("request_", "read"),
    [
        ("remove this", "remove the teapot"),
        ("Can you remove this, please", "Can you remove the teapot, please"),
        ("blur this person", "blur the teapot"),
        ("blur the selected person", "blur the teapot"),
        ("make this red", "make the teapot red"),
        ("turn this red cup green", "turn the teapot green"),
        ("cut this out", "cut the teapot out"),
        ("blur that", "blur the teapot"),
        ("hide that car", "hide the teapot"),
        ("crop to it and enlarge it", "crop to the teapot and enlarge it"),
        ("blur here", "blur the teapot"),
        ("how many people are here?", "how many people are on the teapot?"),
        ("what does this say?", "what does the teapot say?"),
        ("is this a dog?", "is the teapot a dog?"),
        ("remove this teapot", "remove the umbrella teapot"),
        # not meant:
        ("make this picture brighter", "make this picture brighter"),
        ("rotate this old photo", "rotate this old photo"),
        ("make it black and white", "make it black and white"),
        ("remove the person that is on the left", "remove the person that is on the left"),
    ],
)
def test_words_that_mean_what_is_pointed_at(request_: str, read: str) -> None:
    assert worded(request_, PERSON) == read
    assert worded(request_, []) == request_


def test_several_regions_are_these() -> None:
    assert worded("remove these", TWO) == "remove the teapots"


@pytest.mark.parametrize(
    ("request_", "planned", "expected"),
    [
        (
            "remove this",
            '#1 = detect_objects(image=$1, query="teapot")\n'
            "#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)",
            f"{SELECT}\n#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)",
        ),
        (  # a search on the wrong image is led to the one pointed at, and so is what builds on it
            "blur this",
            '#1 = detect_objects(image=$2, query="teapot")\n#2 = blur_regions(image=$2, regions=#1)',
            f"{SELECT}\n#2 = blur_regions(image=$1, regions=#1)",
        ),
        (
            "read this",
            "#1 = read_text(image=$1)",
            f"{SELECT}\n#2 = crop_regions(image=$1, regions=#1)\n#3 = read_text(image=#2)",
        ),
        (
            "is this a dog?",
            '#1 = answer_question(image=$1, question="is the teapot a dog?")',
            f"{SELECT}\n#2 = crop_regions(image=$1, regions=#1)\n"
            '#3 = answer_question(image=#2, question="is this a dog?")',
        ),
        ("thank you for this", "reply()", "reply()"),
        (
            "make it darker",
            "#1 = adjust_image(image=$1, brightness=0.7)",
            "#1 = adjust_image(image=$1, brightness=0.7)",
        ),
        (
            "how many people are here?",
            '#1 = detect_objects(image=$1, query="person on the teapot")',
            f'{SELECT}\n#2 = crop_regions(image=$1, regions=#1)\n#3 = detect_objects(image=#2, query="person")',
        ),
        (
            "remove the sticker on this",
            '#1 = detect_objects(image=$1, query="sticker on the teapot")\n'
            "#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)",
            f"{SELECT}\n#2 = segment_objects(image=$1, regions=#1)\n#3 = inpaint(image=$1, regions=#2)",
        ),
    ],
)
def test_plans(request_: str, planned: str, expected: str) -> None:
    plan = grounded(parse_plan(planned), request_, PERSON)

    assert str(plan) == expected
    plan.check({name: spec.signature for name, spec in catalog(offered=False).items()}, 2)


@pytest.mark.parametrize(
    ("request_", "planned"),
    [
        ("make this brighter", "#1 = adjust_image(image=$1, brightness=1.3)"),
        ("compare this", "#1 = compare_images(image=$1, other=$2)"),
        (
            "blur this and the dog",
            '#1 = detect_objects(image=$1, query="teapot, dog")\n#2 = blur_regions(image=$1, regions=#1)',
        ),
    ],
)
def test_what_would_work_on_the_whole_picture_is_declined(request_: str, planned: str) -> None:
    control = grounded(parse_plan(planned), request_, PERSON).control

    assert control is not None
    assert control.tool == "decline"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"box": [1, 2, 3]}], "is given as"),
        ([{"box": ["a", 2, 3, 4]}], "is given as"),
        ([{"box": [0, 0, float("inf"), 4]}], "is given as"),
        ([{"image": 3, "box": [1, 2, 3, 4]}], "there is no image $3"),
        ([{"box": [700, 2, 800, 4]}], "nothing of the box"),
        ([{"box": [9, 9, 9, 9]}], "nothing of the box"),
        ([{"box": [1, 2, 3, 4]}, {"image": 2, "box": [1, 2, 3, 4]}], "on several images"),
        ([{"box": [1, 2, 3, 4]}] * 21, "20 are allowed"),
        (["this"], "is given as"),
    ],
)
def test_what_cannot_be_pointed_at(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("$", r"\$")):
        checked_pointed(given, [(640, 480), (64, 48)])


def test_boxes_are_cut_to_whole_pixels_of_the_image() -> None:
    given = [{"box": [-5, 10.4, 700, 99.6], "label": 'a "b"\nc'}]

    assert checked_pointed(given, [(640, 480)]) == [{"image": 1, "box": [0, 10, 640, 100], "label": "a 'b' c"}]
    assert checked_pointed(None, []) == []


SELECTED = "#1 = select_regions(image=$1, boxes=[{pointed}])\n#2 = blur_regions(image=$1, regions=#1)"


def test_a_chat_model_is_told_what_is_pointed_at_and_only_that_changes(pool: ModelPool, bus: Image.Image) -> None:
    chat = ScriptedChat(script=[SELECTED, "done"])
    agent = VisionGPT(chat, pool=pool)

    result = agent.invoke({"request": "blur this", "images": [bus], "pointed": PERSON})

    assert "Request: blur this\n" in chat.asked[0][-1].text
    assert 'box "48 400 245 903" in $1, labelled person' in chat.asked[0][-1].text
    assert "select_regions" in chat.bound[0]
    assert result.plan.splitlines()[0] == '#1 = select_regions(image=$1, boxes=["48 400 245 903"])'
    changed = np.argwhere((np.asarray(result.picture()) != np.asarray(bus)).any(axis=2))
    assert len(changed) > 10_000
    top, left = changed.min(axis=0)
    bottom, right = changed.max(axis=0)
    assert left >= 48 - 40
    assert top >= 400 - 40
    assert right <= 245 + 40
    assert bottom <= 903 + 40


@pytest.mark.parametrize("pointed", [PERSON, []])
def test_a_chat_model_that_makes_up_a_box_is_told_so(pool: ModelPool, pointed: list[Pointed]) -> None:
    invented = '#1 = select_regions(image=$1, boxes=["1 1 9 9"])\n#2 = blur_regions(image=$1, regions=#1)'
    chat = ScriptedChat(script=[invented, "#1 = caption_image(image=$1)", "done"])
    agent = VisionGPT(chat, pool=pool)

    result = agent.invoke({"request": "blur this", "images": [Image.new("RGB", (800, 1000))], "pointed": pointed})

    assert "That plan cannot be used" in chat.asked[1][-1].text
    assert [step.tool for step in result.steps] == ["caption_image"]


@pytest.mark.parametrize(
    ("chosen", "image", "checks"),
    [
        (["48 400 245 903"], 1, True),
        (["0 0 20 20", "48 400 245 903"], 1, True),
        (["48 400 245 904"], 1, False),
        (["48 400 245 903"], 2, False),
        ([], 1, False),
    ],
)
def test_only_what_is_pointed_at_may_be_selected(chosen: list[str], image: int, checks: bool) -> None:
    selection = Proposal(1, "select_regions", {"image": Ref("$", image), "boxes": tuple(chosen)})
    with nullcontext() if checks else pytest.raises(PlanError, match="only what is pointed at"):
        check_boxes(Plan((selection,)), TWO)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "tools"),
    [
        ("remove this", ["select_regions", "segment_objects", "inpaint"]),
        ("get rid of this person", ["select_regions", "segment_objects", "inpaint"]),
        ("blur this", ["select_regions", "blur_regions"]),
        ("blur everything but this", ["select_regions", "segment_objects", "blur_regions"]),
        ("crop to this and enlarge it", ["select_regions", "crop_regions", "upscale_image"]),
        ("make this red", ["select_regions", "segment_objects", "recolor_regions"]),
        ("outline this", ["select_regions", "segment_objects"]),
        ("read this", ["select_regions", "crop_regions", "read_text"]),
        ("how many people are here?", ["select_regions", "crop_regions", "detect_objects"]),
    ],
)
def test_the_planner_of_the_package_takes_it_up(
    request_: str, tools: list[str], pool: ModelPool, needs: Callable[[str], None]
) -> None:
    needs(jobs.LLM)
    bound = [spec.bind(ImageStore(), pool) for spec in catalog().values()]
    brief = Brief(request_, ["$1 user photo.jpg 810x1080"], 1, {t.name: t.signature for t in bound}, PERSON)
    with pool.use(jobs.LLM, LanguageModel) as llm:
        plan = request_plan(llm, bound, brief)

    assert [proposal.tool for proposal in plan] == tools
