"""What the catalogue tells of each tool."""

from __future__ import annotations

from visiongpt_agent.tools import catalog


def test_every_tool_tells_a_large_model_what_it_is_for() -> None:
    for name, spec in catalog().items():
        assert len(spec.description.split()) >= 5, name
