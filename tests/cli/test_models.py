"""``visiongpt models`` as a person runs it, on the models of the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from typer.testing import CliRunner, Result

from visiongpt_agent.cli.models import app
from visiongpt_agent.models import registry
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import register
from visiongpt_agent.weights import Hub

CONTENT = {"config.json": "{}", "model.onnx": "weights"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and one model more: it takes its files out of a folder."""
    for variable in ("VISIONGPT_CONFIG", "VISIONGPT_WEIGHTS", "VISIONGPT_LLM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("VISIONGPT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(registry, "_registered", [])

    @register
    class Tiny(Model):
        card: ClassVar[ModelCard] = ModelCard(
            name="tiny",
            title="Tiny",
            jobs=("test.job",),
            licence="CC-BY-NC-4.0",
            homepage="https://example.org/tiny",
            memory=1,
            source=Hub("someone/tiny", "0" * 40, dict.fromkeys(CONTENT, "")),
            notice="Not for commercial use.",
        )

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            return cls()

    return tmp_path / "home"


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_text(content)
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def listed(name: str) -> dict[str, Any]:
    rows = json.loads(run("list", "--json").stdout)
    row: dict[str, Any]
    (row,) = [row for row in rows if row["name"] == name]
    return row


def test_the_list_is_what_no_command_shows() -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout == run("list").stdout
    assert "visiongpt models pull NAME" in result.stdout


def test_the_list_fits_80_columns_and_breaks_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("list").stdout.splitlines()
    table = lines[: lines.index("")]
    assert all(len(line.rstrip()) <= 80 for line in table)
    rows = json.loads(run("list", "--json").stdout)
    jobs = {job for row in rows for job in row["jobs"]}
    heads = [line.strip() for line in table if line and not line.startswith(" ")]
    assert sorted(heads) == sorted(jobs)
    for row in rows:
        places = [line for line in table if line.split()[:1] == [row["name"]]]
        assert len(places) == len(row["jobs"])
        assert sum(line.split()[1] == "*" for line in places) == len(row["used_for"])


def test_a_card_says_in_the_list_whether_its_files_are_on_record() -> None:
    assert listed("dinov2-small")["file_list"] == {"taken": "2026-11-30", "verified": True}
    assert listed("dpt-large")["file_list"] == {"taken": "2026-11-30", "verified": False}
    assert listed("nanodet-g-416")["file_list"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull", "a\x1b[31mb"),
        ("pull", "tiny", "--from", "a\x1b[31mb"),
        ("rm", "a\x1b[31mb"),
        ("convert", "a\x1b[31mb", "out"),
    ],
)
def test_names_from_outside_do_not_steer_the_terminal(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "a[31mb" in result.stderr
    assert "\x1b" not in result.stderr + result.stdout


def test_a_file_name_in_an_error_does_not_steer_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    result = run("pull", "tiny", "--from", folder)
    assert result.exit_code == 3
    assert "\x1b" not in result.stderr + result.stdout
    (folder / "net.pt").write_bytes(b"nothing")
    result = run("convert", folder, tmp_path / "out")
    assert result.exit_code == 3
    assert "\x1b" not in result.stderr + result.stdout


def test_help_names_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("pull", "--help").stdout
    assert "PATH" in shown
    assert "PROFILE" in shown
    assert "<embedded|foundation>" not in shown
    own = [line for line in shown.splitlines() if line.startswith("│ --") and "--help" not in line]
    assert own
    assert not any("<" in line for line in own)


def test_pull_verify_and_remove(home: Path, downloaded: Path) -> None:
    assert listed("tiny")["state"] == "absent"
    assert listed("tiny")["used_for"] == []

    pulled = run("pull", "tiny", "--from", downloaded)
    assert pulled.exit_code == 0
    assert "CC-BY-NC-4.0" in pulled.stderr
    assert "Not for commercial use." in pulled.stderr
    assert (home / "weights" / "tiny" / "model.onnx").read_text() == "weights"
    row = listed("tiny")
    assert (row["state"], row["used_for"], row["bytes"]) == ("present", ["test.job"], len("weights{}"))

    assert run("verify", "tiny").exit_code == 0
    (home / "weights" / "tiny" / "model.onnx").write_text("w3ights")
    verified = run("verify", "tiny", "nanodet-g-416")
    assert verified.exit_code == 3
    assert "model.onnx is not what its checksum says" in verified.stderr
    assert "visiongpt models pull tiny" in verified.stderr
    assert "nanodet-g-416: sound" in verified.stdout

    assert run("pull", "tiny", "--from", downloaded).exit_code == 0
    assert run("verify", "tiny").exit_code == 0
    assert "freed" in run("rm", "tiny").stdout
    assert listed("tiny")["state"] == "absent"
    assert run("rm", "tiny").exit_code == 3


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("pull", "tiny", "nanodet-g-416", "--from", tmp_path / "empty")
    assert result.exit_code == 3
    assert "holds no config.json" in result.stderr
    assert "nanodet-g-416" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull",),
        ("pull", "tiny", "--all"),
        ("pull", "--profile", "nonsense"),
        ("pull", "no-such-model"),
        ("pull", "tiny", "--from", "/nowhere"),
        ("verify", "no-such-model"),
        ("rm",),
        ("rm", "no-such-model"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr


def test_settings_that_make_no_sense_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONGPT_MEMORY", "plenty")
    result = run("list")
    assert result.exit_code == 2
    assert "'plenty' is no amount of memory" in result.stderr
