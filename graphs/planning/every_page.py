"""Reading a document of several pages: each page, or those that the request names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from visiongpt_agent.language.pages import named_pages
from visiongpt_agent.plan import Plan, Proposal, Ref

_READERS: Final = ("read_text", "read_codes")


def over_pages(plan: Plan, request: str, documents: Sequence[Sequence[int]]) -> Plan:
    """Have a plan that reads one page of a document read each page of it, or those that the request names.

    Args:
        plan: A plan; steps that another step uses are left as they are.
        request: The words.
        documents: For each document that came with the request, the numbers k of its pages' ``$k``, in order.
    """
    proposals = list(plan.proposals)
    used = {ref.number for proposal in proposals for ref in proposal.refs if ref.sigil == "#"}
    for pages in documents:
        steps = [p for p in proposals if p.tool in _READERS and _page(p) in pages and p.id not in used]
        if not steps or len({_page(step) for step in steps}) > 1:
            continue
        wanted = [pages[n - 1] for n in named_pages(request, len(pages)) if n <= len(pages)] or list(pages)
        for step in steps:
            place = proposals.index(step)
            proposals[place] = Proposal(step.id, step.tool, {**step.args, "image": Ref("$", wanted[0])})
            proposals += [
                Proposal(len(proposals) + n, step.tool, {**step.args, "image": Ref("$", k)})
                for n, k in enumerate(wanted[1:], 1)
            ]
    return Plan(tuple(proposals), plan.refusal)


def _page(proposal: Proposal) -> int:
    """The k of the ``$k`` that a step looks at, 0 where it is another step's result."""
    image = proposal.args.get("image")
    return image.number if isinstance(image, Ref) and image.sigil == "$" else 0
