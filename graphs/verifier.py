"""The verifier node: judges each result against its tool's postconditions, then decides how the loop goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langgraph.config import get_stream_writer
from langgraph.types import Send

from visiongpt_agent.graphs.loop.execution import Executions, Stop
from visiongpt_agent.graphs.loop.lineage import pictures_of
from visiongpt_agent.graphs.loop.messages import tool_message
from visiongpt_agent.graphs.loop.retries import next_try
from visiongpt_agent.graphs.loop.waves import is_complete, is_finished, never_run, plan_in_force, wave
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import HOLDS, AgentState, ImageEntry, Step, Verdict, merge_steps
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import ToolSpec
from visiongpt_agent.untrusted import defused, one_line


class Verifier:
    """Gives every new step its verdict and enters accepted pictures into the conversation."""

    def __init__(self, resources: Resources, executions: Executions) -> None:
        self._resources = resources
        self._executions = executions

    def __call__(self, state: AgentState) -> dict[str, Any]:
        stop = self._executions.current(state["turn"]).stop()
        judged = [self._judge(step, stop) for step in state["steps"] if not is_finished(step)]
        known = merge_steps(state["steps"], judged) if judged else state["steps"]
        new = [*judged, *never_run(state, known, stop)]
        if not new:
            return {}
        _tell(new)
        steps, finished = merge_steps(known, new), [step for step in new if is_finished(step)]
        return {
            "plan": plan_in_force(state["plan"], new),
            "steps": new,
            "images": [entry for step in finished for entry in _entries(step, state["turn"])],
            "messages": [tool_message(step, state["turn"]) for step in finished],
            "critique": critique(steps, self._resources.tools) if is_complete(state["plan"], steps) else "",
        }

    def route(self, state: AgentState) -> list[Send] | Literal["planner", "responder"]:
        """Where the loop goes: the next wave, a new plan for what failed, or the answer."""
        if not is_complete(state["plan"], state["steps"]):
            return wave(state, self._resources) or "responder"
        if state["critique"] and state["round"] < self._resources.limits.rounds:
            if self._executions.current(state["turn"]).stop():
                return "responder"
            with self._resources.llm() as llm:
                # A model that only plans was never taught to read a critique: it would propose the same again.
                if llm.writes:
                    return "planner"
        return "responder"

    def _judge(self, step: Step, stop: Stop | None) -> Step:
        verdict = _verdict(step)
        if verdict in ("failed", "rejected") and stop is None and next_try(step, self._resources):
            return {**step, "verdict": "retry"}
        error = "; ".join(step["artifact"]["problems"]) if verdict == "rejected" else step["error"]
        return {**step, "verdict": verdict, "error": error}


def critique(steps: Sequence[Step], tools: Mapping[str, ToolSpec]) -> str:
    """What went wrong, a line a step, for the planner to read; ``""`` where nothing did.

    No word that was read from a picture may reach the model that proposes what to do: of a tool that hands back text
    only that it failed is told, of an error that no tool should raise only its type.
    """
    lines = []
    for step in steps:
        if step["verdict"] in ("failed", "rejected") and step["cause"] != "storage":
            spec = tools.get(step["tool"])
            words = spec is None or spec.signature.returns is Kind.TEXT
            why = step["error"].partition(":")[0] if step["cause"] == "bug" else one_line(step["error"])
            was = "failed" if step["verdict"] == "failed" else "was rejected"
            lines.append(f"#{step['id']} {step['tool']} {was}{'' if words else f': {defused(why)}'}")
    return "\n".join(lines)


def _verdict(step: Step) -> Verdict:
    if step["cause"] == "denied":
        return "skipped"
    if not step["artifact"]:
        return "failed"
    if step["artifact"]["problems"]:
        return "rejected"
    return "uncertain" if step["artifact"]["uncertain"] else "accepted"


def _entries(step: Step, turn: int) -> list[ImageEntry]:
    """The pictures of a step that holds, as images of the conversation."""
    return [
        ImageEntry(
            id=picture["image"],
            origin=step["tool"],
            title=step["tool"],
            width=picture["width"],
            height=picture["height"],
            turn=turn,
        )
        for picture in (pictures_of(step) if step["verdict"] in HOLDS else ())
    ]


def _tell(steps: list[Step]) -> None:
    """Tell a progress display what became of the steps that were just judged."""
    write = get_stream_writer()
    for step in steps:
        key = "finished" if is_finished(step) else "retried"
        brief: dict[str, Any] = {name: step[name] for name in ("id", "tool", "seconds", "verdict")}
        last = step["attempts"][-1]["why"] if step["attempts"] else ""
        told = step["error"] or last or step["artifact"].get("summary", "")
        write({key: brief | {"model": step["model"], "told": told, "attempts": len(step["attempts"])}})
