"""The lines of earlier days, and what Tab offers."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from visiongpt_agent.cli.typed import KEPT_LINES, History, completions

COMMANDS = ("/image", "/images", "/undo")


def test_lines_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "chat-history"

    for line in ("blur the faces", "", "   ", " not this one", "/image https://me:pw@a.example/x.png?sig=abc"):
        History(path).add(line)

    assert History(path).lines() == ["blur the faces", "/image https://[hidden]a.example/x.png[hidden]"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_oldest_lines_go(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    (tmp_path / "history").write_text("".join(f"line {number}\n" for number in range(KEPT_LINES)))

    history.add("the newest")

    assert history.lines()[-2:] == [f"line {KEPT_LINES - 1}", "the newest"]
    assert len(history.lines()) == KEPT_LINES // 2 + 1


def test_typing_goes_on_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    History(tmp_path / "file" / "history").add("blur it")

    assert History(tmp_path / "file" / "history").lines() == []


@pytest.mark.parametrize(
    ("line", "word", "offered"),
    [
        ("/im", "/im", ["/image ", "/images "]),
        ("blur", "blur", []),
        ("/image {folder}/ca", "{folder}/ca", ["{folder}/cat.jpg", "{folder}/cats/"]),
        ("blur {folder}/ca", "{folder}/ca", []),
    ],
)
def test_tab(line: str, word: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    (tmp_path / "cats").mkdir()
    told = completions(line.format(folder=tmp_path), word.format(folder=tmp_path), COMMANDS)
    assert told == [one.format(folder=tmp_path) for one in offered]
