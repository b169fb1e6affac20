"""The loop of planner, executor, verifier and responder, with real tools and a scripted chat model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import Limits, VisionGPT, VisionResult
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import MAX_PROPOSALS, Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput, ToolSpec, vision_tool

Run = Callable[..., VisionResult]


@vision_tool("find what is never there", returns=Kind.REGIONS)
def find_nothing(image: Image.Image) -> ToolOutput:
    """Find nothing."""
    return ToolOutput(Regions(image.size), "I found no unicorn.", missing=("unicorn",))


@vision_tool("break", returns=Kind.IMAGE)
def break_down(image: Image.Image) -> ToolOutput:
    """Fail as a bug does."""
    raise ZeroDivisionError("three by zero")


@vision_tool("pretend to mirror", returns=Kind.IMAGE)
def pretend(image: Image.Image) -> ToolOutput:
    """Claim what was not done."""
    return ToolOutput(image, "I mirrored the picture.")


@pretend.check
def _was_mirrored(image: Image.Image, output: ToolOutput) -> Iterable[str]:
    assert isinstance(output.value, Image.Image)
    if np.array_equal(np.asarray(image), np.asarray(output.value)):
        yield "the picture is unchanged"


EXTRA: tuple[ToolSpec, ...] = (find_nothing, break_down, pretend)


@pytest.fixture
def run(pool: ModelPool) -> Run:
    def carry_out(*script: str, images: tuple[Image.Image, ...], limits: Limits | None = None) -> VisionResult:
        chat = ScriptedChat(script=[*script, "All is said."])
        return VisionGPT(chat, pool=pool, tools=EXTRA, limits=limits).run("do as planned", *images)

    return carry_out


def test_a_chain_hands_results_on(run: Run, photo: Callable[[str], Image.Image]) -> None:
    coffee = photo("coffee")

    result = run(
        "#1 = transform_image(image=$1, rotate=90)\n#2 = adjust_image(image=#1, saturation=0)", images=(coffee,)
    )

    assert result.status == "done"
    assert [step.verdict for step in result.steps] == ["accepted", "accepted"]
    assert [image.name for image in result.images] == ["$3"]  # $2, the turned one, only served $3
    made = np.asarray(result.picture().convert("RGB"), np.int16)
    assert made.shape[:2] == (coffee.width, coffee.height)
    assert np.abs(made[:, :, 0] - made[:, :, 2]).max() <= 1


def test_one_failing_step_does_not_lose_the_others(run: Run, photo: Callable[[str], Image.Image]) -> None:
    plan = (
        "#1 = break_down(image=$1)\n"
        "#2 = adjust_image(image=#1, brightness=1.5)\n"
        '#3 = transform_image(image=$1, flip="horizontal")'
    )

    result = run(plan, plan, images=(photo("rocket"),))

    assert result.status == "partial"
    assert [step.verdict for step in result.steps] == ["failed", "skipped", "accepted"]
    assert "three by zero" in result.steps[0].told
    assert len(result.images) == 1
    assert any("break_down" in warning for warning in result.warnings)


def test_steps_that_need_what_was_not_found_are_not_run(run: Run, photo: Callable[[str], Image.Image]) -> None:
    plan = "#1 = find_nothing(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"

    result = run(plan, images=(photo("rocket"),))

    assert [step.verdict for step in result.steps] == ["accepted", "skipped"]
    assert "no unicorn" in result.answer
    assert "So the picture stays as it is." in result.answer
    assert result.images == ()


def test_a_claim_that_does_not_hold_is_rejected(run: Run, photo: Callable[[str], Image.Image]) -> None:
    result = run("#1 = pretend(image=$1)", images=(photo("rocket"),), limits=Limits(rounds=1))

    assert result.status == "failed"
    assert result.steps[0].verdict == "rejected"
    assert "mirrored the picture" not in result.answer
    assert "the picture is unchanged" in result.answer
    assert result.images == ()


def test_a_rejected_step_is_planned_anew_and_what_held_is_kept(
    pool: ModelPool, photo: Callable[[str], Image.Image]
) -> None:
    first = "#1 = transform_image(image=$1, rotate=180)\n#2 = pretend(image=$1)"
    second = '#1 = transform_image(image=$1, flip="horizontal")'
    chat = ScriptedChat(script=[first, second, "Done."])

    result = VisionGPT(chat, pool=pool, tools=EXTRA).run("turn it, and mirror it", photo("rocket"))

    assert "the picture is unchanged" in str(chat.asked[1][-1].content)  # the critique reached the planner
    assert [step.tool for step in result.steps] == ["transform_image", "transform_image"]
    assert result.status == "done"
    assert len(result.images) == 2


def test_pictures_of_an_earlier_plan_are_not_taken_for_steps_of_the_next(
    pool: ModelPool, photo: Callable[[str], Image.Image]
) -> None:
    first = "#1 = transform_image(image=$1, rotate=180)\n#2 = pretend(image=$1)"
    second = '#1 = adjust_image(image=$1, saturation=0)\n#2 = transform_image(image=#1, flip="horizontal")'
    chat = ScriptedChat(script=[first, second, "Done."])

    result = VisionGPT(chat, pool=pool, tools=EXTRA).run("turn it, and mirror it in grey", photo("rocket"))

    # The turned picture is #1 of the first plan; that the second plan goes on from its own #1 does not use it up.
    assert [image.name for image in result.images] == ["$2", "$4"]


@pytest.mark.parametrize(
    ("again", "pictures"),
    [
        ("#2 = blur_regions(image=$1, regions=#1)", ["image-blur_regions"]),
        ("#2 = crop_regions(image=$1, regions=#1)", ["image-blur_regions", "image-crop_regions"]),
    ],
    ids=["a whole chain", "only its beginning"],
)
def test_what_two_plans_have_in_common_is_told_once(
    again: str, pictures: list[str], run: Run, photo: Callable[[str], Image.Image], needs: Callable[[str], None]
) -> None:
    needs(jobs.DETECTION_CLOSED)
    find = '#1 = detect_objects(image=$1, query="cat")'
    first = f"{find}\n#2 = blur_regions(image=$1, regions=#1)\n#3 = pretend(image=$1)"

    result = run(first, f"{find}\n{again}\n#3 = transform_image(image=$1, rotate=90)", images=(photo("chelsea"),))

    assert result.status == "done"
    assert [found.tool for found in result.regions] == ["detect_objects"]
    assert [image.title for image in result.images] == [*pictures, "image-transform_image"]


def test_the_same_picture_twice_is_two_images(run: Run, photo: Callable[[str], Image.Image]) -> None:
    cat = photo("chelsea")

    result = run(
        '#1 = detect_objects(image=$1, query="cat")\n#2 = detect_objects(image=$2, query="cat")', images=(cat, cat)
    )

    assert [found.of for found in result.regions] == ["$1", "$2"]


def test_the_loop_is_bounded(run: Run, photo: Callable[[str], Image.Image]) -> None:
    result = run(*["#1 = pretend(image=$1)"] * 9, images=(photo("rocket"),), limits=Limits(rounds=3))

    assert result.status == "failed"


def test_the_longest_plan_runs_as_a_part_of_a_chain(pool: ModelPool) -> None:
    lines = ["#1 = transform_image(image=$1, rotate=90)"]
    lines += [f"#{n} = transform_image(image=#{n - 1}, rotate=90)" for n in range(2, MAX_PROPOSALS + 1)]
    chain = VisionGPT(ScriptedChat(script=["\n".join(lines), "Done."]), pool=pool) | (lambda result: result.steps)
    picture = Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3))

    steps = chain.invoke({"request": "turn it round and round", "images": [picture]})

    assert [step.verdict for step in steps] == ["accepted"] * MAX_PROPOSALS


def test_no_step_is_begun_after_the_time_limit(run: Run, photo: Callable[[str], Image.Image]) -> None:
    result = run("#1 = transform_image(image=$1, rotate=90)", images=(photo("rocket"),), limits=Limits(seconds=0))

    assert result.status == "failed"
    assert "time limit" in result.answer


@pytest.mark.parametrize(
    "bad",
    [
        "#1 = fly(image=$1)",
        "#1 = transform_image(image=$9)",
        "#1 = transform_image(rotate=90)",
        "#1 = blur_regions(image=$1, regions=$1)",
    ],
)
def test_a_plan_that_does_not_check_is_told_why_and_asked_again(
    bad: str, pool: ModelPool, photo: Callable[[str], Image.Image]
) -> None:
    chat = ScriptedChat(script=[bad, "#1 = transform_image(image=$1, rotate=90)", "Turned."])

    result = VisionGPT(chat, pool=pool).run("turn it", photo("rocket"))

    assert result.status == "done"
    assert "cannot be used" in str(chat.asked[1][-1].content)


def test_a_model_that_never_plans_well_declines(run: Run, photo: Callable[[str], Image.Image]) -> None:
    result = run(*["#1 = fly(image=$1)"] * 8, images=(photo("rocket"),))

    assert result.status == "declined"
    assert "fly" in result.answer


class _Down(ScriptedChat):
    def _generate(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        raise ConnectionError("the server is down")


def test_a_failing_chat_model_raises_nothing(pool: ModelPool, photo: Callable[[str], Image.Image]) -> None:
    result = VisionGPT(_Down(script=[]), pool=pool).run("turn it", photo("rocket"))

    assert result.status == "failed"
    assert "the server is down" in result.answer


@pytest.mark.parametrize(
    ("wording", "kept"),
    [
        ("Your picture now stands upright, at 640 pixels.", False),
        ('The sign says "keep out".', False),
        ("The picture is turned by 180 degrees clockwise.", True),
        ("Two elephants greet you warmly from beyond.", False),
        ("", False),
    ],
)
def test_wording_with_invented_figures_or_quotes_is_not_used(
    wording: str, kept: bool, pool: ModelPool, photo: Callable[[str], Image.Image]
) -> None:
    chat = ScriptedChat(script=["#1 = transform_image(image=$1, rotate=180)", wording])

    result = VisionGPT(chat, pool=pool).run("turn it", photo("rocket"))

    assert (result.answer == wording) is kept
    assert result.answer


def test_state_survives_a_database(pool: ModelPool, photo: Callable[[str], Image.Image], tmp_path: Path) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    script = [
        "#1 = transform_image(image=$1, rotate=90)",
        "Turned.",
        "#1 = adjust_image(image=$2, saturation=0)",
        "Grey.",
    ]
    with SqliteSaver.from_conn_string(str(tmp_path / "talk.sqlite")) as saver:
        agent = VisionGPT(ScriptedChat(script=script), pool=pool, checkpointer=saver)
        agent.run("turn it", photo("coffee"), thread_id="a")
        result = agent.run("now grey", thread_id="a")

    assert [image.name for image in result.images] == ["$3"]
    assert result.picture().size == photo("coffee").size[::-1]
