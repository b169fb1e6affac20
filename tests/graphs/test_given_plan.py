"""A turn may come with its plan: it is carried out as it is, and no language model is asked."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.graphs.harness import CONFIG, asking, graph_of
from visiongpt_agent import sample_photo
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool

MODEL_S_OWN = "#1 = transform_image(image=$1, rotate=180)"


def test_it_is_carried_out_in_place_of_the_model_s(pool: ModelPool, store: ImageStore) -> None:
    turn = asking(store, Image.open(sample_photo("coffee")))
    plan = "#1 = adjust_image(image=$1, saturation=0)\n#2 = transform_image(image=#1, rotate=90)"

    state = graph_of(MODEL_S_OWN, pool=pool, store=store, writes=False).invoke({**turn, "plan": plan}, CONFIG)

    assert state["plan"] == plan
    assert [(step["tool"], step["verdict"]) for step in state["steps"]] == [
        ("adjust_image", "accepted"),
        ("transform_image", "accepted"),
    ]
    assert state["round"] == 1


@pytest.mark.parametrize("plan", ["#1 = adjust_image(image=$2)", "#1 = no_such_tool(image=$1)", "no plan"])
def test_one_that_does_not_check_is_told_and_not_carried_out(plan: str, pool: ModelPool, store: ImageStore) -> None:
    turn = asking(store, Image.open(sample_photo("coffee")))

    state = graph_of(MODEL_S_OWN, pool=pool, store=store, writes=False).invoke({**turn, "plan": plan}, CONFIG)

    assert (state["status"], state["steps"]) == ("declined", [])


def test_one_whose_model_is_not_here_is_declined_with_the_remedy(pool: ModelPool, store: ImageStore) -> None:
    if pool.has(jobs.DEPTH):
        pytest.skip("a model for depth is here")
    turn = asking(store, Image.open(sample_photo("coffee")))
    plan = "#1 = estimate_depth(image=$1)"

    state = graph_of(MODEL_S_OWN, pool=pool, store=store, writes=False).invoke({**turn, "plan": plan}, CONFIG)

    assert (state["status"], state["steps"]) == ("declined", [])
    assert pool.remedy(jobs.DEPTH) in state["answer"]
