"""The command line as a person meets it: exit code, stdout, stderr."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from visiongpt_agent.cli import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def visiongpt(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ran]:
    """Run ``visiongpt`` with these arguments inside this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["visiongpt", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def visiongpt_process(tmp_path: Path) -> Callable[..., Ran]:
    """Run ``python -m visiongpt_agent`` with these arguments as a process of its own, in an empty folder."""

    def run(*arguments: object, stdin: str = "", preexec: Callable[[], None] | None = None) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "visiongpt_agent", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=300,
            preexec_fn=preexec,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
