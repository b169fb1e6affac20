"""COCO's object detection format (https://cocodataset.org/#format-data), with a ``score`` as in COCO results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visiongpt_agent.exports.dataset import LabelledPicture, categories, save_pictures
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import polygons
from visiongpt_agent.regions import BoolArray


def write(pictures: Sequence[LabelledPicture], folder: Path) -> None:
    """Write ``annotations.json`` and ``images/``."""
    save_pictures(pictures, folder / "images")
    write_atomically(folder / "annotations.json", json.dumps(document(pictures), ensure_ascii=False).encode())


def document(pictures: Sequence[LabelledPicture]) -> dict[str, Any]:
    """The annotations. Ids count from 1, boxes are ``[x, y, width, height]`` in pixels."""
    names = categories(pictures)
    annotations: list[dict[str, Any]] = []
    for number, entry in enumerate(pictures, 1):
        for index, label in enumerate(entry.regions.labels):
            place = {"id": len(annotations) + 1, "image_id": number, "category_id": names.index(label) + 1}
            annotations.append(place | _annotation(entry, index))
    return {
        "info": {"description": "labelled by VisionGPT-Agent; check before use"},
        "images": [
            {"id": n, "file_name": e.file_name, "width": e.picture.width, "height": e.picture.height}
            for n, e in enumerate(pictures, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in enumerate(names, 1)],
    }


def _annotation(entry: LabelledPicture, index: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(float(v), 2) for v in entry.regions.boxes[index])
    masks = entry.regions.masks
    return {
        "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
        "area": round(float(entry.regions.areas[index]), 2),
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]] if masks is None else _segmentation(masks[index]),
        "iscrowd": 0,
        "score": round(float(entry.regions.confidence[index]), 4),
    }


def _segmentation(mask: BoolArray) -> list[list[float]] | dict[str, Any]:
    """Outlines, or run lengths where there are holes that outlines would fill."""
    outlines, holes = polygons(mask)
    if holes or not outlines:
        return {"counts": run_lengths(mask), "size": list(mask.shape)}
    return [[value for corner in outline for value in corner] for outline in outlines]


def run_lengths(mask: BoolArray) -> list[int]:
    """COCO's uncompressed run lengths: column by column, the first run is of zeros and may be empty."""
    flat = mask.T.reshape(-1)
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths
