"""What else to try for a step that did not hold: the next models for its jobs, then other settings of its tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import Step
from visiongpt_agent.tools.base import ToolSpec


@dataclass(frozen=True)
class Try:
    """A way to do a step: without some models, or with other settings."""

    without: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)


def next_try(step: Step, resources: Resources) -> Try | None:
    """The next way to do a step, None where no other could come to anything else.

    A tool that gave up before it used any model was asked for what cannot be done: it is not asked again. Nor is one
    whose result could not be written: another result would need the same room.
    """
    if step["cause"] == "storage":
        return None
    spec = resources.tools.get(step["tool"])
    last = step["attempts"][-1] if step["attempts"] else None
    if spec is None or last is None or len(step["attempts"]) > resources.limits.retries:
        return None
    others = [] if last["settings"] else _other_models(spec, last["models"], last["without"], resources)
    if others:
        return Try(without=others)
    rung = sum(bool(attempt["settings"]) for attempt in step["attempts"])
    refused = bool(step["artifact"])  # a tool that gave up would do so again
    return Try(settings=spec.ladder[rung]) if refused and rung < len(spec.ladder) else None


def _other_models(spec: ToolSpec, used: Mapping[str, str], tried: list[str], resources: Resources) -> list[str]:
    """The models to leave out so that others do the jobs; empty where there are none for any of them."""
    replaceable = {name for job, name in used.items() if _doable(spec, job, resources, leaving_out={*tried, name})}
    for left_out in ({*tried, *replaceable}, *({*tried, name} for name in sorted(replaceable))):
        if replaceable and spec.usable(resources.models.without(left_out)):
            return sorted(left_out)
    return []


def _doable(spec: ToolSpec, job: str, resources: Resources, *, leaving_out: set[str]) -> bool:
    models = resources.models.without(leaving_out)
    alternatives = next((jobs for jobs in spec.needs if job in jobs), (job,))
    return any(models.has(other) for other in alternatives)
