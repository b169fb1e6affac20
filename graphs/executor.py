"""The executor node: carries out every proposal whose inputs are ready, side by side.

One pass of the node is one wave; the verifier judges it before the next begins, so that no step builds on a result that
does not hold. A failing step takes only those down that need its output.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from langgraph.config import get_stream_writer

from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import HOLDS, AgentState, ImageEntry, Step
from visiongpt_agent.plan import Proposal, Ref, parse_plan

logger = logging.getLogger(__name__)


class Executor:
    """Runs the proposals of the plan that are ready."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def __call__(self, state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        steps = {step["id"]: step for step in state["steps"]}
        wave: list[Proposal] = []
        skipped: list[Step] = []
        for proposal in parse_plan(state["plan"]):
            if proposal.id in steps:
                continue
            reason = self._cannot_start(proposal, steps, state)
            if reason:
                skipped.append(_not_run(proposal, reason, state["round"]))
                steps[proposal.id] = skipped[-1]
            elif all(ref.number in steps for ref in proposal.refs if ref.sigil == "#"):
                wave.append(proposal)
        done = self._run_wave(wave, steps, state, config)
        added = skipped + done
        return {
            "steps": sorted([*state["steps"], *added], key=lambda step: step["id"]),
            "messages": [_tool_message(step, state) for step in added],
        }

    def _cannot_start(self, proposal: Proposal, steps: Mapping[int, Step], state: AgentState) -> str:
        """Why a proposal will never run, or ``""``."""
        if time.time() - state["started"] >= self._resources.limits.seconds:
            return f"the time limit of {self._resources.limits.seconds:g} s was reached"
        for ref in proposal.refs:
            step = steps.get(ref.number) if ref.sigil == "#" else None
            if step is None:
                continue
            if step["verdict"] not in HOLDS:
                return f"it needs the result of {step['tool']}, which there is none of"
            if step["artifact"].get("kind") == "regions" and not step["artifact"]["items"]:
                return f"{step['tool']} found nothing to work on"
        return ""

    def _run_wave(
        self,
        wave: Sequence[Proposal],
        steps: Mapping[int, Step],
        state: AgentState,
        config: RunnableConfig,
    ) -> list[Step]:
        if not wave:
            return []
        tell = get_stream_writer()
        for proposal in wave:
            tell({"started": {"id": proposal.id, "tool": proposal.tool, "call": str(proposal)}})
        with ThreadPoolExecutor(max_workers=self._resources.limits.workers) as workers:
            running = [
                workers.submit(copy_context().run, self._run_step, proposal, inputs, state["round"], config)
                for proposal, inputs in ((p, _inputs(p, steps, state["images"])) for p in wave)
            ]
            return [future.result() for future in running]

    def _run_step(self, proposal: Proposal, inputs: dict[str, Any], round_: int, config: RunnableConfig) -> Step:
        begun = time.perf_counter()
        artifact: dict[str, Any] = {}
        error, bug = "", False
        try:
            tool = self._resources.tools[proposal.tool].bind(self._resources.store, self._resources.models)
            call = {"name": proposal.tool, "args": inputs, "id": str(proposal.id), "type": "tool_call"}
            message: ToolMessage = tool.invoke(call, config)
            # Through JSON, so that whatever a tool put into its facts survives every checkpointer.
            artifact = json.loads(json.dumps(message.artifact, default=str))
        except (ToolException, VisionGPTError) as fault:
            error = str(fault)
        except Exception as fault:
            logger.exception("%s failed", proposal)
            error, bug = f"{type(fault).__name__}: {str(fault).splitlines()[0][:200] if str(fault) else ''}", True
        return Step(
            round=round_,
            id=proposal.id,
            tool=proposal.tool,
            args={name: _plain(value) for name, value in proposal.args.items()},
            model=", ".join(artifact.get("models", [])),
            seconds=round(time.perf_counter() - begun, 3),
            verdict="failed" if error else "unverified",
            artifact=artifact,
            error=error,
            bug=bug,
        )


def _inputs(proposal: Proposal, steps: Mapping[int, Step], images: Sequence[ImageEntry]) -> dict[str, Any]:
    """The arguments with references replaced by content ids."""
    inputs: dict[str, Any] = {}
    for name, value in proposal.args.items():
        if isinstance(value, Ref):
            if value.sigil == "$":
                inputs[name] = images[value.number - 1]["id"]
            else:
                artifact = steps[value.number]["artifact"]
                inputs[name] = artifact[artifact["kind"]]
        elif value is not None:
            inputs[name] = list(value) if isinstance(value, tuple) else value
    return inputs


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _not_run(proposal: Proposal, reason: str, round_: int) -> Step:
    args = {name: _plain(value) for name, value in proposal.args.items()}
    return Step(
        round=round_,
        id=proposal.id,
        tool=proposal.tool,
        args=args,
        model="",
        seconds=0.0,
        verdict="skipped",
        artifact={},
        error=reason,
        bug=False,
    )


def call_id(state: AgentState, number: int) -> str:
    """The id that ties a tool call of the plan's message to its ToolMessage."""
    return f"turn{state['turn']}-round{state['round']}-{number}"


def _tool_message(step: Step, state: AgentState) -> ToolMessage:
    return ToolMessage(
        content=step["error"] or step["artifact"]["summary"],
        artifact=step["artifact"],
        name=step["tool"],
        tool_call_id=call_id(state, step["id"]),
        status="error" if step["error"] else "success",
    )
