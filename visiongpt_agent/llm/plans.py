"""Between plans and chat messages: tool calls of any chat model as a plan, and a plan as tool calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import ToolCall, tool_call

from visiongpt_agent.errors import PlanError
from visiongpt_agent.plan import CONTROL, Kind, Plan, Proposal, Ref, Signature, Value, from_json, parse_plan, to_json

_REFERENCE = re.compile(r"([$#])([1-9][0-9]{0,2})")
_REFERENCE_KINDS = frozenset({Kind.IMAGE, Kind.REGIONS, Kind.TEXT, Kind.LABELS})


def plan_of(message: BaseMessage, catalog: Mapping[str, Signature] | None = None) -> Plan:
    """The plan that a chat model's answer holds.

    Tool calls become proposals in their order; ``reply`` and ``decline`` may come as calls too. An answer without calls
    is read as plan text; words that are no plan mean that no tool is needed: ``reply()``.

    Args:
        message: The answer of a chat model.
        catalog: The tools that were bound. With it, ``"#1"`` stays a string where an argument takes no reference.

    Returns:
        The plan, not yet checked: see :meth:`~visiongpt_agent.plan.Plan.check`.

    Raises:
        PlanError: If an argument of a call is no JSON value.
    """
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    if calls:
        return Plan(tuple(_proposal(number, call, catalog or {}) for number, call in enumerate(calls, 1)))
    try:
        return parse_plan(message.text)
    except PlanError:
        return Plan((Proposal(1, "reply"),))


def tool_calls_of(plan: Plan, tools: Sequence[Signature] = ()) -> list[ToolCall]:
    """The plan as tool calls with the proposals' numbers as ids, references as ``"$1"``, ``"#2"``; none for control.

    Args:
        plan: A plan that checks.
        tools: Signatures of tools; they and their arguments are called as outside of plans.
    """
    known = {tool.tool: tool for tool in tools}
    calls = ((proposal, known.get(proposal.tool)) for proposal in plan if not proposal.is_control)
    return [
        tool_call(
            name=(tool.name if tool else "") or proposal.tool,
            args={_outside(tool, name): to_json(value) for name, value in proposal.args.items()},
            id=str(proposal.id),
        )
        for proposal, tool in calls
    ]


def _outside(tool: Signature | None, name: str) -> str:
    """What an argument is called outside of plans."""
    argument = tool.argument(name) if tool else None
    return (argument.alias if argument else "") or name


def _proposal(number: int, call: ToolCall, catalog: Mapping[str, Signature]) -> Proposal:
    signature = CONTROL.get(call["name"]) or catalog.get(call["name"])
    values = {name: _from_json(call["name"], name, value, signature) for name, value in call["args"].items()}
    return Proposal(number, call["name"], values)


def _from_json(tool: str, name: str, value: Any, signature: Signature | None) -> Value:
    if isinstance(value, str):
        argument = signature.argument(name) if signature else None
        match = _REFERENCE.fullmatch(value)
        takes_references = argument is None or not _REFERENCE_KINDS.isdisjoint(argument.kinds)
        return Ref(match[1], int(match[2])) if match and takes_references else value
    try:
        return from_json(value)
    except PlanError as fault:
        raise PlanError(f"{tool}.{name}: {fault}") from None
