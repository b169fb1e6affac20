"""``visiongpt threads``: the conversations that are kept."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from visiongpt_agent.cli.output import printable
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.state.snapshots import Conversation

app = typer.Typer(help="List and forget the conversations that are kept.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List the conversations where no command is given."""
    if context.invoked_subcommand is None:
        list_threads(as_json=False)


@app.command("list")
def list_threads(as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False) -> None:
    """The conversations that are kept, the one last worked on first."""
    from visiongpt_agent.agent import VisionGPT

    with quiet(), closing(VisionGPT()) as agent:
        kept = agent.threads()
    if as_json:
        print(json.dumps([asdict(thread) for thread in kept], ensure_ascii=False, indent=1))
    elif kept:
        _print_table(kept)
    else:
        print("no conversations are kept: visiongpt run REQUEST --thread NAME begins one")


@app.command()
def forget(names: Annotated[list[str], typer.Argument(help="Conversations, as the list shows them.")]) -> None:
    """Delete conversations, and their pictures that no other conversation uses."""
    from visiongpt_agent.agent import VisionGPT

    with quiet(), closing(VisionGPT()) as agent:
        for name in names:
            agent.forget(name)


def _print_table(kept: list[Conversation]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("conversation", "last request", "status", "requests", "pictures", "last worked on"):
        table.add_column(title, overflow="fold")
    for thread in kept:
        counts = (str(thread.requests), str(thread.images))
        names = (escape(printable(text)) for text in (thread.thread_id, thread.request))
        table.add_row(*names, thread.status, *counts, thread.updated[:19])
    Console(highlight=False).print(table)
