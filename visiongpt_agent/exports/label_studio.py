"""Label Studio's tasks with predictions (https://labelstud.io/guide/predictions), and the labelling interface for them.

Coordinates are percentages of the picture. Pictures are named relative to a local storage that is set to the export's
folder; masks become polygons, of which the interface needs ``PolygonLabels``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from visiongpt_agent.exports.dataset import LabelledPicture, categories, save_pictures
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import Polygon, polygons


def write(pictures: Sequence[LabelledPicture], folder: Path) -> None:
    """Write ``tasks.json``, ``interface.xml`` and ``images/``."""
    save_pictures(pictures, folder / "images")
    tasks = [task(entry) for entry in pictures]
    write_atomically(folder / "tasks.json", json.dumps(tasks, ensure_ascii=False).encode())
    write_atomically(folder / "interface.xml", interface(categories(pictures)).encode())


def task(entry: LabelledPicture) -> dict[str, Any]:
    """One picture with its regions as a prediction."""
    results: list[dict[str, Any]] = []
    for index, label in enumerate(entry.regions.labels):
        score = round(float(entry.regions.confidence[index]), 4)
        outlines = polygons(entry.regions.masks[index])[0] if entry.regions.masks is not None else []
        shapes = [_polygon(entry, outline, label) for outline in outlines] or [_rectangle(entry, index, label)]
        results += [{**shape, "id": f"region{index}-{part}", "score": score} for part, shape in enumerate(shapes)]
    return {
        "data": {"image": f"/data/local-files/?d=images/{entry.file_name}"},
        "predictions": [{"model_version": "visiongpt-agent", "result": results}],
    }


def interface(names: Sequence[str]) -> str:
    """The labelling interface that the tasks belong to."""
    labels = "".join(f'<Label value="{escape(name)}"/>' for name in names)
    return (
        '<View><Image name="image" value="$image"/>'
        f'<RectangleLabels name="box" toName="image">{labels}</RectangleLabels>'
        f'<PolygonLabels name="outline" toName="image">{labels}</PolygonLabels></View>\n'
    )


def _rectangle(entry: LabelledPicture, index: int, label: str) -> dict[str, Any]:
    width, height = entry.regions.size
    x1, y1, x2, y2 = entry.regions.boxes[index].tolist()
    value = {"x": x1 / width, "y": y1 / height, "width": (x2 - x1) / width, "height": (y2 - y1) / height}
    return {
        **_frame(entry),
        "from_name": "box",
        "type": "rectanglelabels",
        "value": {**{name: round(100 * share, 4) for name, share in value.items()}, "rectanglelabels": [label]},
    }


def _polygon(entry: LabelledPicture, outline: Polygon, label: str) -> dict[str, Any]:
    width, height = entry.regions.size
    points = [[round(100 * x / width, 4), round(100 * y / height, 4)] for x, y in outline]
    return {
        **_frame(entry),
        "from_name": "outline",
        "type": "polygonlabels",
        "value": {"points": points, "polygonlabels": [label]},
    }


def _frame(entry: LabelledPicture) -> dict[str, Any]:
    width, height = entry.regions.size
    return {"to_name": "image", "original_width": width, "original_height": height}
