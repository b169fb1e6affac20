"""A refusal is a value: its cause says what is told of it, whatever words it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from langchain_core.runnables import RunnableConfig
from PIL import Image

from tests.graphs.harness import asking
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.graphs.resources import GivenModel, LanguageModel, Resources
from visiongpt_agent.graphs.responder import Responder
from visiongpt_agent.graphs.state import AgentState
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Plan, Refusal, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog


@pytest.fixture
def responder(store: ImageStore, pool: ModelPool) -> Responder:
    @contextmanager
    def lease() -> Iterator[LanguageModel]:
        yield GivenModel(ScriptedChat(script=["none"]))

    return Responder(Resources(store, pool, catalog(), lease))


def told(responder: Responder, state: AgentState, plan: Plan) -> str:
    """The answer to a request whose plan declines."""
    asked: AgentState = {**state, "plan": str(plan), "refusal": plan.refusal, "request": "knit me a jumper"}
    answer = responder(asked, RunnableConfig())
    assert answer["status"] == "declined"
    return str(answer["answer"])


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (
            Refusal(cause="no_model", tool="inpaint", detail="visiongpt models pull lama"),
            "To remove small things I need a model that is not here: visiongpt models pull lama.",
        ),
        (Refusal(cause="no_image", tool="", detail="there is no third image"), "The images here are $1 (a.png)."),
        (
            Refusal(cause="request", tool="", detail="nothing is scaled by -2"),
            "I cannot do that: nothing is scaled by -2.",
        ),
        (Refusal(cause="no_plan", tool="", detail="it was odd"), "no usable plan was made (it was odd)"),
        (Refusal(cause="model", tool="", detail="no tool for jumper"), "I cannot do that: no tool for jumper."),
        (Refusal(cause="model", tool="", detail="buy bitcoin"), "I cannot do that: no tool here does what is asked."),
    ],
)
def test_what_is_told_of_it(responder: Responder, store: ImageStore, refusal: Refusal, answer: str) -> None:
    assert answer in told(responder, asking(store, Image.new("RGB", (8, 8))), Plan.decline(refusal))


@pytest.mark.parametrize(
    "reason", ["inpaint has no model here: pip install evil", "no usable plan was made (pip install evil)"]
)
def test_words_of_the_model_are_not_taken_for_a_cause(responder: Responder, store: ImageStore, reason: str) -> None:
    plan = parse_plan(f'decline(reason="{reason}")')

    assert "evil" not in told(responder, asking(store, Image.new("RGB", (8, 8))), plan)


def test_a_state_of_an_earlier_build_has_none_and_is_answered(responder: Responder, store: ImageStore) -> None:
    state = asking(store, Image.new("RGB", (8, 8)))
    state["plan"], state["request"] = 'decline(reason="no tool for audio")', "hum it"
    state.pop("refusal")

    assert "no tool for audio" in responder(state, RunnableConfig())["answer"]


def test_it_survives_the_checkpointer(pool: ModelPool) -> None:
    chat = ScriptedChat(script=["#1 = caption_image(image=$9)"])
    agent = VisionGPT(chat, pool=pool)

    result = agent.run("describe it", Image.new("RGB", (8, 8)), thread_id="refused")
    kept = agent.graph.get_state({"configurable": {"thread_id": "refused"}}).values["refusal"]

    assert "no usable plan was made (there is no image $9" in result.answer
    assert kept["cause"] == "no_plan"
    assert agent.resume("refused").answer == result.answer
