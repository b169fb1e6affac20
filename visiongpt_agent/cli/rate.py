"""How a batch goes, told on stderr while it goes: how many, how fast, how long yet."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from visiongpt_agent.batch import Row

_LINE_SECONDS: Final = 10.0
"""Where stderr is no terminal, a line is told no more often."""


class RateDisplay:
    """A bar at a terminal; else a line every ten seconds.

    Args:
        total: Pictures in all.
        done: Those that have their row at the beginning.
        console: By default stderr.
    """

    def __init__(self, total: int, done: int = 0, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._total, self._before, self._done, self._errors = total, done, done, 0
        self._begun = self._told = time.monotonic()
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, redirect_stdout=False, redirect_stderr=False)
        self._task = self._bar.add_task("pictures", total=total, completed=done, rate="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._console.is_terminal:  # else it would end a line that it never began
            self._bar.stop()

    def advance(self, row: Row) -> None:
        """Take in a row that was written."""
        self._done += 1
        self._errors += row.status == "error"
        self._bar.update(self._task, completed=self._done, rate=self._account())
        if not self._console.is_terminal and time.monotonic() - self._told >= _LINE_SECONDS:
            self._told = time.monotonic()
            self._console.print(f"{self._done} of {self._total} pictures, {self._account()}, {self._left()} left")

    @property
    def rate(self) -> float:
        """Pictures a second since the beginning."""
        return (self._done - self._before) / max(1e-9, time.monotonic() - self._begun)

    def _account(self) -> str:
        errors = f", {self._errors} error{'s' if self._errors > 1 else ''}" if self._errors else ""
        return f"{self.rate:.2f} a second{errors}"

    def _left(self) -> str:
        seconds = round((self._total - self._done) / max(1e-9, self.rate))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
