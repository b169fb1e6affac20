"""The embedded planner in the loop: what it is shown, and what becomes of a plan that cannot be carried out here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from visiongpt_agent import VisionGPT, parse_plan, sample_photo
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import Kind, Ref
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput, vision_tool


@pytest.fixture
def agent(pool: ModelPool, needs: Callable[[str], None]) -> VisionGPT:
    needs(jobs.LLM)
    return VisionGPT(pool=pool)


@pytest.mark.parametrize(
    ("request_", "job"),
    [
        ("turn day into night", jobs.INSTRUCT),
        ("draw a castle", jobs.TEXT_TO_IMAGE),
    ],
)
def test_what_lacks_a_model_is_refused_with_the_remedy(
    request_: str, job: str, agent: VisionGPT, pool: ModelPool
) -> None:
    if pool.has(job):
        pytest.skip(f"a model for {job} is here")

    result = agent.run(request_, sample_photo("coffee"))

    assert result.status == "declined"
    assert pool.remedy(job) in result.answer
    assert result.images == ()


def test_without_a_captioning_model_a_description_is_composed_and_says_so(agent: VisionGPT, pool: ModelPool) -> None:
    if pool.has(jobs.CAPTION):
        pytest.skip("a captioning model is here")

    result = agent.run("describe the picture", sample_photo("chelsea"))

    assert [step.tool for step in result.steps] == ["caption_image"]
    assert result.answer.startswith("It shows one cat.")
    assert f"for a model that describes: {pool.remedy(jobs.CAPTION)}." in result.answer


def test_a_question_is_not_answered_by_an_edit(agent: VisionGPT, pool: ModelPool) -> None:
    if pool.has(jobs.VQA):
        pytest.skip("a model that answers questions is here")

    result = agent.run("what colour is the saucer?", sample_photo("coffee"))

    assert result.images == ()


def test_the_part_that_can_be_done_is_done(agent: VisionGPT, pool: ModelPool) -> None:
    if pool.has(jobs.DEPTH):
        pytest.skip("a model for depth is here")

    result = agent.run("estimate the depth and turn it black and white", sample_photo("coffee"))

    assert [step.tool for step in result.steps] == ["estimate_depth", "adjust_image"]
    assert result.status == "partial"
    assert len(result.images) == 1
    assert pool.remedy(jobs.DEPTH) in result.answer


def test_follow_ups_work_on_the_newest_image(agent: VisionGPT) -> None:
    agent.run("rotate it by 90 degrees", sample_photo("coffee"), thread_id="follow")
    result = agent.run("now make it black and white", thread_id="follow")

    assert parse_plan(result.plan).proposals[0].args["image"] == Ref("$", 2)
    assert result.images[-1].name == "$3"


@pytest.mark.parametrize(
    ("request_", "said"),
    [("hello", "Hello!"), ("thanks!", "You're welcome!"), ("what can you do?", "I can find and count things")],
)
def test_chat_is_answered_from_what_the_agent_knows_of_itself(request_: str, said: str, agent: VisionGPT) -> None:
    result = agent.run(request_)

    assert result.status == "done"
    assert result.answer.startswith(said)


def test_without_an_image_it_asks_for_one(agent: VisionGPT) -> None:
    result = agent.run("remove the background")

    assert result.status == "declined"
    assert "picture" in result.answer


def test_a_tool_that_a_person_adds_is_called(pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs(jobs.LLM)

    @vision_tool("pixelate the picture", returns=Kind.IMAGE)
    def pixelate(image: Image.Image, size: int = 16) -> ToolOutput:
        """Pixelate a picture in squares of ``size`` pixels."""
        return ToolOutput(image.reduce(size).resize(image.size, Image.Resampling.NEAREST), "I pixelated it.")

    agent = VisionGPT(pool=pool, tools=[pixelate])
    assert agent.run("pixelate the picture", sample_photo("rocket")).plan == "#1 = pixelate(image=$1)"
