"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from visiongpt_agent.cli import evaluate, models, threads
from visiongpt_agent.cli.batch import batch
from visiongpt_agent.cli.chat import chat
from visiongpt_agent.cli.doctor import doctor
from visiongpt_agent.cli.mcp import mcp
from visiongpt_agent.cli.plan import plan
from visiongpt_agent.cli.run import run
from visiongpt_agent.cli.serve import serve
from visiongpt_agent.cli.tools import tools
from visiongpt_agent.cli.ui import ui
from visiongpt_agent.hosting.quiet import hush_libraries

app = typer.Typer(
    name="visiongpt",
    help="A vision-language agent: it plans, acts with vision models, verifies, and answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, batch, chat, ui, plan, tools, doctor, serve, mcp):
    app.command()(command)
app.add_typer(models.app, name="models")
app.add_typer(threads.app, name="threads")
app.add_typer(evaluate.app, name="eval")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("visiongpt-agent"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """A vision-language agent: it plans, acts with vision models, verifies, and answers."""
    hush_libraries()
