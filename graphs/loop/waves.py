"""What of a plan is done, what can run now, and what never will.

The steps that are ready make a wave: the edges send each to the executor as a task of its own, so that a checkpointer
keeps what one has finished while the others still run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.types import Send

from visiongpt_agent.graphs.loop.execution import Stop
from visiongpt_agent.graphs.loop.retries import Try, next_try
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import HOLDS, AgentState, Cause, ImageEntry, Step, Task
from visiongpt_agent.plan import Proposal, Ref, parse_plan


def is_finished(step: Step) -> bool:
    """Whether a step has its verdict."""
    return step["verdict"] not in ("unverified", "retry")


def is_complete(plan: str, steps: Sequence[Step]) -> bool:
    """Whether every proposal of a plan has been carried out or given up."""
    return sum(map(is_finished, steps)) >= len(parse_plan(plan))


def plan_in_force(plan: str, steps: Sequence[Step]) -> str:
    """The text of a plan with what a person put in place of planned calls, so that retries and answers go by that."""
    edits = {step["id"]: step["edited"] for step in steps if "edited" in step}
    return "\n".join(edits.get(proposal.id, str(proposal)) for proposal in parse_plan(plan)) if edits else plan


def wave(state: AgentState, resources: Resources) -> list[Send]:
    """A task of the executor for every proposal that is ready."""
    steps = {step["id"]: step for step in state["steps"]}
    return [
        Send("executor", _task(proposal, steps, state, resources))
        for proposal in parse_plan(state["plan"])
        if _is_ready(proposal, steps)
    ]


def never_run(state: AgentState, steps: Sequence[Step], stop: Stop | None) -> list[Step]:
    """The proposals that will never run, as skipped steps: what they need is not there, or the run must stop."""
    known, skipped = {step["id"]: step for step in steps}, list[Step]()
    for proposal in parse_plan(state["plan"]):
        if proposal.id in known:
            continue
        cause, why = (stop.cause, stop.why) if stop else _obstacle(proposal, known)
        if cause:
            known[proposal.id] = not_run(proposal, state["round"], cause, why)
            skipped.append(known[proposal.id])
    return skipped


def not_run(proposal: Proposal, round_: int, cause: Cause, why: str) -> Step:
    """A step that was skipped."""
    return Step(
        round=round_,
        id=proposal.id,
        tool=proposal.tool,
        args=plain_args(proposal),
        inputs={},
        model="",
        seconds=0.0,
        verdict="skipped",
        artifact={},
        error=why,
        cause=cause,
        attempts=[],
    )


def plain_args(proposal: Proposal) -> dict[str, Any]:
    """The arguments as planned, references as text."""
    return {
        name: str(value) if isinstance(value, Ref) else list(value) if isinstance(value, tuple) else value
        for name, value in proposal.args.items()
    }


def resolved(proposal: Proposal, steps: Mapping[int, Step], images: Sequence[ImageEntry]) -> dict[str, Any]:
    """The arguments with references replaced by content ids; ``steps`` has all that are referred to."""
    inputs: dict[str, Any] = {}
    for name, value in proposal.args.items():
        if isinstance(value, Ref) and value.sigil == "$":
            inputs[name] = images[value.number - 1]["id"]
        elif isinstance(value, Ref):
            artifact = steps[value.number]["artifact"]
            inputs[name] = artifact[artifact["kind"]]
        elif value is not None:
            inputs[name] = list(value) if isinstance(value, tuple) else value
    return inputs


def _task(proposal: Proposal, steps: Mapping[int, Step], state: AgentState, resources: Resources) -> Task:
    before = steps.get(proposal.id)
    other = (next_try(before, resources) if before else None) or Try()
    return Task(
        turn=state["turn"],
        round=state["round"],
        proposal=str(proposal),
        inputs=resolved(proposal, steps, state["images"]),
        attempts=before["attempts"] if before else [],
        without=other.without,
        settings=dict(other.settings),
    )


def _is_ready(proposal: Proposal, steps: Mapping[int, Step]) -> bool:
    own = steps.get(proposal.id)
    if own is not None and own["verdict"] != "retry":
        return False
    return all(ref.number in steps and is_finished(steps[ref.number]) for ref in _needed(proposal)) and not any(
        _obstacle(proposal, steps)
    )


def _obstacle(proposal: Proposal, steps: Mapping[int, Step]) -> tuple[Cause, str]:
    for ref in _needed(proposal):
        step = steps.get(ref.number)
        if step is None or not is_finished(step):
            continue
        if step["verdict"] not in HOLDS:
            return "needs", f"it needs the result of {step['tool']}, which there is none of"
        if step["artifact"]["kind"] == "regions" and not step["artifact"]["items"]:
            return "nothing", f"{step['tool']} found nothing to work on"
    return "", ""


def _needed(proposal: Proposal) -> list[Ref]:
    return [ref for ref in proposal.refs if ref.sigil == "#"]
