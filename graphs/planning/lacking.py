"""Plans that cannot be carried out here since their tools need models that are not here."""

from __future__ import annotations

from collections.abc import Mapping

from visiongpt_agent.plan import Plan, Refusal
from visiongpt_agent.tools.base import Models, ToolSpec


def refused_where_lacking(plan: Plan, tools: Mapping[str, ToolSpec], models: Models) -> Plan:
    """The plan, or a refusal that names the first model that is lacking where none of the plan's ends can be reached.

    Args:
        plan: A plan that checks.
        tools: All tools by name.
        models: Those that are here.
    """
    lacking: dict[int, Refusal] = {}
    for proposal in plan:
        spec = tools.get(proposal.tool)
        remedy = spec.lacks(models) if spec else ""
        behind = (lacking[ref.number] for ref in proposal.refs if ref.sigil == "#" and ref.number in lacking)
        if remedy:
            lacking[proposal.id] = Refusal(cause="no_model", tool=proposal.tool, detail=remedy)
        elif refusal := next(behind, None):
            lacking[proposal.id] = refusal
    used = {ref.number for proposal in plan for ref in proposal.refs if ref.sigil == "#"}
    ends = [proposal.id for proposal in plan if proposal.id not in used]
    if any(end not in lacking for end in ends):
        return plan
    first = lacking[ends[0]]
    return Plan.decline(first, f"{first['tool']} has no model here: {first['detail']}")
