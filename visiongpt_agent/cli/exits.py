"""How the command line ends: its exit codes, and the one line that a person gets in place of a traceback."""

from __future__ import annotations

import io
import os
import signal
import sys
from enum import IntEnum
from typing import NoReturn

import typer
from typer.main import get_command

from visiongpt_agent.cli.output import say
from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.hosting.quiet import debugging
from visiongpt_agent.redaction import redacted


class Exit(IntEnum):
    """Exit codes of all commands."""

    DONE = 0
    BUG = 1
    BAD_INPUT = 2
    NOT_DONE = 3
    """The request was carried out in part, declined, or failed."""
    INTERRUPTED = 130


def run_and_exit(app: typer.Typer) -> NoReturn:
    """Run the command that ``sys.argv`` names and exit with its code; every fault is told in one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names need not be valid Unicode, a terminal need not be UTF-8
            stream.reconfigure(errors="replace")
    # Being asked to end is Ctrl-C by another hand: the person's pictures in the temporary folder go either way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = _run(app)
    if code == Exit.INTERRUPTED:
        _tell("interrupted")
        sys.stdout.flush()
        # A step may be deep in native code: leaving the ordinary way would wait for its thread.
        os._exit(code)
    sys.exit(code)


def _run(app: typer.Typer) -> int:
    try:
        return int(get_command(app)(prog_name="visiongpt", standalone_mode=False) or Exit.DONE)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except typer.TyperException as fault:
        if fault.format_message():  # there is none where the help was shown because nothing was asked
            context = getattr(fault, "ctx", None)
            _tell(f"{fault.format_message()} See: {context.command_path if context else 'visiongpt'} --help")
        return fault.exit_code
    except VisionGPTError as fault:
        redacted(fault)
        if debugging():
            raise
        _tell(str(fault))
        return Exit.BAD_INPUT
    except Exception as fault:
        redacted(fault)
        if debugging():
            raise
        _tell(f"a bug, {type(fault).__name__}: {fault}; run it again with VISIONGPT_DEBUG=1 and report the traceback")
        return Exit.BUG


def _tell(message: str) -> None:
    say(f"visiongpt: {' '.join(message.split())}", error=True)
