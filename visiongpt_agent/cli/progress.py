"""How a request goes, told on stderr while it goes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from visiongpt_agent.plan import parse_plan
from visiongpt_agent.settings import format_bytes

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event

_MARKS: Final = {"accepted": ("✓", "green"), "uncertain": ("?", "yellow"), "skipped": ("–", "dim")}
_TOLD: Final = 160


class StepDisplay:
    """A line for every proposal, with its seconds and how it went; silent where stderr is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._spinner = Spinner("dots", style="cyan")
        self._doing = "planning"
        self._planned = False
        self._loading: dict[str, str] = {}
        """Models on their way into memory, and what is said of each."""
        self._replaced: list[_Line] = []
        """Of plans that another one took the place of."""
        self._lines: dict[int, _Line] = {}
        self._live = Live(
            console=self._console,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self.__rich__,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._doing = ""
        self._live.stop()

    def show(self, event: Event) -> None:
        """Take in one event of :meth:`visiongpt_agent.VisionGPT.stream`."""
        if plan := event.get("plan"):
            self._planned = True
            self._replaced += [line for line in self._lines.values() if line.verdict]
            parsed = parse_plan(plan)
            self._lines = {} if parsed.control else {one.id: _Line(str(one)) for one in parsed}
        elif started := event.get("started"):
            self._line(started).began = time.monotonic()
        elif retried := event.get("retried"):
            self._line(retried).again = str(retried["told"])
        elif finished := event.get("finished"):
            line = self._line(finished)
            line.verdict, line.seconds, line.told = finished["verdict"], finished["seconds"], str(finished["told"])
        elif load := event.get("loading"):
            where = "" if load["device"] == "cpu" else f" to {load['device']}"
            self._loading[load["model"]] = f"loading {load['title']} ({format_bytes(load['bytes'])}){where}"
        elif load := event.get("loaded"):
            self._loading.pop(load["model"], None)
        self._doing = "" if "result" in event else self._what_else()

    def _line(self, step: Mapping[str, Any]) -> _Line:
        call = str(step.get("call") or f"#{step['id']} = {step['tool']}()")
        return self._lines.setdefault(int(step["id"]), _Line(call))

    def _what_else(self) -> str:
        """What goes on where no line says it."""
        if self._loading:
            return ", ".join(self._loading.values())
        if not self._planned:
            return "planning"
        if all(line.verdict for line in self._lines.values()):
            return "answering"
        return "" if any(line.is_running for line in self._lines.values()) else "working"

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for line in [*self._replaced, *self._lines.values()]:
            table.add_row(line.mark(self._spinner), line.account())
        if not self._doing:
            return table
        self._spinner.update(text="")
        waiting = Table.grid(padding=(0, 1))
        waiting.add_row(self._spinner, Text(self._doing, "dim"))
        return Group(table, waiting) if table.row_count else waiting


@dataclass
class _Line:
    """A proposal as it is shown; ``verdict`` is ``""`` until it has one, ``again`` why a try before did not hold."""

    call: str
    verdict: str = ""
    seconds: float = 0.0
    told: str = ""
    again: str = ""
    began: float = 0.0

    @property
    def is_running(self) -> bool:
        return bool(self.began) and not self.verdict

    def mark(self, spinner: Spinner) -> RenderableType:
        if self.verdict:
            return Text(*_MARKS.get(self.verdict, ("✗", "red")))
        return spinner if self.is_running else Text("·", "dim")

    def account(self) -> Text:
        seconds = time.monotonic() - self.began if self.is_running else self.seconds
        text = Text(self.call, "" if self.began or self.verdict else "dim")
        if self.is_running or self.verdict not in ("", "skipped"):
            text.append(f" {seconds:.1f} s", "dim")
        if self.is_running and self.again:
            text.append(f" again: {_brief(self.again)}", "dim")
        elif self.verdict and self.verdict != "accepted" and self.told:
            text.append(f" {_brief(self.told)}", "dim")
        return text


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TOLD else f"{line[: _TOLD - 3]}..."
