"""How many planted faults the postconditions catch, and how often they cry wolf.

A fault damages what a tool's function has handed back, between the function and its postconditions, as a broken model
or adapter would; what is told (summary, facts) is damaged along, so that the lie is whole. Each is counted as caught
where the result is rejected or the step fails; where being unsure is the right verdict (``DOUBT_IS_RIGHT``), also where
it is told as uncertain. Hangs, lack of memory and exceptions go through the whole agent. Run it by itself to see every
miss by name: ``python -m tests.bench.faults [TOOL ...]``.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from PIL import Image, ImageOps

from tests.bench.gallery import Run, runs
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.language.vocabulary import read_query, understand
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pictures.likeness import mean_difference
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.tools import catalog, detect_faces, detect_objects
from visiongpt_agent.tools.base import Label, ToolOutput, ToolSpec

Verdict = Literal["accepted", "doubted", "rejected", "failed"]
Damage = Callable[[ToolOutput, Run, Sequence[ToolOutput]], ToolOutput | None]
"""From the true output, the run, and the tool's true outputs in other runs; None where the fault cannot happen."""

RUNS_A_TOOL: Final = 4
_STEP, _HANGS = 3.0, 30.0
"""Seconds that a step may take in the whole agent, and that a hanging one would take."""

DOUBT_IS_RIGHT: Final = frozenset(
    {
        *("one thing lost", "one line lost", "one word changed"),  # a count or a reading that does not agree
        *("words of another picture", "hallucinated caption", "answer of another question"),  # a second opinion only
        *("generate_image: result of another run", "generate_image: a quarter lost"),  # of invented pictures only
        *("edit_image: mirrored", "edit_image: content shifted"),  # may have been asked for
        *("generate_with_control: mirrored", "generate_with_control: content shifted"),
        *("edit_image: result of another run", "edit_image: red and blue swapped"),  # a model for words can judge,
        *("generate_with_control: result of another run", "generate_with_control: red and blue swapped"),  # roughly
        *("half the mask", "inverted cut-out"),  # some things are so
        *("detect_anomalies: mask shifted", "detect_anomalies: mask shifted in its box"),  # by less than its cells
    }
)


@dataclass
class Tally:
    """What came out."""

    clean: int = 0
    rejected: list[str] = field(default_factory=list)
    doubted: list[str] = field(default_factory=list)
    caught: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    @property
    def planted(self) -> int:
        return sum(self.caught.values()) + len(self.missed)

    @property
    def share_caught(self) -> float:
        return sum(self.caught.values()) / max(1, self.planted)

    @property
    def false_alarms(self) -> float:
        """Share of the clean runs whose result was rejected, or doubted by a postcondition."""
        return (len(self.rejected) + len(self.doubted)) / max(1, self.clean)


def measure(only: Sequence[str] = ()) -> Tally:
    """Run the gallery clean, then with every fault that fits."""
    tally = Tally()
    logging.disable(logging.CRITICAL)  # the executor reports each exception that is planted
    with ModelPool() as pool, tempfile.TemporaryDirectory() as folder:
        store = ImageStore(Path(folder))
        by_tool: dict[str, list[tuple[Run, ToolOutput]]] = {}
        for run in runs(pool, only):
            by_tool.setdefault(run.tool, []).append((run, _clean(run)))
        for tool, done in by_tool.items():
            begun = time.perf_counter()
            for run, output in done:
                _count_clean(tally, run, output, _verdict(run, output, output, store))
            chosen = done[:: max(1, len(done) // RUNS_A_TOOL)][:RUNS_A_TOOL]
            for run, output in chosen:
                others = [other for known, other in done if known is not run]
                for name, damage in _faults(run, output):
                    damaged = _damaged(damage, output, run, others)
                    if damaged is not None:
                        _count_fault(tally, run.tool, name, run.title, _verdict(run, damaged, output, store))
            print(f"{tool}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        for tool, name, verdict in _breakdowns(pool, only or list(by_tool)):
            _count_fault(tally, tool, name, "through the agent", verdict)
    logging.disable(logging.NOTSET)
    return tally


def judged(among: Sequence[Run], title: str, fault: str, store: ImageStore) -> tuple[Verdict, Verdict]:
    """The verdicts on the run of that title, clean and with a fault; the other runs lend their results to the fault."""
    done = [(run, _clean(run)) for run in among]
    run, output = next(one for one in done if one[0].title == title)
    others = [other for known, other in done if known is not run]
    damaged = _damaged(dict(_faults(run, output))[fault], output, run, others)
    assert damaged is not None, f"{fault} cannot happen to {title}"
    return _verdict(run, output, output, store), _verdict(run, damaged, output, store)


def _clean(run: Run) -> ToolOutput:
    spec = catalog()[run.tool]
    takes_models = "models" in inspect.signature(spec.function).parameters
    return spec(**run.args, **({"models": run.models} if takes_models else {}))


def _damaged(
    damage: Damage, output: ToolOutput, run: Run, others: Sequence[ToolOutput]
) -> ToolOutput | Exception | None:
    try:
        return damage(output, run, others)
    except ValueError as refusal:  # the value types refuse to hold the damage: the tool itself would have failed
        return refusal


def _verdict(run: Run, handed: ToolOutput | Exception, true: ToolOutput, store: ImageStore) -> Verdict:
    """What becomes of a result that a tool's function hands back, its postconditions as they are."""
    spec = catalog()[run.tool]

    @functools.wraps(spec.function)
    def function(**_: Any) -> ToolOutput:
        if isinstance(handed, Exception):
            raise handed
        return handed

    tool = replace(spec, function=function).bind(store, run.models)
    call = {"name": run.tool, "args": _references(run, store), "id": "1", "type": "tool_call"}
    try:
        artifact = tool.invoke(call).artifact
    except Exception:  # whatever it is, the step has failed and nothing wrong is told
        return "failed"
    if artifact["problems"]:
        return "rejected"
    return "doubted" if set(artifact["uncertain"]) - set(true.uncertain) else "accepted"


def _references(run: Run, store: ImageStore) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in run.args.items():
        if isinstance(value, Image.Image):
            given[name] = store.add(value).id
        elif isinstance(value, Regions):
            given[name] = store.add_regions(value)
        else:
            given[name] = value
    return given


def _count_clean(tally: Tally, run: Run, output: ToolOutput, verdict: Verdict) -> None:
    tally.clean += 1
    title = f"{run.tool} ({run.title})"
    if verdict in ("rejected", "failed"):
        review = catalog()[run.tool].review(run.args, output, run.models)
        tally.rejected.append(f"{title}: {'; '.join(review.problems) or verdict}")
    elif verdict == "doubted":
        tally.doubted.append(f"{title}: {' '.join(catalog()[run.tool].review(run.args, output, run.models).doubts)}")


def _count_fault(tally: Tally, tool: str, name: str, title: str, verdict: Verdict) -> None:
    doubt_is_right = name in DOUBT_IS_RIGHT or f"{tool}: {name}" in DOUBT_IS_RIGHT
    if verdict in ("rejected", "failed") or (verdict == "doubted" and doubt_is_right):
        tally.caught[verdict] += 1
    else:
        tally.missed.append(f"{tool}: {name} ({title}): {verdict}")


# ------------------------------------------------------------------------------------- exceptions, memory and hangs


def _breakdowns(pool: ModelPool, tools: Sequence[str]) -> Iterator[tuple[str, str, Verdict]]:
    """Faults that no postcondition sees, through the whole agent."""
    import torch

    errors: Mapping[str, Exception] = {
        "exception": RuntimeError("shapes do not match"),
        "out of memory": MemoryError(),
        "GPU out of memory": torch.cuda.OutOfMemoryError("CUDA out of memory"),
    }
    for tool in tools:
        spec = catalog()[tool]
        for name, error in errors.items():
            yield tool, name, _through_agent(spec, functools.partial(_raise, error), pool)
        yield tool, "hang", _through_agent(spec, functools.partial(time.sleep, _HANGS), pool)


def _raise(error: Exception) -> None:
    raise error


def _through_agent(spec: ToolSpec, breaks: Callable[[], None], pool: ModelPool) -> Verdict:
    @functools.wraps(spec.function)
    def function(*_: Any, **__: Any) -> ToolOutput:
        breaks()
        raise AssertionError("it came back")

    broken = replace(spec, function=function, needs=())
    values = {Kind.IMAGE: "$1", Kind.REGIONS: "#1", Kind.STRING: '"grey"', Kind.STRINGS: '["grey"]'}
    asked = [a for a in spec.signature.arguments if a.required]
    takes_regions = any(Kind.REGIONS in a.kinds for a in asked)
    given = ", ".join(f"{a.name}={values.get(a.kinds[0], '2')}" for a in asked).replace("other=$1", "other=$2")
    line = f"#{1 + takes_regions} = {spec.name}({given})"
    plan = f"#1 = detect_objects(image=$1)\n{line}" if takes_regions else line
    picture = Image.open(_portrait()).convert("RGB")
    limits = Limits(rounds=1, retries=0, step_seconds=_STEP)
    agent = VisionGPT(ScriptedChat(script=[plan, "Done."]), pool=pool, tools=[broken], limits=limits)
    begun = time.perf_counter()
    result = agent.run("do it", picture, ImageOps.mirror(picture))
    verdicts = [step.verdict for step in result.steps if step.tool == spec.name]
    agent.close()
    in_time = time.perf_counter() - begun < _HANGS
    return "failed" if verdicts == ["failed"] and in_time else "accepted"


def _portrait() -> Path:
    from visiongpt_agent import sample_photo

    return sample_photo("astronaut")


# ----------------------------------------------------------------------------------------------------------- faults


def _faults(run: Run, output: ToolOutput) -> Iterator[tuple[str, Damage]]:
    """The faults that can happen to a result, by its kind and its tool."""
    kind = catalog()[run.tool].signature.returns
    yield "nothing", _value(None)
    yield "a figure that is NaN", lambda o, r, _: replace(o, facts={**o.facts, "score": float("nan")})
    if kind is Kind.IMAGE:
        yield from _IMAGES.items()
        yield from _OF_IMAGE_TOOLS.get(run.tool, {}).items()
    elif kind is Kind.REGIONS:
        assert isinstance(output.value, Regions)
        yield from _REGIONS.items()
        if output.value.masks is not None:
            yield from _MASKS.items()
        yield from _OF_REGION_TOOLS.get(run.tool, {}).items()
    elif kind is Kind.LABELS:
        yield from _LABELS.items()
    else:
        yield from _OF_TEXT_TOOLS[run.tool].items()


def _value(value: Any) -> Damage:
    return lambda output, run, others: replace(output, value=value)


def _picture(change: Callable[[Image.Image, Run], Image.Image | None]) -> Damage:
    """A fault of pictures; where nothing of it can be seen it is none."""

    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        assert isinstance(output.value, Image.Image)
        made = change(output.value, run)
        same = made is not None and made.size == output.value.size and made.mode == output.value.mode
        same = same and float(np.abs(np.asarray(made, np.float32) - np.asarray(output.value, np.float32)).mean()) < 0.3
        return None if made is None or same else replace(output, value=made)

    return damage


_ANOTHER: Final = 5.0


def _of_another(same_size: bool) -> Damage:
    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        mine = output.value
        assert isinstance(mine, Image.Image)
        pictures = [o.value for o in others if isinstance(o.value, Image.Image)]
        other = next((p for p in pictures if mean_difference(p.resize(mine.size), mine) > _ANOTHER), None)
        if other is None or (not same_size and (other.size == mine.size or run.tool == "generate_image")):
            return None
        return replace(output, value=other.resize(mine.size) if same_size else other)

    return damage


def _rolled(image: Image.Image, share: float) -> Image.Image:
    step = max(2, round(share * image.width)), max(2, round(share * image.height))
    return Image.fromarray(np.roll(np.asarray(image), step, axis=(1, 0)))


def _noise(image: Image.Image, run: Run) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (image.height, image.width, len(image.getbands())))
    return Image.fromarray(pixels.astype(np.uint8))


def _unchanged(image: Image.Image, run: Run) -> Image.Image | None:
    given = run.args.get("image")
    return given if isinstance(given, Image.Image) else None


def _quarter_lost(image: Image.Image, run: Run) -> Image.Image:
    pixels = np.array(image)
    pixels[pixels.shape[0] // 2 :, pixels.shape[1] // 2 :, :3] = 0
    return Image.fromarray(pixels)


def _channels_swapped(image: Image.Image, run: Run) -> Image.Image:
    bands = image.split()
    return Image.merge(image.mode, (bands[2], bands[1], bands[0], *bands[3:]))


def _flat(image: Image.Image, colour: int) -> Image.Image:
    return Image.new(image.mode, image.size, (colour,) * 3 + (255,) * (len(image.getbands()) - 3))


_FREE: Final = ("generate_image",)
"""Tools whose picture may be of any size, place and colour."""

_IMAGES: Mapping[str, Damage] = {
    "unchanged output": _picture(_unchanged),
    "result of another run": _of_another(same_size=True),
    "result of another run, other size": _of_another(same_size=False),
    "wrong size": _picture(lambda i, r: None if r.tool in _FREE else i.resize((i.width * 9 // 10, i.height))),
    "a thumbnail": _picture(lambda i, r: i.resize((8, 8))),
    "black picture": _picture(lambda i, r: _flat(i, 0)),
    "grey picture": _picture(lambda i, r: _flat(i, 128)),
    "NaN picture": _picture(lambda i, r: Image.fromarray(np.full((i.height, i.width), np.nan, np.float32))),
    "noise": _picture(_noise),
    "content shifted": _picture(lambda i, r: None if r.tool in _FREE else _rolled(i, 0.08)),
    "a quarter lost": _picture(_quarter_lost),
    "red and blue swapped": _picture(lambda i, r: None if r.tool in _FREE else _channels_swapped(i, r)),
    "mirrored": _picture(lambda i, r: None if r.tool in _FREE else ImageOps.mirror(i)),
}


# ------------------------------------------------------------------------------------------ faults of certain editors


def _elsewhere(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    """The edit was made in a wrong place: by boxes in a wrong frame."""
    regions = run.args["regions"]
    moved = _moved(regions, 0.5)
    if moved is None:
        return None
    if regions.masks is not None:
        step = [round(float(v)) for v in (moved.boxes - regions.boxes)[0, :2]]
        masks = np.stack([_shifted(mask, *step) for mask in regions.masks])
        moved = Regions.from_masks(masks, regions.labels)
    try:
        return _clean(replace(run, args={**run.args, "regions": moved}))
    except Exception:
        return None


def _leaked(image: Image.Image, run: Run) -> Image.Image | None:
    """A patch outside of where the edit was allowed is changed, too."""
    outside = ~run.args["regions"].union_mask()
    if run.args.get("invert"):
        outside = ~outside
    height, width = outside.shape
    for top in range(0, height - height // 8, height // 8):
        for left in range(0, width - width // 8, width // 8):
            patch = np.s_[top : top + height // 8, left : left + width // 8]
            if outside[patch].mean() > 0.97:
                pixels = np.array(image)
                pixels[patch] = 255 - pixels[patch]
                return Image.fromarray(pixels)
    return None


def _filled(image: Image.Image, run: Run) -> Image.Image:
    """The place of the edit is painted in one grey."""
    inside = run.args["regions"].union_mask()
    pixels = np.array(image)
    pixels[~inside if run.args.get("invert") else inside] = 90
    return Image.fromarray(pixels)


def _slightly(image: Image.Image, run: Run) -> Image.Image:
    """A tenth of the edit was carried out."""
    return Image.blend(run.args["image"].convert(image.mode), image, 0.1)


def _alpha(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Damage:
    def changed(image: Image.Image, run: Run) -> Image.Image:
        pixels = np.array(image)
        alpha = change(pixels[..., 3]).astype(np.uint8)
        colours = np.where(alpha[..., None] > 0, np.asarray(run.args["image"].convert("RGB")), 255)
        return Image.fromarray(np.dstack([colours, alpha]).astype(np.uint8))

    return _picture(changed)


_REGION_EDITS: Mapping[str, Damage] = {
    "edit in the wrong place": _elsewhere,
    "changed outside the region": _picture(_leaked),
    "filled with one grey": _picture(_filled),
}
_OF_IMAGE_TOOLS: Mapping[str, Mapping[str, Damage]] = {
    "inpaint": _REGION_EDITS,
    "recolor_regions": {**_REGION_EDITS, "a tenth of the edit": _picture(_slightly)},
    "blur_regions": {**_REGION_EDITS, "a tenth of the edit": _picture(_slightly)},
    "crop_regions": {"crop of another place": _elsewhere},
    "remove_background": {
        "inverted cut-out": _alpha(lambda alpha: 255 - alpha),
        "shifted cut-out": _alpha(lambda alpha: np.roll(alpha, alpha.shape[1] // 12, axis=1)),
        "nothing cut away": _alpha(lambda alpha: np.full_like(alpha, 255)),
        "all cut away": _alpha(np.zeros_like),
        "no transparency": _picture(lambda image, run: image.convert("RGB")),
    },
    "adjust_image": {"a tenth of the edit": _picture(_slightly)},
}


# ----------------------------------------------------------------------------------------------- faults of regions


def _retold(output: ToolOutput, regions: Regions, run: Run) -> ToolOutput:
    """The output with other regions, told as the tool would have told them."""
    facts, summary, missing = dict(output.facts), output.summary, output.missing
    if run.tool == "detect_objects":
        counts = Counter(regions.labels)
        places = detect_objects._places(regions)
        facts |= {"counts": dict(counts), "places": places}
        told = detect_objects._counted(counts, places)
        assert isinstance(output.value, Regions)
        lost = [label for label in dict.fromkeys(output.value.labels) if label not in counts]
        nouns = [understand(noun) for noun in read_query(run.args.get("query", ""))]
        missing = tuple(n.asked for n in nouns if not set(regions.labels) & {n.name, n.phrase, *n.classes})
        summary = " ".join([*told, *([f"I found {', '.join(f'no {one}' for one in lost)}."] if lost else [])])
    elif run.tool == "detect_faces":
        facts |= {"count": len(regions), "places": detect_faces._places(regions)}
        summary, missing = detect_faces._sentence(regions), () if len(regions) else ("face",)
    elif run.tool == "detect_anomalies":
        from visiongpt_agent.tools import detect_anomalies

        summary = detect_anomalies._sentence(regions, run.args.get("reference") is not None)
    elif run.tool == "segment_objects":
        facts["shares"] = []
    elif run.tool == "estimate_pose":
        facts["keypoints"] = (list(facts.get("keypoints", [])) * (len(regions) + 1))[: len(regions)]
        missing = () if len(regions) else ("person",)
    return replace(output, value=regions, facts=facts, summary=summary, missing=missing)


def _boxes(change: Callable[[np.ndarray[Any, Any], Regions], Any]) -> Damage:
    """A fault of boxes; masks stay where they are."""

    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        regions = output.value
        assert isinstance(regions, Regions)
        if not len(regions):
            return None
        boxes = np.asarray(change(regions.boxes.astype(np.float64), regions), np.float32)
        if np.allclose(boxes, regions.boxes, atol=1):
            return None
        made = Regions(regions.size, boxes, regions.labels, regions.confidence, regions.masks)
        return _retold(output, made, run)

    return damage


def _raw(**changed: Callable[[Regions], Any]) -> Damage:
    """A fault that slips past the value type: arrays written to after they were made."""

    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        regions = output.value
        assert isinstance(regions, Regions)
        if not len(regions):
            return None
        made = regions.select(np.arange(len(regions)))
        for name, change in changed.items():
            object.__setattr__(made, name, change(regions))
        return replace(output, value=made)

    return damage


def _moved(regions: Regions, share: float) -> Regions | None:
    """The boxes moved by a share of their size, towards where there is more room."""
    width, height = regions.size
    moved = regions.boxes.copy()
    for box in moved:
        step_x, step_y = share * (box[2] - box[0]), share * (box[3] - box[1])
        across = step_x if width - box[2] >= box[0] else -step_x
        down = step_y if height - box[3] >= box[1] else -step_y
        box += np.array([across, down, across, down], np.float32)
    clipped = np.clip(moved, 0, [width, height, width, height])
    if (clipped[:, 2:] - clipped[:, :2] < 2).any() or np.abs(clipped - regions.boxes).max() < 4:
        return None
    return Regions(regions.size, clipped, regions.labels, regions.confidence)


def _boxes_moved(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    regions = output.value
    assert isinstance(regions, Regions)
    moved = _moved(regions, 0.5) if len(regions) else None
    if moved is None:
        return None
    return _retold(output, Regions(moved.size, moved.boxes, moved.labels, moved.confidence, regions.masks), run)


def _only(keep: Callable[[int], list[int]], least: int) -> Damage:
    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        regions = output.value
        assert isinstance(regions, Regions)
        if len(regions) < least:
            return None
        made = _retold(output, regions.select(keep(len(regions))), run)
        if run.tool == "estimate_pose":
            kept = [output.facts["keypoints"][i] for i in keep(len(regions))]
            made = replace(made, facts={**made.facts, "keypoints": kept})
        return made

    return damage


def _invented(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    """One more, where nothing of that kind is."""
    regions = output.value
    assert isinstance(regions, Regions)
    labels = {"detect_faces": "face", "detect_anomalies": "anomaly", "estimate_pose": "person"}
    asked = str(run.args.get("query", "")).split(",")[0]
    nouns = read_query(asked)
    label = labels.get(run.tool) or (nouns[0].name if nouns else "dog")
    width, height = regions.size
    places = [(0.02, 0.02), (0.7, 0.02), (0.02, 0.65), (0.7, 0.65)]
    boxes = [np.array([x, y, x + 0.26, y + 0.3]) * [width, height, width, height] for x, y in places]
    free = [b for b in boxes if not len(regions) or Regions(regions.size, b[None]).iou(regions).max() < 0.1]
    if not free:
        return None
    mask = None
    if regions.masks is not None or run.tool == "detect_anomalies":
        mask = Regions(regions.size, free[-1][None]).union_mask()[None]
    more = Regions(regions.size, free[-1][None], (label,), np.array([0.8], np.float32), mask)
    return _retold(output, regions.merge(more), run)


def _of_other_picture(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    regions = output.value
    assert isinstance(regions, Regions)
    for other in others:
        theirs = other.value
        if isinstance(theirs, Regions) and len(theirs) and theirs.size != regions.size:
            factor = np.tile(np.array(regions.size) / np.array(theirs.size), 2)
            boxes = (theirs.boxes * factor).astype(np.float32)
            if len(regions) and len(boxes) == len(regions) and np.abs(boxes - regions.boxes).max() < 4:
                continue
            masks = None
            if theirs.masks is not None:
                masks = np.stack([cv2.resize(m.astype(np.uint8), regions.size) > 0 for m in theirs.masks])
            inside = np.clip(boxes, 0, [*regions.size, *regions.size])
            made = Regions(regions.size, inside, theirs.labels, theirs.scores, masks)
            return replace(other, value=made)
    return None


def _foreign(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    mine = output.value
    assert isinstance(mine, Regions)
    return next((o for o in others if isinstance(o.value, Regions) and o.value.size != mine.size), None)


def _mislabelled(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    regions = output.value
    assert isinstance(regions, Regions)
    if not len(regions) or (run.tool == "segment_objects" and "regions" not in run.args):
        return None
    wrong = {"dog": "umbrella"}
    nouns = [n.name for n in read_query(str(run.args.get("query", "")))]
    label = next((n for n in nouns if n not in regions.labels), wrong.get(regions.labels[0], "dog"))
    made = Regions(regions.size, regions.boxes, (label, *regions.labels[1:]), regions.scores, regions.masks)
    return _retold(output, made, run)


_REGIONS: Mapping[str, Damage] = {
    "boxes in a frame of 416 pixels": _boxes(lambda b, r: b * np.tile(416 / np.array(r.size), 2)),
    "boxes from 0 to 1": _boxes(lambda b, r: b / np.tile(np.array(r.size), 2)),
    "xywh for xyxy": _boxes(lambda b, r: np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], axis=1)),
    "x and y swapped": _boxes(lambda b, r: b[:, [1, 0, 3, 2]]),
    "boxes mirrored": _boxes(lambda b, r: np.stack([r.size[0] - b[:, 2], b[:, 1], r.size[0] - b[:, 0], b[:, 3]], 1)),
    "boxes half as large": _boxes(lambda b, r: np.concatenate([b[:, :2], (b[:, :2] + b[:, 2:]) / 2], axis=1)),
    "boxes moved by half": _boxes_moved,
    "boxes of NaN": _raw(boxes=lambda r: np.full_like(r.boxes, np.nan)),
    "infinite boxes": _raw(boxes=lambda r: np.full_like(r.boxes, np.inf)),
    "boxes outside": _raw(boxes=lambda r: r.boxes + 10_000),
    "empty boxes": _raw(boxes=lambda r: r.boxes[:, [0, 1, 0, 1]]),
    "scores of NaN": _raw(scores=lambda r: np.full(len(r), np.nan, np.float32)),
    "infinite scores": _raw(scores=lambda r: np.full(len(r), np.inf, np.float32)),
    "scores over 1": _raw(scores=lambda r: np.full(len(r), 7, np.float32)),
    "result of another picture": _of_other_picture,
    "result of another picture, its frame": _foreign,
    "all lost": _only(lambda n: [], 1),
    "one thing lost": _only(lambda n: list(range(1, n)), 2),
    "one thing twice": _only(lambda n: [*range(n), 0], 1),
    "one thing invented": _invented,
    "wrong label": _mislabelled,
}


# ------------------------------------------------------------------------------------------------- faults of masks


def _masks(change: Callable[[BoolArray, np.ndarray[Any, Any]], BoolArray]) -> Damage:
    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        regions = output.value
        assert isinstance(regions, Regions)
        assert regions.masks is not None
        if not len(regions):
            return None
        masks = np.stack([change(mask, box) for mask, box in zip(regions.masks, regions.boxes, strict=True)])
        if np.array_equal(masks, regions.masks):
            return None
        made = regions.select(np.arange(len(regions)))
        object.__setattr__(made, "masks", masks)
        return replace(output, value=made)

    return damage


def _shifted(mask: BoolArray, right: int, down: int) -> BoolArray:
    moved = cv2.warpAffine(mask.astype(np.uint8), np.array([[1, 0, right], [0, 1, down]], np.float64), mask.shape[::-1])
    return np.asarray(moved > 0, np.bool_)


def _inside(box: np.ndarray[Any, Any], shape: tuple[int, ...]) -> BoolArray:
    return Regions((shape[1], shape[0]), np.asarray(box, np.float32)[None]).union_mask()


def _root(mask: BoolArray) -> float:
    return float(np.sqrt(np.count_nonzero(mask)))


_MASKS: Mapping[str, Damage] = {
    "mask shifted": _masks(lambda m, b: _shifted(m, round(0.15 * _root(m)), round(0.1 * _root(m)))),
    "mask shifted in its box": _masks(
        lambda m, b: _shifted(m, round(0.15 * _root(m)), round(0.1 * _root(m))) & _inside(b, m.shape)
    ),
    "empty mask": _masks(lambda m, b: np.zeros_like(m)),
    "inverted mask": _masks(lambda m, b: ~m),
    "inverted in its box": _masks(lambda m, b: ~m & _inside(b, m.shape)),
    "the whole box as mask": _masks(lambda m, b: _inside(b, m.shape)),
    "everything as mask": _masks(lambda m, b: np.ones_like(m)),
    "mirrored mask": _masks(lambda m, b: np.ascontiguousarray(m[:, ::-1])),
    "mask upside down": _masks(lambda m, b: np.ascontiguousarray(m[::-1])),
    "half the mask": _masks(lambda m, b: m & (np.arange(m.shape[0]) < (b[1] + b[3]) / 2)[:, None]),
}


# ------------------------------------------------------------------------------------------------ faults of joints


def _joints(change: Callable[[dict[str, Any], Regions], dict[str, Any]]) -> Damage:
    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        regions = output.value
        assert isinstance(regions, Regions)
        if not len(regions):
            return None
        people = [[change(dict(joint), regions) for joint in person] for person in output.facts["keypoints"]]
        return replace(output, facts={**output.facts, "keypoints": people})

    return damage


_OF_REGION_TOOLS: Mapping[str, Mapping[str, Damage]] = {
    "estimate_pose": {
        "joints of NaN": _joints(lambda j, r: {**j, "x": float("nan")}),
        "joints from 0 to 1": _joints(lambda j, r: {**j, "x": j["x"] / r.size[0], "y": j["y"] / r.size[1]}),
        "joints mirrored": _joints(lambda j, r: {**j, "x": r.size[0] - j["x"]}),
        "joints all in one place": _joints(
            lambda j, r: {**j, "x": float(r.boxes[0, [0, 2]].mean()), "y": float(r.boxes[0, [1, 3]].mean())}
        ),
    }
}


# ------------------------------------------------------------------------------------------- faults of words and labels


def _labelled(change: Callable[[list[Label]], list[Label]]) -> Damage:
    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        assert isinstance(output.value, Sequence)
        ranked = [label for label in output.value if isinstance(label, Label)]
        made = change(ranked)
        told = f"It is most likely {made[0].name} ({made[0].score:.0%})." if made else "There is nothing."
        return replace(output, value=tuple(made), summary=told)

    return damage


def _labels_of_another(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    return next((o for o in others if o.value[0] != output.value[0]), None)  # type: ignore[index]


_LABELS: Mapping[str, Damage] = {
    "labels of another picture": _labels_of_another,
    "scores of NaN": _labelled(lambda ranked: [replace(label, score=float("nan")) for label in ranked]),
    "infinite scores": _labelled(lambda ranked: [replace(label, score=float("inf")) for label in ranked]),
    "scores in per cent": _labelled(lambda ranked: [replace(label, score=label.score * 100) for label in ranked]),
    "no label": _labelled(lambda ranked: []),
    "worst first": _labelled(lambda ranked: ranked[::-1]),
    "invented label": _labelled(lambda ranked: [replace(ranked[0], name="lawn mower"), *ranked[1:]]),
    "certain of it": _labelled(lambda ranked: [Label("coral reef", 0.99), *ranked[1:]]),
}


def _said(words: str) -> Damage:
    """Invented words, told as the tool would."""

    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        old = str(output.value)
        if old == words:
            return None
        told = words if output.summary == old else output.summary.replace(old.rstrip("."), words)
        return replace(output, value=words, summary=told)

    return damage


def _another(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    return next((o for o in others if o.value != output.value and o.value), None)


def _summary_of_another(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
    other = next((o for o in others if o.summary != output.summary), None)
    return replace(output, summary=other.summary) if other else None


def _read(change: Callable[[list[dict[str, Any]], Run], list[dict[str, Any]] | None]) -> Damage:
    """A fault of read lines, told as the tool would."""

    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        from visiongpt_agent.tools import read_text

        lines = change([dict(line) for line in output.facts["lines"]], run)
        if lines is None:
            return None
        return replace(
            output,
            value="\n".join(line["text"] for line in lines),
            summary=read_text._sentence([line["text"] for line in lines]),
            facts={**output.facts, "lines": lines},
            missing=() if lines else ("text",),
        )

    return damage


def _corners(run: Run, left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    width, height = run.args["image"].size
    places = ((left, top), (right, top), (right, bottom), (left, bottom))
    return [[x * width, y * height] for x, y in places]


def _with_hallucination(lines: list[dict[str, Any]], run: Run) -> list[dict[str, Any]]:
    told = {"text": "FIRE EXIT ONLY", "score": 0.97, "corners": _corners(run, 0.6, 0.86, 0.95, 0.97)}
    return [*lines, told]


def _other_words(lines: list[dict[str, Any]], run: Run) -> list[dict[str, Any]] | None:
    return [{**line, "text": "Grand Hotel"} for line in lines] or None


def _one_word_off(lines: list[dict[str, Any]], run: Run) -> list[dict[str, Any]] | None:
    long = [i for i, line in enumerate(lines) if len(line["text"]) >= 6]
    if not long:
        return None
    text = lines[long[0]]["text"]
    half = len(text) // 2
    changed = {**lines[long[0]], "text": text[:half] + "Zurich"}
    return [*lines[: long[0]], changed, *lines[long[0] + 1 :]]


def _coded(change: Callable[[list[dict[str, Any]], Run], list[dict[str, Any]] | None]) -> Damage:
    def damage(output: ToolOutput, run: Run, others: Sequence[ToolOutput]) -> ToolOutput | None:
        codes = change([dict(code) for code in output.facts["codes"]], run)
        if codes is None:
            return None
        said = " and ".join(f'a {code["format"]} that says "{code["text"]}"' for code in codes)
        return replace(
            output,
            value="\n".join(code["text"] for code in codes),
            summary=f"There is {said}." if codes else "I found no QR code or bar code.",
            facts={"codes": codes},
            missing=() if codes else ("code",),
        )

    return damage


def _invented_code(codes: list[dict[str, Any]], run: Run) -> list[dict[str, Any]]:
    return [*codes, {"format": "QR Code", "text": "FREE GIFT", "corners": _corners(run, 0.6, 0.6, 0.9, 0.9)}]


_OF_TEXT_TOOLS: Mapping[str, Mapping[str, Damage]] = {
    "read_text": {
        "hallucinated line": _read(_with_hallucination),
        "hallucinated words": _read(_other_words),
        "one word changed": _read(_one_word_off),
        "one line lost": _read(lambda lines, run: lines[1:] if len(lines) > 1 else None),
        "all text lost": _read(lambda lines, run: [] if lines else None),
        "text of another picture": _another,
        "sentence of another picture": _summary_of_another,
        "low scores": _read(lambda lines, run: [{**line, "score": 0.4} for line in lines] or None),
        "scores of NaN": _read(lambda lines, run: [{**line, "score": float("nan")} for line in lines] or None),
        "places in another frame": _read(
            lambda lines, run: [
                {**line, "corners": [[x / 4, y / 4] for x, y in line["corners"]]} for line in lines
            ] or None
        ),
    },
    "read_codes": {
        "hallucinated code": _coded(_invented_code),
        "other content": _coded(lambda codes, run: [{**code, "text": "4000000000000"} for code in codes] or None),
        "all codes lost": _coded(lambda codes, run: [] if codes else None),
        "one code lost": _coded(lambda codes, run: codes[1:] if len(codes) > 1 else None),
        "codes of another picture": _another,
        "sentence of another picture": _summary_of_another,
        "places in another frame": _coded(
            lambda codes, run: [{**c, "corners": [[x / 4, y / 4] for x, y in c["corners"]]} for c in codes] or None
        ),
    },
    "compare_images": {
        "comparison of others": _another,
        "sentence of others": _summary_of_another,
        "hallucinated words": _said("The two pictures are nearly the same (structural similarity 0.97 of 1)."),
        "identical, it says": _said("The two pictures are identical, pixel for pixel."),
        "likeness off": lambda o, r, _: None if o.facts["identical"] else replace(o, facts={**o.facts, "ssim": 0.123}),
        "no words": _value(""),
    },
    "caption_image": {
        "words of another picture": _another,
        "hallucinated caption": lambda o, r, _: replace(
            o, value="Two zebras drink.", summary="The picture shows this: Two zebras drink."
        ),
        "sentence of another picture": _summary_of_another,
        "no words": _value(""),
        "stuttering": _value("a a a a a a a a"),
    },
    "answer_question": {
        "words of another picture": _another,
        "answer of another question": lambda o, r, _: replace(
            o, value="seven", summary="Seven."
        ),
        "sentence of another picture": _summary_of_another,
        "no words": _value(""),
        "the question": _value("what colour is it?"),
    },
}  # fmt: skip


def report(tally: Tally) -> Iterator[str]:
    """The figures, and every miss and false alarm by name."""
    told = ", ".join(f"{count} {verdict}" for verdict, count in tally.caught.most_common())
    yield f"{tally.planted} faults planted, {tally.share_caught:.1%} caught ({told})"
    kinds = f"{len(tally.rejected)} rejected, {len(tally.doubted)} doubted"
    yield f"{tally.clean} clean runs, {tally.false_alarms:.1%} false alarms ({kinds})"
    yield from (f"missed: {one}" for one in tally.missed)
    yield from (f"false alarm: {one}" for one in (*tally.rejected, *tally.doubted))


if __name__ == "__main__":
    print(*report(measure(sys.argv[1:])), sep="\n")
