"""``visiongpt batch``: what reaches stdout and stderr, how it ends, and what a kill leaves."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Ran
from visiongpt_agent import sample_photo
from visiongpt_agent.models import jobs

GREY = "#1 = adjust_image(image=$1, saturation=0)"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "cup.jpg").write_bytes(sample_photo("coffee").read_bytes())
    (folder / "more" / "broken.jpg").write_bytes(sample_photo("rocket").read_bytes()[:2000])
    return folder


def test_it_tells_the_plan_the_counts_and_the_files(visiongpt: Callable[..., Ran], photos: Path) -> None:
    ran = visiongpt("batch", photos, "make it black and white", "--plan", GREY, "--yes", "--out", "made")

    assert ran.code == 3  # one picture is damaged
    assert ran.err == ""
    assert ran.out.startswith("2 pictures: 1 done, 1 error\n")
    assert "  made/report.html" in ran.out
    assert "--retry-errors" in ran.out
    assert Path("made/pictures/cup.jpg.png").is_file()
    assert Path("made/report.html").is_file()


def test_where_nobody_can_be_asked_it_wants_a_yes(visiongpt: Callable[..., Ran], photos: Path) -> None:
    ran = visiongpt("batch", photos, "make it black and white", "--plan", GREY, "--out", "made")

    assert ran.code == 2
    assert f"plan for 2 pictures:\n  {GREY}\n" in ran.err
    assert "--yes" in ran.err
    assert not Path("made/pictures").exists()


def test_a_format_that_is_none_is_refused_before_any_work(visiongpt: Callable[..., Ran], photos: Path) -> None:
    ran = visiongpt("batch", photos, "find the cup", "--plan", GREY, "--yes", "--out", "made", "--export", "csv")

    assert ran.code == 2
    assert "the formats are coco" in ran.err
    assert not Path("made").exists()


def test_results_within_the_folder_are_no_pictures_of_it(visiongpt: Callable[..., Ran], photos: Path) -> None:
    def go() -> str:
        return visiongpt("batch", photos, "make it grey", "--plan", GREY, "--yes", "--out", photos / "made").out

    assert go().splitlines()[0] == "2 pictures: 1 done, 1 error"
    assert go().splitlines()[0] == "2 pictures: 1 done, 1 error"


@pytest.mark.slow
def test_the_planner_plans_for_all(visiongpt: Callable[..., Ran], photos: Path, needs: Callable[[str], None]) -> None:
    needs(jobs.LLM)

    ran = visiongpt("batch", f"{photos}/*.jpg", "turn it black and white", "--yes", "--out", "made")

    assert ran.code == 0
    assert json.loads(Path("made/batch.json").read_text())["plan"] == GREY
    assert ran.out.startswith("1 picture: 1 done\n")


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_as_an_undisturbed_run(tmp_path: Path) -> None:
    """Ten kills: at rows drawn by chance, a little later each, so that files and rows are met half-written."""
    folder, draw = tmp_path / "in", np.random.default_rng(5)
    _make(folder, 40, draw)
    _run(folder, tmp_path / "calm").wait(120)

    killed = 0
    for rows in sorted(int(row) for row in draw.integers(1, 38, 10)):
        process = _run(folder, tmp_path / "out")
        _await_rows(tmp_path / "out" / "table.jsonl", rows, process)
        time.sleep(float(draw.uniform(0, 0.05)))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _run(folder, tmp_path / "out").wait(120) == 0

    assert killed >= 8
    assert _rows(tmp_path / "out") == _rows(tmp_path / "calm")
    assert len(_rows(tmp_path / "out")) == 40
    assert _files(tmp_path / "out" / "pictures") == _files(tmp_path / "calm" / "pictures")


def _make(folder: Path, count: int, draw: np.random.Generator) -> None:
    photo = Image.open(sample_photo("coffee")).convert("RGB")
    for number in range(count):
        left, upper = (int(draw.integers(0, edge - 200)) for edge in photo.size)
        place = folder / f"{number % 3}" / f"{number:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        photo.crop((left, upper, left + 200, upper + 200)).resize((500, 500)).save(place)
    (folder / "0" / "twin.png").write_bytes((folder / "0" / "000.png").read_bytes())
    (folder / "0" / "003.png").unlink()


def _run(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "visiongpt_agent", "batch", str(folder), "make it grey", "--plan", GREY]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([*command, "--yes", "--out", str(out)], stdout=quiet, stderr=quiet, env={**os.environ})


def _await_rows(table: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        if table.is_file() and table.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.002)


def _rows(out: Path) -> list[dict[str, Any]]:
    lines = (out / "table.jsonl").read_text("utf-8").splitlines()
    return [{**json.loads(line), "seconds": 0} for line in lines]


def _files(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
