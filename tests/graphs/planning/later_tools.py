"""The package's tools with those, and the arguments, that came after the small planner's training.

They are declared here as far as the package does not have them yet: a rule may write them only where they are there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from visiongpt_agent.graphs.planning.prompt import trained_arguments
from visiongpt_agent.plan import Argument, Kind, Signature
from visiongpt_agent.tools import catalog

_ARGUMENTS: Final = {
    "blur_regions": (Argument("method", (Kind.STRING,), False, "blur"),),
}


def _whole(signature: Signature) -> Signature:
    later = (a for a in _ARGUMENTS.get(signature.tool, ()) if signature.argument(a.name) is None)
    return replace(signature, arguments=(*signature.arguments, *later))


LATER: Final = {name: _whole(spec.signature) for name, spec in catalog().items()}
"""All tools by name, as they will be."""
TRAINED: Final = {
    name: replace(LATER[name], arguments=tuple(a for a in LATER[name].arguments if a.name in known))
    for name, known in trained_arguments().items()
}
"""The tools that the small planner was trained on, by name."""
