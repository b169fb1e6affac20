"""LabelMe's JSON (https://github.com/wkentaro/labelme): one file a picture, beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visiongpt_agent.exports.dataset import LabelledPicture, save_pictures
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import Polygon, polygons


def write(pictures: Sequence[LabelledPicture], folder: Path) -> None:
    """Write a picture and a JSON file for each."""
    save_pictures(pictures, folder)
    for entry in pictures:
        write_atomically(folder / f"{entry.stem}.json", json.dumps(document(entry), ensure_ascii=False).encode())


def document(entry: LabelledPicture) -> dict[str, Any]:
    """The shapes of one picture: polygons for masks, their parts in one group; rectangles for boxes."""
    shapes: list[dict[str, Any]] = []
    for index, label in enumerate(entry.regions.labels):
        x1, y1, x2, y2 = entry.regions.boxes[index].tolist()
        outlines = polygons(entry.regions.masks[index])[0] if entry.regions.masks is not None else []
        if outlines:
            group = index if len(outlines) > 1 else None
            shapes += [_shape(label, "polygon", outline, group) for outline in outlines]
        else:
            shapes.append(_shape(label, "rectangle", [(x1, y1), (x2, y2)], None))
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": entry.file_name,
        "imageData": None,
        "imageHeight": entry.picture.height,
        "imageWidth": entry.picture.width,
    }


def _shape(label: str, kind: str, points: Polygon, group: int | None) -> dict[str, Any]:
    return {
        "label": label,
        "points": [[round(x, 2), round(y, 2)] for x, y in points],
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {},
    }
