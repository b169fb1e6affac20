"""Taking up an ended request again, where something outside the steps kept them from a result.

A full disk, memory that ran out, a time limit or a cancellation says nothing about a step: it may succeed another time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from langchain_core.messages import AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.constants import START
from langgraph.types import Overwrite

from visiongpt_agent.graphs.loop.messages import call_id
from visiongpt_agent.graphs.state import OUTSIDE, AgentState, Step


class Reopening(NamedTuple):
    """An update of an ended request's state, and the node that it counts as coming from."""

    values: dict[str, Any]
    node: str


def reopening(state: AgentState) -> Reopening | None:
    """The update after which the graph goes on with what an outside cause prevented; None where none did.

    Steps with such a cause, and those that needed their results, are removed, so that the next wave carries them out;
    a request whose planning failed is planned anew. Messages about what is removed, and the answer, go too.
    """
    refusal = state.get("refusal")
    if refusal is not None and refusal["cause"] == "failed":
        values: dict[str, Any] = {"plan": "", "refusal": None, "round": 0, "status": "done"}
        return Reopening({**values, "messages": _removals(_of_this_request(state))}, START)
    if not any(step["cause"] in OUTSIDE for step in state["steps"]):
        return None
    redone = [step for step in state["steps"] if step["cause"] in (*OUTSIDE, "needs")]
    kept = [step for step in state["steps"] if step not in redone]
    return Reopening(
        {
            "steps": Overwrite(kept),
            "round": state["steps"][0]["round"],  # a planner that had nothing new to try has counted on
            "critique": "",
            "messages": _removals(_about(redone, state)),
        },
        "verifier",
    )


def _of_this_request(state: AgentState) -> list[AnyMessage]:
    messages = state["messages"]
    first = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
    return messages[first:]


def _about(steps: list[Step], state: AgentState) -> list[AnyMessage]:
    """The answer, and the messages that tell what came of these steps."""
    calls = {call_id(state["turn"], step["round"], step["id"]) for step in steps}
    results = [
        message
        for message in _of_this_request(state)
        if isinstance(message, ToolMessage) and message.tool_call_id in calls
    ]
    return [*results, state["messages"][-1]]


def _removals(messages: list[AnyMessage]) -> list[RemoveMessage]:
    return [RemoveMessage(id=str(message.id)) for message in messages]
