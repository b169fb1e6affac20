"""Names that hold escape sequences steer no terminal, and paths that go to a program stay whole."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image

from visiongpt_agent.cli.output import printable

RED = "\x1b[31m"


def on_a_terminal(*arguments: str, cwd: Path) -> str:
    """What a command shows on a terminal, both streams."""
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "visiongpt_agent", *arguments]
    env = {**os.environ, "VISIONGPT_STATE": str(cwd / "state")}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=inner, stderr=inner, cwd=cwd, env=env):
        os.close(inner)
        shown = b""
        with suppress(OSError), closing(os.fdopen(outer, "rb", buffering=0)) as stream:
            while part := stream.read(4096):
                shown += part
    return shown.decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cup.jpg", "cup.jpg"),
        (f"a{RED}b\nc\td", "a\\x1b[31mb\nc\td"),
        ("\x9b31m", "\\x9b31m"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("👨\u200d🔧 می\u200cخواهم", "👨\u200d🔧 می\u200cخواهم"),
    ],
)
def test_what_steers_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "flip it", "-i", f"no{RED}such.jpg"),
        ("run", "--resume", f"kit{RED}chen"),
        (f"ru{RED}n",),
        ("batch", f"no{RED}such", "flip it", "--out", "out"),
    ],
    ids=["picture", "thread", "command", "folder"],
)
def test_errors_show_names_as_they_are_read(arguments: tuple[str, ...], tmp_path: Path) -> None:
    shown = on_a_terminal(*arguments, cwd=tmp_path)
    assert RED not in shown
    assert "\\x1b[31m" in shown


@pytest.mark.slow
def test_answers_and_threads_show_names_as_they_are_read(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    done = on_a_terminal("run", "flip it", "-i", "a.png", "--thread", f"t{RED}", "--out", f"o{RED}ut", cwd=tmp_path)
    listed = on_a_terminal("threads", "list", cwd=tmp_path)
    for shown in (done, listed):
        assert RED not in shown
        assert "\\x1b[31m" in shown
    assert len(list((tmp_path / f"o{RED}ut").iterdir())) == 1
