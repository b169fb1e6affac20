"""Which step goes back to which: what the references between the steps of one plan say.

``#n`` means another step in every plan, so that steps kept from an earlier round are never mixed up with later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from visiongpt_agent.graphs.loop.waves import plain_args, resolved
from visiongpt_agent.graphs.state import ImageEntry, Step
from visiongpt_agent.plan import Plan


def is_used(step: Step, steps: Sequence[Step]) -> bool:
    """Whether another of the steps, of the same plan, takes this one's output."""
    return any(
        other["round"] == step["round"] and f"#{step['id']}" in map(str, other["args"].values()) for other in steps
    )


def pictures_of(step: Step) -> list[dict[str, Any]]:
    """The pictures that a step made, its result first where that is one; each has ``image``, ``width``, ``height``."""
    artifact = step["artifact"]
    return [*([artifact] if "image" in artifact else []), *artifact.get("further", ())]


def origin(step: Step, steps: Sequence[Step]) -> str:
    """The image of the conversation that a step goes back to, e.g. ``$1``; ``""`` where there is none."""
    by_id = {other["id"]: other for other in steps if other["round"] == step["round"]}
    reference = str(step["args"].get("image", ""))
    while reference.startswith("#"):  # ends, since a step only refers to earlier ones
        before = by_id.get(int(reference[1:]))
        reference = str(before["args"].get("image", "")) if before else ""
    return reference


def carried_over(plan: Plan, achieved: Sequence[Step], images: Sequence[ImageEntry], round_: int) -> list[Step]:
    """Proposals of a new plan that were carried out under an earlier one, as steps under their new numbers.

    A new plan can refer to an earlier result thus, by asking for it again; nothing is done twice.
    """
    found: dict[int, Step] = {}
    for proposal in plan:
        if any(ref.sigil == "#" and ref.number not in found for ref in proposal.refs):
            continue
        inputs = resolved(proposal, found, images)
        same = (step for step in achieved if step["tool"] == proposal.tool and step["inputs"] == inputs)
        if before := next(same, None):
            found[proposal.id] = {**before, "round": round_, "id": proposal.id, "args": plain_args(proposal)}
    return list(found.values())
