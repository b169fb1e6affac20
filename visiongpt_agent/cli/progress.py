"""How a request goes, told on stderr while it goes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event

_MARKS = {"accepted": "[green]✓[/]", "uncertain": "[yellow]?[/]"}


class StepDisplay:
    """A line for every finished step, and one that says what is running; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("planning") if self._console.is_terminal else None
        self._running: dict[int, str] = {}

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def show(self, event: Event) -> None:
        """Take in one event of :meth:`visiongpt_agent.VisionGPT.stream`."""
        if not self._status:
            return
        if "started" in event:
            self._running[event["started"]["id"]] = event["started"]["call"]
        elif "finished" in event:
            step = event["finished"]
            call = self._running.pop(step["id"], f"#{step['id']} = {step['tool']}()")
            mark = _MARKS.get(step["verdict"], "[red]✗[/]")
            self._console.print(f"{mark} {escape(call)} [dim]{step['seconds']:.1f} s[/]", soft_wrap=True)
        self._status.update(escape(", ".join(self._running.values())) or "working")
