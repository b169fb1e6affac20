"""What a person types: with line editing, completion, and the lines of earlier days."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from visiongpt_agent.redaction import redact

KEPT_LINES: Final = 1000


class History:
    """The lines typed before, in a file that only its owner can read; oldest first.

    A line that begins with a space is not kept, as in a shell, and secrets in a line are not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[str]:
        """What is kept; nothing where the file cannot be read."""
        try:
            return self._path.read_text("utf-8", errors="replace").splitlines()[-KEPT_LINES:]
        except OSError:
            return []

    def add(self, line: str) -> None:
        """Keep a line where it can be kept: typing goes on where it cannot."""
        if not line.strip() or line.startswith(" "):
            return
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept = self.lines()
            forgets = len(kept) >= KEPT_LINES
            mode = os.O_TRUNC if forgets else os.O_APPEND
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | mode, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                before = [f"{one}\n" for one in kept[-KEPT_LINES // 2 :]] if forgets else []
                file.writelines([*before, f"{redact(line)}\n"])


def typed_lines(prompt: str, history: History, commands: Sequence[str]) -> Iterator[str]:
    """The lines that a person types, up to Ctrl-D; Ctrl-C drops the line.

    Raises:
        Terminated: If the process is asked to end.
    """
    _prepare(history, commands)
    while True:
        try:
            line = input(prompt)
        except EOFError:
            print()
            return
        except Terminated:
            raise
        except KeyboardInterrupt:
            print("\n(Ctrl-D leaves)")
            continue
        history.add(line)
        yield line.strip()


class Terminated(KeyboardInterrupt):
    """The process was asked to end: no Ctrl-C, which a prompt outlives."""


def _prepare(history: History, commands: Sequence[str]) -> None:
    try:
        import readline
    except ImportError:  # Windows has none
        return
    for line in history.lines():
        readline.add_history(line)
    readline.set_completer_delims(" ")
    readline.set_completer(lambda text, state: [*completions(readline.get_line_buffer(), text, commands), None][state])
    readline.parse_and_bind("tab: complete")


def completions(line: str, word: str, commands: Sequence[str]) -> list[str]:
    """How the word at the end of a line may go on: a command, or a path after one."""
    if line.lstrip() == word:
        return [f"{command} " for command in commands if command.startswith(word)] if word.startswith("/") else []
    if not line.lstrip().startswith(("/image ", "/save ")):
        return []
    start = os.path.expanduser(word)
    found = sorted(glob.glob(f"{glob.escape(start)}*"))
    return [f"{path}/" if os.path.isdir(path) else path for path in found]
