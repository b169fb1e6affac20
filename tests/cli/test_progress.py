"""How a request goes, as a person at a terminal sees it in the end."""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console

from visiongpt_agent.cli.progress import StepDisplay

PLAN = '#1 = detect_objects(image=$1, query="[red] dog")\n#2 = inpaint(image=$1, regions=#1)'


def last_frame(events: list[Any], *, terminal: bool = True) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, _environ={"TERM": "xterm"})
    with StepDisplay(console) as display:
        for event in events:
            display.show(event)
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "\n", stream.getvalue())
    return [line.strip() for line in plain.splitlines() if line.strip()]


def every_frame(events: list[Any]) -> list[str]:
    """What is shown before the first event and after each."""
    frames, display = list[str](), StepDisplay(Console(file=io.StringIO()))
    for event in [{}, *events]:
        display.show(event)
        console = Console(file=io.StringIO(), width=100)
        with console.capture() as capture:
            console.print(display)
        frames.append(capture.get())
    return frames


def finished(number: int, verdict: str, told: str = "", seconds: float = 1.25) -> dict[str, Any]:
    step = {"id": number, "tool": "inpaint", "verdict": verdict, "seconds": seconds, "told": told}
    return {"finished": {**step, "model": "", "attempts": 1}}


def test_proposals_seconds_and_verdicts() -> None:
    started = {"started": {"id": 1, "tool": "detect_objects", "call": PLAN.splitlines()[0]}}
    events = [{"plan": PLAN}, started, finished(1, "accepted", "There is a dog."), finished(2, "failed", "no\nmodel")]

    told = " ".join(last_frame(events))

    assert '✓ #1 = detect_objects(image=$1, query="[red] dog") 1.2 s' in told
    assert "✗ #2 = inpaint(image=$1, regions=#1) 1.2 s no model" in told
    assert "There is a dog" not in told


def test_a_new_plan_follows_the_old_one() -> None:
    events = [{"plan": "#1 = inpaint(image=$1, regions=#1)"}, finished(1, "rejected", "it is still there")]
    events += [{"plan": "#1 = crop_regions(image=$1, regions=#1)"}, finished(1, "uncertain", "perhaps")]

    told = " ".join(last_frame(events))

    assert told.rindex("✗ #1 = inpaint") < told.rindex("? #1 = crop_regions")


def loads(key: str, device: str = "cuda:0") -> dict[str, Any]:
    model = {"model": "sam-vit-huge", "title": "Segment Anything ViT-H", "device": device, "bytes": 2_500_000_000}
    return {key: {**model, "seconds": 1.5}}


def test_a_model_on_its_way_is_told_until_it_is_there() -> None:
    first, loading, planned, there = every_frame([loads("loading"), {"plan": PLAN}, loads("loaded")])
    assert "planning" in first
    assert "loading Segment Anything ViT-H (2.5 GB) to cuda:0" in loading
    assert "loading Segment Anything ViT-H (2.5 GB) to cuda:0" in planned
    assert "detect_objects" in planned
    assert "loading" not in there
    assert "ViT-H (2.5 GB)\n" in every_frame([loads("loading", "cpu")])[-1].replace(" \n", "\n")


def test_a_pipe_is_told_nothing() -> None:
    assert last_frame([{"plan": PLAN}, finished(1, "accepted")], terminal=False) == []
