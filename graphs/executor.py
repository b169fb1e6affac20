"""The executor node: carries out one proposal whose inputs are ready.

The edges send it a task for each; those of one wave run side by side, and the verifier judges them before the next, so
that no step builds on a result that does not hold. What a task has finished is kept by the checkpointer while others
still run: after a crash it is not done again. A failing step takes only those down that need its output.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from langgraph.config import get_stream_writer
from langgraph.types import interrupt

from visiongpt_agent.errors import ToolError, VisionGPTError
from visiongpt_agent.files import is_of_storage, remedy
from visiongpt_agent.graphs.loop.execution import Execution, Executions, StoppedError
from visiongpt_agent.graphs.loop.waves import not_run, plain_args
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import Attempt, Cause, Step, Task
from visiongpt_agent.plan import Proposal, parse_plan
from visiongpt_agent.pool import is_out_of_memory
from visiongpt_agent.redaction import redacted
from visiongpt_agent.untrusted import one_line

logger = logging.getLogger(__name__)


class Executor:
    """Runs one proposal of the plan."""

    def __init__(self, resources: Resources, executions: Executions) -> None:
        self._resources = resources
        self._executions = executions

    def __call__(self, task: Task, config: RunnableConfig) -> dict[str, Any]:
        proposal, execution = parse_plan(task["proposal"]).proposals[0], self._executions.current(task["turn"])
        if execution.stop():
            return {}  # the verifier tells it with all that will not run any more
        edited = False
        if not task["attempts"] and self._resources.must_ask(proposal):
            answer = interrupt({"id": proposal.id, "tool": proposal.tool, "call": str(proposal)})
            edited = isinstance(answer, dict) and "call" in answer
            if edited:
                task = {**task, "proposal": answer["call"], "inputs": answer["inputs"]}
                proposal = parse_plan(task["proposal"]).proposals[0]
            elif answer is not True:
                return {"steps": [_denied(proposal, task, answer)]}
        try:
            with execution.slot():
                call = task["proposal"]
                get_stream_writer()({"started": {"id": proposal.id, "tool": proposal.tool, "call": call}})
                step = self._step(proposal, task, self._carry_out(proposal, task, execution, config))
                return {"steps": [{**step, "edited": call} if edited else step]}
        except StoppedError:
            return {}

    def _carry_out(self, proposal: Proposal, task: Task, execution: Execution, config: RunnableConfig) -> _Outcome:
        models = self._resources.models.without(task["without"])
        outcome, begun = _Outcome(), time.perf_counter()
        try:
            spec = self._resources.tools.get(proposal.tool)
            if spec is None:
                raise ToolError(f"there is no tool {proposal.tool!r} any more")
            tool = spec.bind(self._resources.store, models, task["settings"])
            call = {"name": proposal.tool, "args": task["inputs"], "id": str(proposal.id), "type": "tool_call"}
            message: ToolMessage = execution.call(
                lambda: tool.invoke(call, config), self._resources.limits.step_seconds
            )
            # Through JSON, so that whatever a tool put into its facts survives every checkpointer.
            outcome.artifact = json.loads(json.dumps(message.artifact, default=str))
        except StoppedError as given_up:
            outcome.error, outcome.cause = given_up.stop.why, given_up.stop.cause
        except Exception as fault:
            outcome.error, outcome.cause = _account(fault, proposal)
        outcome.seconds = round(time.perf_counter() - begun, 3)
        # Checks may use models too, but only those that the tool names made the result.
        named = outcome.artifact.get("models")
        outcome.models = {job: name for job, name in dict(models.used).items() if named is None or name in named}
        return outcome

    def _step(self, proposal: Proposal, task: Task, outcome: _Outcome) -> Step:
        why = outcome.error or "; ".join(outcome.artifact["problems"])
        attempt = Attempt(
            models=outcome.models,
            without=task["without"],
            settings=task["settings"],
            seconds=outcome.seconds,
            why=why,
        )
        return Step(
            round=task["round"],
            id=proposal.id,
            tool=proposal.tool,
            args=plain_args(proposal),
            inputs=task["inputs"],
            model=", ".join(outcome.artifact.get("models", dict.fromkeys(outcome.models.values()))),
            seconds=round(sum(before["seconds"] for before in task["attempts"]) + outcome.seconds, 3),
            verdict="unverified",
            artifact=outcome.artifact,
            error=outcome.error,
            cause=outcome.cause,
            attempts=[*task["attempts"], attempt],
        )


@dataclass
class _Outcome:
    """What one attempt came to: an artifact, or an error and its kind."""

    artifact: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    cause: Cause = ""
    models: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def _denied(proposal: Proposal, task: Task, answer: object) -> Step:
    """The step that a person does not let run, with the reason where one was given."""
    reason = one_line(str(answer["reason"])) if isinstance(answer, dict) and answer.get("reason") else ""
    why = f"it was not approved ({reason})" if reason else "it was not approved"
    return {**not_run(proposal, task["round"], "denied", why), "verdict": "unverified"}


def _account(fault: Exception, proposal: Proposal) -> tuple[str, Cause]:
    """What went wrong in words, and its kind."""
    redacted(fault)
    own = fault.__cause__ if isinstance(fault, ToolException) and isinstance(fault.__cause__, Exception) else fault
    told = str(fault).partition("\n")[0][:200]
    if is_out_of_memory(own):
        if isinstance(own, VisionGPTError):
            return str(own), "memory"
        logger.warning("%s ran out of memory: %s", proposal, told)
        return "the memory ran out; try a smaller picture, or free some", "memory"
    if is_of_storage(own):
        return (f"{told}; {remedy(own)}" if isinstance(own, OSError) else str(own)), "storage"
    if isinstance(fault, (ToolException, VisionGPTError)):
        return str(fault) or type(own).__name__, ""
    logger.error("%s failed", proposal, exc_info=fault)
    return f"{type(fault).__name__}: {told}", "bug"
