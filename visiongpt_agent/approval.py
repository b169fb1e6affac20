"""What a person answers to the steps that wait for approval, in the form of LangChain's human in the loop.

A step may run as it is planned, run with other arguments, or be left out. What is decided is checked before anything
runs: an edit must fit the tool's signature, and the pictures and results that it refers to must be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NotRequired, TypedDict, cast

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import tool_call
from langgraph.types import Interrupt

from visiongpt_agent.errors import InputError, PlanError
from visiongpt_agent.graphs.loop.waves import resolved
from visiongpt_agent.graphs.state import HOLDS, AgentState
from visiongpt_agent.llm.plans import plan_of, tool_calls_of
from visiongpt_agent.plan import Plan, Proposal, Signature, parse_plan


class Action(TypedDict):
    """A step: the tool's name and its arguments, references as text (``"$1"``, ``"#2"``)."""

    name: str
    args: dict[str, Any]


class Decision(TypedDict):
    """What is decided of a step; ``edited_action`` comes with ``edit``, ``message`` (why) may come with ``reject``."""

    type: Literal["approve", "edit", "reject"]
    edited_action: NotRequired[Action]
    message: NotRequired[str]


Approval = bool | Sequence[Decision] | None
"""True and False for all steps that wait, or a decision for each in their order; None leaves them waiting."""


class ActionRequest(Action):
    """A step that waits, with its call as it stands in the plan."""

    description: str


class ReviewConfig(TypedDict):
    """What may be decided of a tool's steps."""

    action_name: str
    allowed_decisions: list[str]


class HITLRequest(TypedDict):
    """What a person is asked; an answer is ``{"decisions": [...]}`` with one :class:`Decision` for each action."""

    action_requests: list[ActionRequest]
    review_configs: list[ReviewConfig]


def review_request(pending: Sequence[str], fault: str = "") -> HITLRequest:
    """The question about calls that wait.

    Args:
        pending: Calls as in ``VisionResult.pending``, e.g. ``#1 = transform_image(image=$1, rotate=90)``.
        fault: Why the answer before could not be used, ``""`` for the first question.
    """
    actions = []
    for call in pending:
        (action,) = tool_calls_of(parse_plan(call))
        words = f"{call} ({fault})" if fault else call
        actions.append(ActionRequest(name=action["name"], args=action["args"], description=words))
    names = dict.fromkeys(action["name"] for action in actions)
    allowed = ["approve", "edit", "reject"]
    return HITLRequest(
        action_requests=actions, review_configs=[ReviewConfig(action_name=n, allowed_decisions=allowed) for n in names]
    )


def answers(
    approval: Approval, waiting: Sequence[Interrupt], state: AgentState, tools: Mapping[str, Signature]
) -> dict[str, Any]:
    """What the graph is resumed with, by the ids of its interrupts; empty where nothing waits.

    Raises:
        InputError: If there are more or fewer decisions than steps that wait, or one of them cannot be used.
    """
    if approval is None or isinstance(approval, bool):
        return {one.id: approval for one in waiting}
    if len(approval) != len(waiting):
        raise InputError(f"the decisions are {len(approval)}, the steps that wait {len(waiting)}: decide each")
    edits = dict[int, Proposal]()
    for decision, one in zip(approval, waiting, strict=True):
        if _kind(decision) == "edit":
            edits[one.value["id"]] = _edited(decision, one, tools)
    _check(edits, state, tools)
    told = dict[str, Any]()
    for decision, one in zip(approval, waiting, strict=True):
        told[one.id] = _answer(decision, edits.get(one.value["id"]), state)
    return told


def _kind(decision: Any) -> str:
    kind = decision.get("type") if isinstance(decision, Mapping) else None
    if kind not in ("approve", "edit", "reject"):
        raise InputError(f'a decision is {{"type": "approve"}}, "edit" or "reject", not {decision!r:.60}')
    return cast("str", kind)


def _edited(decision: Decision, waiting: Interrupt, tools: Mapping[str, Signature]) -> Proposal:
    action, tool = decision.get("edited_action"), waiting.value["tool"]
    if not isinstance(action, Mapping) or not isinstance(action.get("args"), Mapping):
        raise InputError('an edit comes with "edited_action": {"name": ..., "args": {...}}')
    if action.get("name") != tool:
        raise InputError(f"an edit changes the arguments of {tool}, not the tool: reject the step and ask anew")
    try:
        call = tool_call(name=tool, args=dict(action["args"]), id="")
        (proposal,) = plan_of(AIMessage("", tool_calls=[call]), tools)
        # Through its text, since that is what the plan keeps of it.
        return parse_plan(str(replace(proposal, id=waiting.value["id"]))).proposals[0]
    except PlanError as fault:
        raise InputError(f"the edit cannot be used: {fault}") from fault


def _check(edits: Mapping[int, Proposal], state: AgentState, tools: Mapping[str, Signature]) -> None:
    plan = parse_plan(state["plan"])
    done = {step["id"] for step in state["steps"] if step["verdict"] in HOLDS}
    try:
        Plan(tuple(edits.get(proposal.id, proposal) for proposal in plan)).check(tools, len(state["images"]))
    except PlanError as fault:
        raise InputError(f"the edit cannot be used: {fault}") from fault
    for edit in edits.values():
        absent = [ref for ref in edit.refs if ref.sigil == "#" and ref.number not in done]
        if absent:
            raise InputError(f"the edit cannot be used: there is no result {absent[0]}")


def _answer(decision: Decision, edit: Proposal | None, state: AgentState) -> Any:
    if edit is not None:
        steps = {step["id"]: step for step in state["steps"]}
        return {"call": str(edit), "inputs": resolved(edit, steps, state["images"])}
    if decision["type"] == "approve":
        return True
    return {"reason": str(decision["message"])[:200]} if decision.get("message") else False
