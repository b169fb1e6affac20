"""``visiongpt run`` with the real planner: what reaches stdout and stderr, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from tests.cli.conftest import Ran
from visiongpt_agent import sample_photo
from visiongpt_agent.models import jobs

KEYS = [
    *("answer", "plan", "images", "regions", "steps", "warnings", "status"),
    *("lines", "codes", "labels", "answers", "measurements"),
]


def test_without_a_planner_it_names_the_command_that_brings_one(
    visiongpt: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VISIONGPT_HOME", str(tmp_path / "home"))

    ran = visiongpt("run", "turn it black and white", "-i", sample_photo("coffee"))

    assert ran.code == 2
    assert "visiongpt models pull smollm2-135m" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.slow
def test_json_is_all_that_a_process_prints(
    visiongpt_process: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)

    ran = visiongpt_process("run", "turn it black and white", "-i", sample_photo("coffee"), "--json", "--out", "made")

    assert (ran.code, ran.err) == (0, "")
    result = json.loads(ran.out)
    assert list(result) == KEYS
    assert result["status"] == "done"
    assert result["plan"] == "#1 = adjust_image(image=$1, saturation=0)"
    assert [list(step) for step in result["steps"]] == [["id", "tool", "args", "model", "seconds", "verdict"]]
    assert result["steps"][0]["verdict"] == "accepted"
    assert (tmp_path / result["images"][0]["path"]).is_file()
    assert result["images"][0]["path"].startswith("made/")


@pytest.mark.slow
def test_trace_tells_plan_and_steps_on_stderr(visiongpt: Callable[..., Ran], needs: Callable[[str], None]) -> None:
    needs(jobs.LLM)

    ran = visiongpt("run", "turn it black and white", "-i", sample_photo("coffee"), "--trace")

    assert ran.out.splitlines()[1:] == ["Pictures:", "  visiongpt-out/coffee-adjust_image.png"]
    lines = ran.err.splitlines()
    assert lines[:3] == ["plan:", "  #1 = adjust_image(image=$1, saturation=0)", "steps:"]
    assert lines[3].startswith("  #1 adjust_image: accepted in ")
    assert len(lines) == 4


@pytest.mark.slow
def test_what_cannot_be_done_is_declined(
    visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)

    ran = visiongpt("run", "blur the faces", "--json")

    assert (ran.code, ran.err) == (3, "")
    assert json.loads(ran.out)["status"] == "declined"
    assert "picture" in json.loads(ran.out)["answer"]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals for other processes")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_at_once(ending: signal.Signals, needs: Callable[[str], None], tmp_path: Path) -> None:
    needs(jobs.LLM)
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "visiongpt_agent", "run", "remove the background", "-i"]
    process = subprocess.Popen(
        [*command, str(sample_photo("coffee"))],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list((tmp_path / "tmp").glob("visiongpt-*/img-*.png")):  # the picture is in: it is about to plan
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)

    process.send_signal(ending)
    out, err = process.communicate(timeout=5)

    assert (process.returncode, out, err) == (130, "", "visiongpt: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert not list((tmp_path / "tmp").glob("visiongpt-*"))


def test_an_unknown_export_is_refused_before_any_work(visiongpt: Callable[..., Ran], tmp_path: Path) -> None:
    ran = visiongpt("run", "find the cup", "-i", sample_photo("coffee"), "--export", "voc")

    assert ran.code == 2
    assert "the formats are coco, yolo, labelme, labelstudio" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--append"], "go with --export"),
        (["--val", "0.2"], "go with --export"),
        (["--export", "yolo", "--val", "20"], "from 0 to below 1"),
        (["--json", "--text"], "give one of them"),
    ],
)
def test_options_that_do_not_go_together(
    visiongpt: Callable[..., Ran], options: list[str], why: str, tmp_path: Path
) -> None:
    ran = visiongpt("run", "find the cup", "-i", sample_photo("coffee"), *options)

    assert ran.code == 2
    assert why in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_text_prints_what_was_read_and_nothing_else(
    visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)
    content = 'BEGIN:VCARD\nFN:Ada "A" Moss\nEND:VCARD'
    code = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode).to_image(scale=6)
    Image.fromarray(np.array(code)).save(tmp_path / "code.png")

    ran = visiongpt("run", "read the QR code", "-i", str(tmp_path / "code.png"), "--text")
    nothing = visiongpt("run", "read the QR code", "-i", sample_photo("coffee"), "--text")

    assert (ran.code, ran.out) == (0, f"{content}\n")
    assert nothing.out == ""
    assert "no text was read" in nothing.err


@pytest.mark.slow
def test_regions_are_exported_beside_the_pictures(
    visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)

    ran = visiongpt("run", "find the cup", "-i", sample_photo("coffee"), "--export", "coco", "--export", "yolo")

    assert ran.code == 0
    assert ran.out.splitlines()[-3:] == ["Regions:", "  visiongpt-out/coco", "  visiongpt-out/yolo"]
    annotations = json.loads((tmp_path / "visiongpt-out/coco/annotations.json").read_text())
    assert [category["name"] for category in annotations["categories"]] == ["cup"]
    assert annotations["images"][0]["file_name"] == "coffee.jpg"
