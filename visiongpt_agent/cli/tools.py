"""``visiongpt tools``: what the agent can do, and what it could."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.doctor import ToolHealth


def tools(as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False) -> None:
    """List the tools: their arguments, the model that would run, and what those lack that cannot run here."""
    from visiongpt_agent.doctor import ToolHealth
    from visiongpt_agent.pool import ModelPool
    from visiongpt_agent.tools import catalog

    with quiet():
        pool = ModelPool()
        found = [ToolHealth.of(spec, pool) for spec in catalog().values()]
    if as_json:
        print(json.dumps([asdict(tool) for tool in found], indent=1))
    else:
        _print_table(found)


def _print_table(found: Sequence[ToolHealth]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("tool", "returns", "runs here with"):
        table.add_column(title, overflow="fold")
    for tool in found:
        how = escape(tool.model) or "no model needed" if tool.available else f"[dim]not yet: {escape(tool.needs)}[/]"
        table.add_row(f"{tool.name}({', '.join(tool.args)})", tool.returns, how)
    Console(highlight=False).print(table)
