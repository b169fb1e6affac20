"""The planner node: turns the request into a plan that checks and that can be carried out here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.types import Send

from visiongpt_agent.errors import PlanError
from visiongpt_agent.graphs.loop.execution import Executions, StoppedError
from visiongpt_agent.graphs.loop.lineage import carried_over, is_used
from visiongpt_agent.graphs.loop.messages import call_id, tool_message
from visiongpt_agent.graphs.loop.waves import never_run, wave
from visiongpt_agent.graphs.planning.ask import no_usable_plan, request_plan
from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.lacking import refused_where_lacking
from visiongpt_agent.graphs.planning.profile import profile_of
from visiongpt_agent.graphs.planning.prompt import image_lines
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import HOLDS, AgentState, ImageEntry, Step
from visiongpt_agent.llm.plans import tool_calls_of
from visiongpt_agent.plan import Plan, Refusal, parse_plan
from visiongpt_agent.redaction import redacted

logger = logging.getLogger(__name__)


class Planner:
    """Turns the request into action proposals."""

    def __init__(self, resources: Resources, executions: Executions) -> None:
        self._resources = resources
        self._executions = executions

    def __call__(self, state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        plan = self._plan(state, config)
        number = state["round"] + 1
        if state["critique"] and (plan.control or str(plan) == state["plan"]):
            return {"round": number, "critique": ""}  # nothing new to try: what was achieved stands as it is
        get_stream_writer()({"plan": str(plan)})
        message = _as_message(plan, state["turn"], number)
        asked = [HumanMessage(state["request"])] if number == 1 else []
        achieved = [*state["earlier"], *(step for step in state["steps"] if step["verdict"] in HOLDS)]
        repeated = carried_over(plan, achieved, state["images"], number)
        skipped = never_run(AgentState(plan=str(plan), round=number), repeated, None)
        return {
            "plan": str(plan),
            "refusal": plan.refusal,
            "round": number,
            "steps": [*repeated, *skipped],
            "earlier": _still_needed(achieved, repeated),
            "critique": "",
            "status": "failed" if plan.refusal and plan.refusal["cause"] == "failed" else "done",
            "messages": [*asked, message, *(tool_message(step, state["turn"]) for step in [*repeated, *skipped])],
        }

    def route(self, state: AgentState) -> list[Send] | Literal["responder"]:
        """To the executor, unless the plan is a control action or has been carried out already."""
        control = parse_plan(state["plan"]).control
        return ([] if control else wave(state, self._resources)) or "responder"

    def _plan(self, state: AgentState, config: RunnableConfig) -> Plan:
        """The model's plan, or one that declines where it made none; in the first round a plan that the turn came with.

        No node writes a plan without counting its round, so that a plan before the first round is the caller's.
        """
        try:
            if state["plan"] and not state["round"]:
                return self._checked(state["plan"], len(state["images"]))
            return self._executions.current(state["turn"]).call(lambda: self._ask(state, config))
        except StoppedError as given_up:
            return _failed(given_up.stop.why)
        except PlanError as fault:
            return no_usable_plan(fault)
        except Exception as fault:  # a chat model may fail in any way of its own
            redacted(fault)
            logger.exception("the chat model failed")
            return _failed(f"the language model failed ({type(fault).__name__}: {fault})"[:300])

    def _checked(self, text: str, images: int) -> Plan:
        """The plan that the turn came with.

        Raises:
            PlanError: If it does not fit the tools or the images.
        """
        own, plan = self._resources, parse_plan(text)
        plan.check({name: spec.signature for name, spec in own.tools.items()}, images)
        return refused_where_lacking(plan, own.tools, own.models)

    def _ask(self, state: AgentState, config: RunnableConfig) -> Plan:
        own, pointed = self._resources, state.get("pointed", [])
        brief = Brief(
            state["request"],
            image_lines(state["images"], state["request"]),
            len(state["images"]),
            {name: spec.signature for name, spec in own.tools.items() if spec.offered or pointed},
            pointed,
            state["critique"],
            _documents(state["images"], state["turn"]),
        )
        with own.llm() as llm:
            # A model that only plans is shown every tool that it knows: shown fewer, it bends a request to those that
            # are left (a question about a colour became a recolouring). What cannot run is taken out of its plan before
            # it is carried out, and told with the weights that it needs. Larger models are shown what can run, and
            # decline the rest.
            specs = own.offered() if profile_of(llm).tools == "trained" else own.runnable()
            plan = request_plan(llm, [spec.bind(own.store, own.models) for spec in specs.values()], brief, config)
        return refused_where_lacking(plan, own.tools, own.models)


def _documents(images: Sequence[ImageEntry], turn: int) -> list[list[int]]:
    """The pages of each file of several pages that came with a request, as numbers of images."""
    pages: dict[str, list[int]] = {}
    for number, entry in enumerate(images, 1):
        if entry["turn"] == turn and (document := entry.get("document")):
            pages.setdefault(document, []).append(number)
    return [numbers for numbers in pages.values() if len(numbers) > 1]


def _failed(reason: str) -> Plan:
    return Plan.decline(Refusal(cause="failed", tool="", detail=reason))


def _still_needed(achieved: Sequence[Step], repeated: Sequence[Step]) -> list[Step]:
    """Drop achieved steps that the new plan repeats, unless a step that stays depends on them."""
    taken = [(step["tool"], step["inputs"]) for step in repeated]
    left: list[Step] = []
    for step in reversed(achieved):  # a step only refers to earlier ones
        if (step["tool"], step["inputs"]) not in taken or is_used(step, left):
            left.insert(0, step)
    return left


def _as_message(plan: Plan, turn: int, round_: int) -> AIMessage:
    calls = [{**call, "id": call_id(turn, round_, int(call["id"] or 0))} for call in tool_calls_of(plan)]
    return AIMessage(str(plan), tool_calls=calls)
