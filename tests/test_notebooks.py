"""The notebooks run from top to bottom, show what they say they show, and are kept without outputs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from visiongpt_agent.models import jobs

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_is_kept_without_outputs(path: Path) -> None:
    cells = read(path).cells

    assert len(cells) > 1
    assert not [cell for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]


@pytest.mark.slow
def test_quickstart(needs: Callable[[str], None], tmp_path: Path) -> None:
    from nbclient import NotebookClient

    needs(jobs.LLM)
    notebook = read(next(path for path in NOTEBOOKS if "quickstart" in path.name))

    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    result, data, first, second, events = shown[1:]
    assert "There is one cup" in html(result)
    boxed, cut = pictures(result)
    assert boxed.mode == "RGB"
    assert cut.mode == "RGBA"
    assert "#2 = remove_background(image=$1)" in printed(data)
    assert pictures(first)[-1].getchannel("A").getextrema() == (0, 255)
    assert "adjust_image(image=$2" in printed(second)
    grey = pictures(second)[-1].convert("RGB").split()
    assert max(abs(a - b) for a, b in zip(grey[0].getdata(), grey[2].getdata(), strict=True)) <= 2
    assert re.findall(r"^\w+", printed(events), re.M) == ["plan", "started", "finished", "result"]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def html(outputs: list[Any]) -> str:
    return "".join(output.data["text/html"] for output in outputs if "text/html" in output.get("data", {}))


def printed(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def pictures(outputs: list[Any]) -> list[Image.Image]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', html(outputs))
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]
