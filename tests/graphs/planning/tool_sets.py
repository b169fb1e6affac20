"""The package's tools, whole and as the small planner was trained on them: a rule may write only what is there."""

from __future__ import annotations

from typing import Final

from visiongpt_agent.graphs.planning.prompt import trained_signatures
from visiongpt_agent.tools import catalog

WHOLE: Final = {name: spec.signature for name, spec in catalog().items()}
"""By name."""
TRAINED: Final = {signature.tool: signature for signature in trained_signatures()}
"""By name."""
