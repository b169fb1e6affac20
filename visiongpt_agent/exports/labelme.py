"""LabelMe's JSON (https://github.com/wkentaro/labelme): one file a picture, beside it."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from visiongpt_agent.exports.dataset import Thing, bounds, read_json
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import Polygon, parts
from visiongpt_agent.regions import BoolArray, Regions


class LabelMe:
    """A picture and a JSON file for each; where there is a split, ``train.txt`` and ``val.txt``.

    A box is a rectangle; a mask is a polygon, or several in one group; one with holes is a shape of the type ``mask``.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures = folder
        self._documents = {path.stem: read_json(path) for path in folder.glob("*.json")}
        self._changed = set[str]()

    def names(self) -> list[str]:
        return sorted(document["imagePath"] for document in self._documents.values())

    def things(self, name: str, size: tuple[int, int]) -> list[Thing]:
        grouped: dict[object, list[dict[str, Any]]] = {}
        document = self._documents.get(Path(name).stem, {"shapes": []})
        for place, shape in enumerate(document["shapes"]):
            group = shape.get("group_id")
            grouped.setdefault(("alone", place) if group is None else group, []).append(shape)
        return [Thing(own[0]["label"], bounds(p for shape in own for p in shape["points"])) for own in grouped.values()]

    def learn(self, labels: Collection[str], *, masks: bool) -> None: ...

    def add(self, name: str, regions: Regions) -> None:
        shapes = self._document(name, regions.size)["shapes"]
        groups = [shape["group_id"] for shape in shapes if shape.get("group_id") is not None]
        for index in range(len(regions)):
            own = _shapes(regions, index)
            if len(own) > 1:
                groups.append(max(groups, default=-1) + 1)
                own = [shape | {"group_id": groups[-1]} for shape in own]
            shapes += own
        self._changed.add(Path(name).stem)

    def write(self, validation: Collection[str] | None) -> None:
        for stem in sorted(self._changed):
            data = json.dumps(self._documents[stem], ensure_ascii=False).encode()
            write_atomically(self.pictures / f"{stem}.json", data)

    def _document(self, name: str, size: tuple[int, int]) -> dict[str, Any]:
        fresh: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [],
            "imagePath": name,
            "imageData": None,
            "imageHeight": size[1],
            "imageWidth": size[0],
        }
        document: dict[str, Any] = self._documents.setdefault(Path(name).stem, fresh)
        return document


def _shapes(regions: Regions, index: int) -> list[dict[str, Any]]:
    label, mask = regions.labels[index], regions.mask(index)
    if mask is None:
        x1, y1, x2, y2 = regions.boxes[index].tolist()
        return [_shape(label, "rectangle", [(x1, y1), (x2, y2)])]
    outlined = parts(mask)
    if any(part.holes for part in outlined):
        return [_mask_shape(label, mask)]
    return [_shape(label, "polygon", part.outline) for part in outlined]


def _shape(label: str, kind: str, points: Polygon) -> dict[str, Any]:
    return {
        "label": label,
        "points": [[round(x, 2), round(y, 2)] for x, y in points],
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
    }


def _mask_shape(label: str, mask: BoolArray) -> dict[str, Any]:
    """The mask as a PNG of 0 and 1 between its first and last pixel, which are its points."""
    from PIL import Image

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    buffer = io.BytesIO()
    Image.fromarray(mask[top : bottom + 1, left : right + 1].astype(np.uint8)).save(buffer, "PNG")
    shape = _shape(label, "mask", [(left, top), (right, bottom)])
    return shape | {"mask": b64encode(buffer.getvalue()).decode()}
