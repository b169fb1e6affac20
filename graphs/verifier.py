"""The verifier node: judges each result against its tool's postconditions, then decides how the loop goes on."""

from __future__ import annotations

import time
from typing import Any, Literal

from langgraph.config import get_stream_writer

from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import AgentState, ImageEntry, Step
from visiongpt_agent.plan import parse_plan


class Verifier:
    """Gives every new step its verdict and enters accepted pictures into the conversation."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def __call__(self, state: AgentState) -> dict[str, Any]:
        tell = get_stream_writer()
        made: list[ImageEntry] = []
        steps: list[Step] = []
        for step in state["steps"]:
            judged = step
            if step["verdict"] == "unverified":
                judged = _judge(step)
                if judged["verdict"] != "rejected" and "image" in judged["artifact"]:
                    made.append(_entry(judged, state["turn"]))
            if step is not judged or step["verdict"] in ("failed", "skipped"):
                tell({"finished": _brief(judged)})
            steps.append(judged)
        return {"steps": steps, "images": made, "critique": critique(steps) if _complete(state, steps) else ""}

    def route(self, state: AgentState) -> Literal["executor", "planner", "responder"]:
        """Where the loop goes: the next wave, a new plan for what failed, or the answer."""
        if not _complete(state, state["steps"]):
            return "executor"
        limits = self._resources.limits
        in_time = time.time() - state["started"] < limits.seconds
        if state["critique"] and state["round"] < limits.rounds and in_time:
            with self._resources.llm() as llm:
                # A model that only plans was never taught to read a critique: it would propose the same again.
                if llm.writes:
                    return "planner"
        return "responder"


def critique(steps: list[Step]) -> str:
    """What went wrong, a line a step, for the planner to read; ``""`` where nothing did."""
    lines = []
    for step in steps:
        if step["verdict"] == "failed":
            lines.append(f"#{step['id']} {step['tool']} failed: {step['error']}")
        elif step["verdict"] == "rejected":
            lines.append(f"#{step['id']} {step['tool']} was rejected: {'; '.join(step['artifact']['problems'])}")
    return "\n".join(lines)


def _judge(step: Step) -> Step:
    problems = step["artifact"].get("problems", [])
    if problems:
        return {**step, "verdict": "rejected", "error": "; ".join(problems)}
    return {**step, "verdict": "uncertain" if step["artifact"].get("uncertain") else "accepted"}


def _complete(state: AgentState, steps: list[Step]) -> bool:
    return len(steps) >= len(parse_plan(state["plan"]))


def _entry(step: Step, turn: int) -> ImageEntry:
    artifact = step["artifact"]
    return ImageEntry(
        id=artifact["image"],
        origin=step["tool"],
        title=step["tool"],
        width=artifact["width"],
        height=artifact["height"],
        turn=turn,
    )


def _brief(step: Step) -> dict[str, Any]:
    """What a progress display needs to know of a step."""
    told = step["error"] or step["artifact"].get("summary", "")
    return {key: step[key] for key in ("id", "tool", "seconds", "verdict")} | {"told": told}
