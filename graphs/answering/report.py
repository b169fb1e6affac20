"""From the graph's last state to the :class:`~visiongpt_agent.result.VisionResult` that a person gets."""

from __future__ import annotations

import logging
from functools import reduce
from pathlib import PurePath
from typing import TYPE_CHECKING

from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.graphs.answering.findings import Place, gathered
from visiongpt_agent.graphs.loop.lineage import is_used, origin, pictures_of
from visiongpt_agent.graphs.state import HOLDS
from visiongpt_agent.pictures.drawing import draw_heat, draw_regions
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.regions import Regions
from visiongpt_agent.result import RegionResult, ResultImage, StepReport, VisionResult

if TYPE_CHECKING:
    from visiongpt_agent.graphs.state import AgentState, Step

logger = logging.getLogger(__name__)


def build_result(state: AgentState, store: ImageStore, thread_id: str) -> VisionResult:
    """Gather answer, pictures, regions and steps of one request."""
    steps = [*state["earlier"], *state["steps"]]
    held = [step for step in steps if step["verdict"] in HOLDS]
    names = {entry["id"]: f"${k}" for k, entry in enumerate(state["images"], 1)}
    entries = [
        RegionResult(
            of=_looked_at(step, names),
            tool=step["tool"],
            id=step["artifact"]["regions"],
            items=_items(step),
            image=_image_of(step),
            title=_stem(step, held, state),
            outlined=is_used(step, [other for other in held if other["artifact"]["kind"] == "regions"]),
        )
        for step in held
        if step["artifact"]["kind"] == "regions"
    ]
    # A step of an earlier plan that the last one took up again may stand in both.
    regions = tuple({(region.of, region.tool, region.id): region for region in entries}.values())
    findings = gathered(held, lambda step: _place(step, held, state, names))
    return VisionResult(
        answer=state["answer"],
        plan=state["plan"],
        images=(*_annotated(held, state, store), *_result_images(held, state, names)),
        regions=regions,
        steps=tuple(_report(step) for step in steps),
        warnings=tuple(state["warnings"]),
        status=state["status"],
        thread_id=thread_id,
        lines=findings.lines,
        codes=findings.codes,
        labels=findings.labels,
        answers=findings.answers,
        measurements=findings.measurements,
        store=store,
    )


def _place(step: Step, steps: list[Step], state: AgentState, names: dict[str, str]) -> Place:
    """The image that a step looked at: its own argument, or the name of the picture that an earlier step made."""
    reference = str(step["args"].get("image", ""))
    if reference.startswith("#"):
        taken = str(step["inputs"].get("image", ""))
        reference = names.get(taken, "")
    root = origin(step, steps)
    return Place(reference, state["images"][int(root[1:]) - 1].get("page", 1) if root.startswith("$") else 1)


def _result_images(held: list[Step], state: AgentState, names: dict[str, str]) -> list[ResultImage]:
    """Pictures that tools made; left out are those that a later picture was made from."""
    edits = [step for step in held if step["artifact"]["kind"] == "image"]
    return [
        ResultImage(
            id=picture["image"],
            role="made",
            name=names.get(picture["image"], ""),
            title=f"{_stem(step, held, state)}-{step['tool']}",
            width=picture["width"],
            height=picture["height"],
            before=_original(step, held, state),
        )
        for step in held
        for picture in pictures_of(step)
        if picture is not step["artifact"] or not is_used(step, edits)
    ]


def _annotated(held: list[Step], state: AgentState, store: ImageStore) -> list[ResultImage]:
    """Each original on which a step found regions that no other step went on to use, with those regions drawn."""
    by_image: dict[str, list[Step]] = {}
    for step in held:
        artifact = step["artifact"]
        if artifact["kind"] == "regions" and artifact["items"] and not is_used(step, held):
            by_image.setdefault(_image_of(step), []).append(step)
    drawn: list[ResultImage] = []
    for image, steps in by_image.items():
        try:
            picture = store.open(image)
            for heat in dict.fromkeys(step["artifact"].get("heat", "") for step in steps):
                picture = draw_heat(picture, store.open(heat)) if heat else picture
            # As one, so that colours and numbers are given once.
            regions = reduce(Regions.merge, [store.regions(step["artifact"]["regions"]) for step in steps])
            picture = draw_regions(picture, regions)
        except VisionGPTError:  # the answer stands without its drawing
            logger.exception("the regions on %s could not be drawn", image)
            continue
        tools = "+".join(dict.fromkeys(step["tool"] for step in steps))
        stored = store.add(picture, Provenance("annotation", tools, parents=(image,)))
        title = f"{_stem(steps[0], held, state)}-{tools}"
        drawn.append(ResultImage(stored.id, "annotated", "", title, stored.width, stored.height, before=image))
    return drawn


def _image_of(step: Step) -> str:
    """The content id of the image that a step's regions belong to."""
    of = step["artifact"].get("of") or [""]
    return str(of[0])


def _looked_at(step: Step, names: dict[str, str]) -> str:
    """The name of that image. The step's own word comes first: two images of a conversation may be the same picture."""
    reference = str(step["args"].get("image", ""))
    return reference if reference.startswith("$") else names.get(_image_of(step), "")


def _items(step: Step) -> tuple[dict[str, object], ...]:
    return tuple(step["artifact"]["items"])


def _stem(step: Step, steps: list[Step], state: AgentState) -> str:
    """The name of the original that a step goes back to, without its suffix; ``new`` where there is none."""
    reference = origin(step, steps)
    return PurePath(state["images"][int(reference[1:]) - 1]["title"]).stem or "image" if reference else "new"


def _original(step: Step, steps: list[Step], state: AgentState) -> str:
    """The content id of the image of the conversation that a picture was made from."""
    reference = origin(step, steps)
    return state["images"][int(reference[1:]) - 1]["id"] if reference.startswith("$") else ""


def _report(step: Step) -> StepReport:
    account = step["error"] or step["artifact"].get("summary", "")
    return StepReport(step["id"], step["tool"], step["args"], step["model"], step["seconds"], step["verdict"], account)
