"""Carrying a request out in the terminal, with the steps that wait for a person's approval."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from visiongpt_agent.cli.background import in_background

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event, VisionGPT
    from visiongpt_agent.result import VisionResult


def has_person() -> bool:
    """Whether somebody sits at a terminal who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def shown(events: Iterator[Event]) -> VisionResult:
    """Carry out a request and show how it goes."""
    from visiongpt_agent.cli.progress import StepDisplay

    with StepDisplay() as display:
        event: Event = {}
        for event in in_background(events):
            display.show(event)
        return event["result"]


def approved(agent: VisionGPT, result: VisionResult) -> VisionResult:
    """The result, with what a person at a terminal answers about the steps that wait.

    Raises:
        KeyboardInterrupt: If the person presses Ctrl-C in place of an answer: the steps wait on.
    """
    while result.status == "waiting" and has_person():
        try:
            allowed = typer.confirm(f"Run {'; '.join(result.pending)}?", err=True)
        except typer.Abort:
            raise KeyboardInterrupt from None
        result = shown(agent.stream_resumed(result.thread_id, allowed))
    return result
