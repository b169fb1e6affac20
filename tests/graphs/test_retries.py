"""A step that did not hold is tried with the next model for its job; what has held is never done again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from tests.graphs.harness import CONFIG, asking, graph_of, logging_tool
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.graphs.state import HOLDS
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool
from visiongpt_agent.tools.detect_objects import detect_objects

CUT = "#1 = remove_background(image=$1)"
OUT = "#1 = outline(image=$1)"


@vision_tool("share of the foreground", returns=Kind.TEXT, needs=(jobs.SEGMENTATION_FOREGROUND,))
def outline(image: Image.Image, *, models: Models) -> ToolOutput:
    """Say how much of a picture is foreground."""
    with models.use(jobs.SEGMENTATION_FOREGROUND, jobs.ForegroundSegmenter) as segmenter:
        share = f"{segmenter.matte(image.convert('RGB')).mean():.0%}"
    return ToolOutput(share, f"{share} is foreground.", models=(models.name(jobs.SEGMENTATION_FOREGROUND),))


@outline.check
def _not_by_a_network(output: ToolOutput) -> Iterable[str]:
    if output.models == ("isnet",):
        yield "this one is not trusted"


@pytest.fixture
def two_models(needs: Callable[[str], None], pool: ModelPool) -> None:
    needs(jobs.SEGMENTATION_FOREGROUND)
    if pool.name(jobs.SEGMENTATION_FOREGROUND) != "isnet":
        pytest.skip("the first of two models is not here: visiongpt models pull isnet")


@pytest.mark.slow
@pytest.mark.usefixtures("two_models")
def test_a_rejected_step_is_tried_with_the_next_model(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image]
) -> None:
    graph = graph_of(OUT, "Said.", pool=pool, store=store, tools=[outline])
    told: list[Any] = list(graph.stream(asking(store, photo("chelsea")), stream_mode=["custom", "values"]))
    state = told[-1][1]
    events = [chunk for mode, chunk in told if mode == "custom" and not {"loading", "loaded"} & chunk.keys()]

    assert [next(iter(event)) for event in events] == ["plan", "started", "retried", "started", "finished"]
    assert events[2]["retried"]["model"] == "isnet"
    assert events[2]["retried"]["told"] == "this one is not trusted"
    step = state["steps"][0]
    assert step["verdict"] in HOLDS
    assert step["model"] == "grabcut-foreground"
    assert [list(attempt["models"].values()) for attempt in step["attempts"]] == [["isnet"], ["grabcut-foreground"]]
    assert [attempt["why"] for attempt in step["attempts"]] == ["this one is not trusted", ""]
    assert len([message for message in state["messages"] if message.type == "tool"]) == 1


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize("retries", [0, 1])
def test_a_model_whose_weights_are_damaged_gives_way_to_the_next(
    retries: int, pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    isnet = next(card for card in pool.registry.cards() if card.name == "isnet")
    shutil.copytree(pool.registry.store.folder(isnet) or Path(), tmp_path / "isnet")
    for weights in (tmp_path / "isnet").rglob("*.onnx"):
        weights.chmod(0o644)
        weights.write_bytes(weights.read_bytes()[:1000])
    settings = Settings(home=Settings.load().home, weights={"isnet": tmp_path / "isnet"})
    with ModelPool(settings=settings) as damaged:
        assert damaged.name(jobs.SEGMENTATION_FOREGROUND) == "isnet"
        graph = graph_of(CUT, "Cut.", pool=damaged, store=store, limits=Limits(rounds=1, retries=retries))

        step = graph.invoke(asking(store, photo("chelsea")))["steps"][0]

    assert (step["verdict"] in HOLDS) is (retries > 0)
    assert [attempt["models"] for attempt in step["attempts"]] == [
        {jobs.SEGMENTATION_FOREGROUND: name} for name in ["isnet", "grabcut-foreground"][: 1 + retries]
    ]
    assert step["model"] == ["isnet", "grabcut-foreground"][retries]
    assert step["attempts"][0]["why"]


@pytest.mark.parametrize(
    ("plan", "limits"),
    [
        (CUT, Limits()),  # a flat picture has no foreground, whichever model looks
        ("#1 = transform_image(image=$1, rotate=90)\n#2 = upscale_image(image=#1, scale=9)", Limits()),
    ],
)
def test_nothing_is_tried_again_in_vain(plan: str, limits: Limits, pool: ModelPool, store: ImageStore) -> None:
    graph = graph_of(plan, "Said.", pool=pool, store=store, tools=[outline], limits=limits)

    state = graph.invoke(asking(store, Image.new("RGB", (64, 48), "teal")))

    assert state["steps"][-1]["verdict"] in ("failed", "rejected")
    assert len(state["steps"][-1]["attempts"]) == 1


def test_a_new_plan_goes_on_from_what_has_held(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def fail() -> None:
        raise ZeroDivisionError

    first = "#1 = turn(image=$1)\n#2 = broken(image=#1)"
    second = "#1 = turn(image=$1)\n#2 = adjust_image(image=#1, saturation=0)"
    tools = [logging_tool("turn", log), logging_tool("broken", log, fail)]
    graph = graph_of(first, second, "Done.", pool=pool, store=store, tools=tools)

    state = graph.invoke(asking(store, photo("rocket")), CONFIG)

    assert log.read_text().split() == ["turn", "broken"]
    assert state["earlier"] == []
    assert [(step["round"], step["tool"], step["verdict"]) for step in state["steps"]] == [
        (2, "turn", "accepted"),
        (2, "adjust_image", "accepted"),
    ]
    assert [entry["origin"] for entry in state["images"]] == ["user", "turn", "adjust_image"]
    assert state["status"] == "done"


def test_the_regions_of_an_earlier_plan_can_be_used_by_the_next(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], needs: Callable[[str], None]
) -> None:
    needs(jobs.DETECTION_CLOSED)
    first = '#1 = detect_objects(image=$1, query="cat")\n#2 = recolor_regions(image=$1, regions=#1, color="xyzzy")'
    second = '#1 = detect_objects(image=$1, query="cat")\n#2 = blur_regions(image=$1, regions=#1)'
    graph = graph_of(first, second, "Done.", pool=pool, store=store)

    steps = graph.invoke(asking(store, photo("chelsea")), CONFIG)["steps"]

    assert all(step["verdict"] in HOLDS for step in steps)
    assert [step["tool"] for step in steps] == ["detect_objects", "blur_regions"]


@vision_tool("brighten", returns=Kind.IMAGE)
def brighten(image: Image.Image, *, gain: int = 1) -> ToolOutput:
    """Make a picture brighter."""
    return ToolOutput(image.point(lambda value: min(255, gain * value)), f"I brightened the picture {gain} times.")


@brighten.check
def _is_bright(output: ToolOutput) -> Iterable[str]:
    if ImageStat.Stat(one_picture(output.value).convert("L")).mean[0] < 120:
        yield "the picture is still dark"


brighten.otherwise(gain=2)
brighten.otherwise(gain=4)


@pytest.mark.parametrize(
    ("retries", "gains", "verdict"), [(0, [{}], "rejected"), (2, [{}, {"gain": 2}, {"gain": 4}], "accepted")]
)
def test_a_refused_result_is_tried_with_the_next_settings(
    retries: int, gains: list[dict[str, int]], verdict: str, pool: ModelPool, store: ImageStore
) -> None:
    limits = Limits(rounds=1, retries=retries)
    graph = graph_of("#1 = brighten(image=$1)", "Said.", pool=pool, store=store, tools=[brighten], limits=limits)

    step = graph.invoke(asking(store, Image.new("RGB", (64, 48), (40, 40, 40))))["steps"][0]

    assert [attempt["settings"] for attempt in step["attempts"]] == gains
    assert step["verdict"] == verdict


def test_a_setting_that_a_tool_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="image is no setting of brighten"):
        brighten.otherwise(image=2)


def test_a_strict_detector_finds_no_more_than_a_lax_one(
    pool: ModelPool, photo: Callable[[str], Image.Image], needs: Callable[[str], None]
) -> None:
    needs(jobs.DETECTION_CLOSED)
    ladder = [{}, *detect_objects.ladder]
    found = [detect_objects(photo("coffee"), "", models=pool, **settings) for settings in ladder]

    usual, strict, lax = [(out.facts["threshold"], sum(out.facts["counts"].values())) for out in found]
    assert strict[0] > usual[0] > lax[0]
    assert strict[1] <= usual[1] <= lax[1]
    assert strict[1] < lax[1]
