"""The README is true: its snippets run, its tables and targets are those of the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import visiongpt  # noqa: F401  # a fixture
from visiongpt_agent import sample_photo
from visiongpt_agent.models import jobs
from visiongpt_agent.tools import catalog

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def sections() -> dict[str, str]:
    """The text below each heading."""
    parts = re.split(r"^#+ (.+)$", README, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


PYTHON = {title: blocks(text, "python") for title, text in sections().items() if blocks(text, "python")}
CONSOLE = [block.splitlines() for block in blocks(README, "console")]
COMMANDS = [line for block in CONSOLE for line in block]
SERVERS = ("visiongpt ui", "visiongpt serve", "visiongpt mcp")
"""They run until they are stopped: tests of their own start them, here only their options are checked."""


@pytest.mark.slow
@pytest.mark.parametrize("title", PYTHON)
def test_python_runs(title: str, needs: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(jobs.LLM)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}

    for block in PYTHON[title]:
        exec(compile(block, f"README.md: {title}", "exec"), names)

    assert "result" not in names or names["result"].status == "done"


@pytest.mark.slow
@pytest.mark.parametrize("commands", [block for block in CONSOLE if block[0].startswith("visiongpt ")], ids=str)
def test_commands_run(
    commands: list[str],
    needs: Callable[[str], None],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    needs(jobs.LLM)
    run = request.getfixturevalue("visiongpt")
    (tmp_path / "coffee.jpg").write_bytes(sample_photo("coffee").read_bytes())

    for command in commands:
        if command.startswith(SERVERS):
            assert run(*shlex.split(command)[1:], "--help").code == 0
            continue
        ran = run(*shlex.split(command)[1:])

        assert (ran.code, ran.err) == (0, ""), command
        for path in re.findall(r"^  (visiongpt-out/\S+)$", ran.out, re.M):
            assert (tmp_path / path).exists()
        if command == CONSOLE[1][0]:
            assert ran.out.splitlines() == blocks(sections()["From the command line"], "text")[0].splitlines()


def test_every_command_is_run_or_a_make_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))

    assert COMMANDS[:2] == ["make demo", "make test"]
    for command in COMMANDS:
        first, second, *_ = shlex.split(command)
        assert first == "visiongpt" or (first == "make" and second in targets)


def test_the_table_has_every_tool_in_its_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", README, re.M)

    assert [name for name, _ in rows] == list(catalog())
    assert {name for name, how in rows if how == "no model needed"} <= {
        name for name, spec in catalog().items() if not spec.needs
    }


def test_the_table_says_what_runs_with_the_embedded_weights() -> None:
    from visiongpt_agent.models.registry import Registry
    from visiongpt_agent.weights import Download, Hub

    registry = Registry()
    embedded = {job for card in registry.cards() if not isinstance(card.source, Hub | Download) for job in card.jobs}
    runs = {
        name for name, spec in catalog().items() if all(any(job in embedded for job in jobs_) for jobs_ in spec.needs)
    }
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", README, re.M))

    assert {name for name, how in rows.items() if not how.startswith("hub")} == runs


def test_files_and_settings_that_it_names_exist() -> None:
    for path in re.findall(r"`([\w/.]+\.(?:py|ipynb|toml))`", README):
        assert (ROOT / path).is_file(), path
    settings = (ROOT / "visiongpt_agent/settings.py").read_text()
    for variable in set(re.findall(r"VISIONGPT_[A-Z_]+", README)):
        assert variable in settings
