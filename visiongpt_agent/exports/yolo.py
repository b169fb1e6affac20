"""The text format of YOLO (https://docs.ultralytics.com/datasets/): one line a region, coordinates from 0 to 1.

Regions that all have masks are written as polygons (segmentation), otherwise all are written as boxes (detection): one
data set holds one kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from visiongpt_agent.exports.dataset import LabelledPicture, categories, save_pictures
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import Polygon, polygons


def write(pictures: Sequence[LabelledPicture], folder: Path) -> None:
    """Write ``data.yaml``, ``images/`` and ``labels/``."""
    names = categories(pictures)
    outlined = all(entry.regions.masks is not None for entry in pictures if len(entry.regions))
    save_pictures(pictures, folder / "images")
    for entry in pictures:
        text = "".join(f"{line}\n" for line in lines(entry, names, outlined=outlined))
        write_atomically(folder / "labels" / f"{entry.stem}.txt", text.encode())
    # JSON strings are YAML strings too.
    listed = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(names))
    write_atomically(folder / "data.yaml", f"train: images\nval: images\nnames:\n{listed}".encode())


def lines(entry: LabelledPicture, names: Sequence[str], *, outlined: bool) -> list[str]:
    """``class x_centre y_centre width height``, or ``class x1 y1 x2 y2 ...`` where ``outlined``."""
    width, height = entry.regions.size
    told = []
    for index, (x1, y1, x2, y2) in enumerate(entry.regions.boxes.tolist()):
        if outlined:
            assert entry.regions.masks is not None
            parts, _ = polygons(entry.regions.masks[index])
            # The format has one polygon a region: of a thing in several parts the largest is kept.
            outline: Polygon = parts[0] if parts else [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
            values = [value for x, y in outline for value in (x / width, y / height)]
        else:
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
        told.append(" ".join([str(names.index(entry.regions.labels[index])), *(f"{v:.6f}" for v in values)]))
    return told
