"""The command line, ``visiongpt``: one module a command, put together in :mod:`visiongpt_agent.cli.app`.

Nothing heavy is imported before a command needs it, so that ``visiongpt --help`` answers at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit; the exit codes are those of :class:`visiongpt_agent.cli.exits.Exit`."""
    from visiongpt_agent.cli.app import app
    from visiongpt_agent.cli.exits import run_and_exit

    run_and_exit(app)
