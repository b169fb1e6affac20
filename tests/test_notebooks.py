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


Outputs = list[list[Any]]
"""Of each code cell, in order."""


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_runs_and_shows_what_it_says(path: Path, needs: Callable[[str], None], tmp_path: Path) -> None:
    from nbclient import NotebookClient

    needs(jobs.LLM)
    notebook = read(path)

    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    if path.stem in SHOWS:
        SHOWS[path.stem]([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])


def quickstart(shown: Outputs) -> None:
    result, data, first, second, events = shown[1:]
    assert "There is one cup" in html(result)
    original, cut, before = pictures(result)
    assert (original.mode, cut.mode, before.mode) == ("RGB", "RGBA", "RGB")
    assert "#2 = remove_background(image=$1)" in printed(data)
    assert pictures(first)[0].getchannel("A").getextrema() == (0, 255)
    assert "adjust_image(image=$2" in printed(second)
    grey = pictures(second)[0].convert("RGB").split()
    assert max(abs(a - b) for a, b in zip(grey[0].getdata(), grey[2].getdata(), strict=True)) <= 4  # as JPEG
    assert re.findall(r"^\w+", printed(events), re.M) == ["plan", "started", "finished", "result"]


def detection_and_segmentation(shown: Outputs) -> None:
    found, items, outlined, regions, unknown, exported = shown[1:]
    assert "cup" in html(found)
    assert re.search(r"\$1 \{'label': 'cup'", printed(items))
    assert "class='vg-m'" in html(outlined)  # the cat's mask
    share = re.search(r"(\d+)% of the picture", printed(regions))
    assert share is not None
    assert 25 < int(share[1]) < 95  # by eye the cat takes up more than half
    assert "dragonfl" in html(unknown)
    assert "annotations.json" in printed(exported)


def editing(shown: Outputs) -> None:
    painted, blurred, turned, backdrop, winter = shown[1:]
    for edited in (painted, blurred, backdrop):
        assert "type='range'" in html(edited)
    assert "#2 = adjust_image(image=#1, saturation=0)" in printed(turned)
    width, height = pictures(turned)[0].size
    assert height > width  # coffee.jpg is wider than high
    assert "model" in html(winter)
    assert pictures(winter) == []


def anomalies(shown: Outputs) -> None:
    _, _, checked, hits, _ = shown
    assert pictures(checked)
    assert printed(hits).splitlines() == ["scratch found", "stain found"]


def foundation_models(shown: Outputs) -> None:
    here, llama, detector = shown
    assert "stylize_image" in printed(here)
    assert "models pull" in printed(here)  # what lacks names the command that brings it
    assert printed(llama)
    assert printed(detector)


def in_a_larger_agent(shown: Outputs) -> None:
    steps, looked, asked, answered, team, events = shown[1:]
    assert "tool | I blurred one cup." in printed(steps)
    assert ["image/jpeg" in output.data for output in looked] == [True, False]
    assert printed(asked).splitlines() == ["asks before: blur_regions", "I blurred one cat."]
    assert printed(answered).startswith("There is one cup")
    sure, doubtful = printed(team).splitlines()
    assert sure.startswith("writer | Caption: I cut out the foreground")
    assert doubtful.startswith("person | Please look at this one: I may have missed a person")
    assert re.findall(r"^\w+", printed(events), re.M) == ["plan", "started", "finished", "preview"]


def your_own_tool_and_model(shown: Outputs) -> None:
    signature, result, by_hand, _, colors = shown
    assert printed(signature).strip() == "pixelate(image, size=16) -> image: pixelate the picture"
    assert printed(result).strip() == "#1 = pixelate(image=$1)"
    made = pictures(result)[0].convert("RGB").resize((40, 27))
    assert len(set(made.getdata())) > 100  # still a picture
    assert printed(by_hand).count("I pixelated the picture") == 2
    assert "The main colours are dark red" in printed(colors)
    assert printed(colors).endswith("by kmeans-palette\n")


SHOWS: dict[str, Callable[[Outputs], None]] = {
    "01_quickstart": quickstart,
    "02_detection_and_segmentation": detection_and_segmentation,
    "03_editing": editing,
    "04_anomalies": anomalies,
    "07_llama2_and_foundation_models": foundation_models,
    "05_in_a_larger_agent": in_a_larger_agent,
    "06_your_own_tool_and_model": your_own_tool_and_model,
}


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def html(outputs: list[Any]) -> str:
    return "".join(output.data["text/html"] for output in outputs if "text/html" in output.get("data", {}))


def printed(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def pictures(outputs: list[Any]) -> list[Image.Image]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', html(outputs))
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]
