"""``visiongpt chat`` over a pipe and at a terminal."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

import visiongpt_agent
from tests.cli.chatting import SCRIPT
from tests.cli.conftest import Ran
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, sample_photo
from visiongpt_agent.cli.chat import Conversation
from visiongpt_agent.models import jobs

Terminal = Callable[..., Any]


def test_commands(visiongpt_process: Callable[..., Ran], tmp_path: Path, state: Path) -> None:
    coffee = sample_photo("coffee")
    lines = [
        "/images",
        f"/image {coffee}",
        "/image missing.jpg",
        "/images",
        "/models",
        "/save",
        "/undo",
        "/fly",
        "/help",
        "/quit",
    ]

    ran = visiongpt_process("chat", stdin="\n".join([*lines, "never read"]))

    assert ran.code == 0
    assert ran.out.splitlines()[:6] == [
        "no pictures yet: /image PATH adds one",
        f"$1 is {coffee}, 600x400",
        f"$1 {coffee}",
        "none yet: models are loaded when they are first needed",
        "no pictures were made yet",
        "Say what you want in words; the pictures are $1, $2, ... in the order of their appearance.",
    ]
    assert ran.err.splitlines() == [
        "visiongpt: missing.jpg does not exist: check the path",
        "visiongpt: nothing was asked yet: there is nothing to take back",
        "there is no command /fly: /help lists them",
    ]
    assert not list(tmp_path.iterdir())
    assert not state.exists(), "a conversation without a name leaves nothing behind"


def test_a_bad_picture_at_the_start_ends_it(visiongpt_process: Callable[..., Ran]) -> None:
    ran = visiongpt_process("chat", "-i", "missing.jpg", stdin="hello\n")

    assert (ran.code, ran.err) == (2, "visiongpt: missing.jpg does not exist: check the path\n")


def test_a_pipe_carries_answers_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with closing(VisionGPT(ScriptedChat(script=SCRIPT), checkpointer=InMemorySaver())) as agent:
        conversation = Conversation(agent)
        conversation.add_image(str(sample_photo("chelsea")))
        conversation.take("make it grey")
        conversation.take(f"/save {tmp_path / 'made'}")

    shown, answer, *saved = capsys.readouterr().out.splitlines()

    assert shown.endswith("chelsea.jpg, 451x300")
    assert re.fullmatch(r"[A-Z][^\x1b]+\.", answer)
    assert saved == [str(path) for path in (tmp_path / "made").glob("*.png")]


def test_undo_gives_the_pictures_back(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(VisionGPT(ScriptedChat(script=SCRIPT), checkpointer=InMemorySaver())) as agent:
        conversation = Conversation(agent)
        conversation.add_image(str(sample_photo("chelsea")))
        conversation.take("make it grey")
        conversation.take("/images")
        conversation.take("/undo")
        conversation.take("/images")
        conversation.take("/save")
        conversation.take("/undo")

    told = capsys.readouterr()

    assert told.out.splitlines()[2:] == [
        "$1 chelsea.jpg, 451x300",
        "$2 adjust_image, 451x300",
        "The last request is taken back. Its pictures go with the next one:",
        "$1 chelsea.jpg",
        "$1 chelsea.jpg",
        "no pictures were made yet",
    ]
    assert told.err == "visiongpt: nothing was asked yet: there is nothing to take back\n"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Start ``python -m tests.cli.chatting`` at a terminal of its own; expects and sends lines."""
    pexpect = pytest.importorskip("pexpect", reason="a terminal is played by pexpect: pip install pexpect")
    started = []
    root = Path(visiongpt_agent.__file__).parents[1]

    def start(*arguments: str) -> Any:
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(root)}
        for name in ("KITTY_WINDOW_ID", "LC_TERMINAL", "NO_COLOR", "TERM_PROGRAM", "TMUX"):
            environ.pop(name, None)
        child = pexpect.spawn(
            sys.executable,
            ["-m", "tests.cli.chatting", *arguments],
            cwd=str(tmp_path),
            env=environ,
            encoding="utf-8",
            timeout=90,
            dimensions=(50, 110),
        )
        started.append(child)
        child.expect("you> ")
        return child

    yield start
    for child in started:
        child.close(force=True)


def say(child: Any, line: str) -> str:
    """Type a line; what came until the next prompt."""
    child.sendline(line)
    child.expect("you> ")
    return str(child.before)


@pytest.mark.slow
def test_a_person_at_a_terminal(terminal: Terminal, state: Path) -> None:
    child = terminal("cat")
    say(child, f"/image {sample_photo('chelsea')}")

    grey = say(child, "make it grey")
    child.sendline("dream of it")
    child.expect(r"dream\(image=\$1\).* 1\.\d s")
    child.sendintr()
    child.expect("you> ")
    cancelled = child.before
    undone = say(child, "/undo")
    images = say(child, "/images")
    child.sendintr()
    child.expect("Ctrl-D leaves")
    child.sendeof()
    child.expect("\n")
    child.wait()

    assert "✓" in grey
    assert "#1 = adjust_image(image=$1, saturation=0)" in grey
    blocks = [line for line in grey.splitlines() if line.count("▀") > 1]
    assert len(blocks) == 15, "451x300 pixels are 46 columns and 15 rows"
    assert "the request was cancelled" in cancelled
    assert "taken back" in undone
    assert images.splitlines()[1:] == ["$1 chelsea.jpg, 451x300", "$2 adjust_image, 451x300"]
    assert child.exitstatus == 0
    history = state / "chat-history"
    assert history.read_text().splitlines()[1:] == ["make it grey", "dream of it", "/undo", "/images"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600

    again = terminal("cat")
    assert "cat goes on after 1 requests; the last was: make it grey" in again.before
    again.send("\x1b[A")  # arrow up
    again.expect("/images")
    again.sendintr()
    again.expect("you> ")
    again.kill(15)
    again.expect(pexpect_eof())


@pytest.mark.slow
def test_a_person_is_asked(terminal: Terminal) -> None:
    child = terminal("--ask", "cat")
    say(child, f"/image {sample_photo('chelsea')}")

    child.sendline("make it grey")
    child.expect(r"Run #1 = adjust_image\(image=\$1, saturation=0\)\? \[y/N\]: ")
    child.sendintr()
    child.expect("you> ")
    assert "It was not carried out" in child.before
    assert "$1 chelsea.jpg" in say(child, "/undo")


def pexpect_eof() -> Any:
    return pytest.importorskip("pexpect").EOF


@pytest.mark.slow
def test_a_conversation(visiongpt_process: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path) -> None:
    needs(jobs.LLM)
    lines = ["blur $7", "rotate it by 90 degrees", "now make it black and white", "/images", "/save made", "/models"]

    ran = visiongpt_process("chat", "-i", sample_photo("rocket"), "--thread", "launch", stdin="\n".join(lines))

    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert "there is no image $7" in ran.err
    assert "\n$1 rocket.jpg, 640x427\n$2 transform_image, 427x640\n$3 adjust_image, 427x640\n" in ran.out
    assert len(list((tmp_path / "made").glob("*.png"))) == 2
    assert "smollm2-135m on cpu" in ran.out or "smollm2-135m on cuda" in ran.out

    again = visiongpt_process("chat", "--thread", "launch", stdin="/images\n/undo\n/images\n")

    assert again.out.splitlines() == [
        "$1 rocket.jpg, 640x427",
        "$2 transform_image, 427x640",
        "$3 adjust_image, 427x640",
        "The last request is taken back.",
        "$1 rocket.jpg, 640x427",
        "$2 transform_image, 427x640",
    ]
