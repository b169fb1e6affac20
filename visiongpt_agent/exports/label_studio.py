"""Label Studio's tasks with predictions (https://labelstud.io/guide/predictions), and the labelling interface for them.

Coordinates are percentages of the picture. Pictures are named relative to a local storage that is set to the export's
folder.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from visiongpt_agent.exports import _brush
from visiongpt_agent.exports.dataset import Thing, bounds, extended, read_json
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import Polygon, parts
from visiongpt_agent.regions import Regions

_ADDRESS: Final = "/data/local-files/?d=images/"
_KINDS: Final = ("rectanglelabels", "polygonlabels", "brushlabels")


class LabelStudio:
    """``tasks.json``, ``interface.xml`` and ``images/``; where there is a split, a task's data has it, too.

    A box is a rectangle; a mask of one part is a polygon; of several parts or with holes, a brush.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "images"
        self._folder = folder
        path = folder / "tasks.json"
        self._tasks: list[dict[str, Any]] = read_json(path) if path.is_file() else []

    def names(self) -> list[str]:
        return [_name_in(task) for task in self._tasks]

    def things(self, name: str, size: tuple[int, int]) -> list[Thing]:
        return [_thing(result) for result in self._results(name) if _label(result)] if name in self.names() else []

    def learn(self, labels: Collection[str], *, masks: bool) -> None: ...

    def add(self, name: str, regions: Regions) -> None:
        results = self._results(name)
        first = len(results)
        for index in range(len(regions)):
            score = round(float(regions.confidence[index]), 4)
            results.append(_result(regions, index) | {"id": f"region{first + index}", "score": score})

    def write(self, validation: Collection[str] | None) -> None:
        if validation is not None:
            for task in self._tasks:
                task["data"]["split"] = "val" if _name_in(task) in validation else "train"
        write_atomically(self._folder / "tasks.json", json.dumps(self._tasks, ensure_ascii=False).encode())
        labels = [_label(result) for name in self.names() for result in self._results(name)]
        write_atomically(self._folder / "interface.xml", interface(extended([], labels)).encode())

    def _results(self, name: str) -> list[dict[str, Any]]:
        task = next((task for task in self._tasks if _name_in(task) == name), None)
        if task is None:
            prediction: dict[str, Any] = {"model_version": "visiongpt-agent", "result": []}
            task = {"data": {"image": _ADDRESS + name}, "predictions": [prediction]}
            self._tasks.append(task)
        results: list[dict[str, Any]] = task["predictions"][0]["result"]
        return results


def interface(names: Sequence[str]) -> str:
    """The labelling interface that the tasks belong to."""
    labels = "".join(f'<Label value="{escape(name)}"/>' for name in names)
    return (
        '<View><Image name="image" value="$image"/>'
        f'<RectangleLabels name="box" toName="image">{labels}</RectangleLabels>'
        f'<PolygonLabels name="outline" toName="image">{labels}</PolygonLabels>'
        f'<BrushLabels name="mask" toName="image">{labels}</BrushLabels></View>\n'
    )


def _result(regions: Regions, index: int) -> dict[str, Any]:
    label, mask = regions.labels[index], regions.mask(index)
    outlined = [] if mask is None else parts(mask)
    if mask is None:
        return _rectangle(regions, index)
    if len(outlined) > 1 or any(part.holes for part in outlined):
        return _shown(regions, "mask", "brushlabels", label, {"format": "rle", "rle": _brush.encode(mask)})
    return _polygon(regions, outlined[0].outline, label)


def _rectangle(regions: Regions, index: int) -> dict[str, Any]:
    width, height = regions.size
    x1, y1, x2, y2 = regions.boxes[index].tolist()
    shares = {"x": x1 / width, "y": y1 / height, "width": (x2 - x1) / width, "height": (y2 - y1) / height}
    value = {name: round(100 * share, 4) for name, share in shares.items()}
    return _shown(regions, "box", "rectanglelabels", regions.labels[index], value)


def _polygon(regions: Regions, outline: Polygon, label: str) -> dict[str, Any]:
    width, height = regions.size
    points = [[round(100 * x / width, 4), round(100 * y / height, 4)] for x, y in outline]
    return _shown(regions, "outline", "polygonlabels", label, {"points": points})


def _shown(regions: Regions, control: str, kind: str, label: str, value: dict[str, Any]) -> dict[str, Any]:
    width, height = regions.size
    return {
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "from_name": control,
        "type": kind,
        "value": {**value, kind: [label]},
    }


def _name_in(task: dict[str, Any]) -> str:
    return str(task["data"]["image"]).rpartition("/")[2]


def _label(result: dict[str, Any]) -> str:
    """The label of a region; ``""`` for results of other kinds."""
    return next((str(result["value"][kind][0]) for kind in _KINDS if result["value"].get(kind)), "")


def _thing(result: dict[str, Any]) -> Thing:
    value, width, height = result["value"], result["original_width"], result["original_height"]
    if "rle" in value:
        (region,) = Regions.from_masks(_brush.decode(value["rle"], (width, height))[None]).boxes.tolist() or [[0] * 4]
        return Thing(_label(result), (region[0], region[1], region[2], region[3]))
    points = value.get("points") or [
        (value["x"], value["y"]),
        (value["x"] + value["width"], value["y"] + value["height"]),
    ]
    return Thing(_label(result), bounds((x * width / 100, y * height / 100) for x, y in points))
