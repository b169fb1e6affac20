"""``visiongpt doctor``: what is here, what can run, what would help."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.doctor import Report


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Say what is installed, which tools can run with which model, and the one command that brings what lacks."""
    from visiongpt_agent.doctor import examine

    with quiet():
        report = examine()
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        _print_report(report)


def _print_report(report: Report) -> None:
    from rich.console import Console
    from rich.markup import escape

    from visiongpt_agent.settings import format_bytes

    console = Console(highlight=False, soft_wrap=True)
    versions = ", ".join(f"{name} {found or 'missing'}" for name, found in report.versions.items())
    console.print(escape(versions))
    console.print(f"device {report.device}, {format_bytes(report.memory)} of memory available")
    console.print(f"weights in {escape(report.home)}, profile {report.profile}, planner {report.planner or 'none'}")
    for tool in report.tools:
        if tool.available:
            better = f"[dim] (better: {escape(tool.better)})[/]" if tool.better else ""
            console.print(f"[green]✓[/] {tool.name}: {escape(tool.model) or 'no model needed'}{better}")
        else:
            console.print(f"[dim]✗ {tool.name}: {escape(tool.needs)}[/]")
    for problem in report.problems:
        console.print(f"[red]{escape(problem)}[/]")
    ready = sum(tool.available for tool in report.tools)
    console.print(f"{ready} of {len(report.tools)} tools can run here")
