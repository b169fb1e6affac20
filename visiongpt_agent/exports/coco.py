"""COCO's object detection format (https://cocodataset.org/#format-data), with a ``score`` as in COCO results."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from visiongpt_agent.exports.dataset import Thing, extended, read_json
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import parts
from visiongpt_agent.regions import BoolArray, Regions

_WHOLE, _TRAIN, _VALIDATION = "annotations.json", "annotations_train.json", "annotations_val.json"
_INFO: Final = {"description": "labelled by VisionGPT-Agent; check before use"}


class Coco:
    """``annotations.json`` and ``images/``; where there is a split, ``annotations_train.json`` and ``..._val.json``.

    Ids count from 1, boxes are ``[x, y, width, height]`` in pixels. A mask is written as polygons; one with holes,
    which they cannot hold, as run lengths.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "images"
        self._folder = folder
        there = [read_json(path) for name in (_WHOLE, _TRAIN, _VALIDATION) if (path := folder / name).is_file()]
        self._rest = {"info": _INFO} | (there[0] if there else {})
        self._categories: list[dict[str, Any]] = self._rest.get("categories", [])
        self._images: list[dict[str, Any]] = [image for document in there for image in document["images"]]
        self._annotations: list[dict[str, Any]] = [one for document in there for one in document["annotations"]]

    def names(self) -> list[str]:
        return [image["file_name"] for image in self._images]

    def things(self, name: str, size: tuple[int, int]) -> list[Thing]:
        labels = {one["id"]: one["name"] for one in self._categories}
        image = next((image["id"] for image in self._images if image["file_name"] == name), None)
        own = (one for one in self._annotations if one["image_id"] == image)
        corners = ((labels.get(one["category_id"], ""), one["bbox"]) for one in own)
        return [Thing(label, (x, y, x + width, y + height)) for label, (x, y, width, height) in corners]

    def learn(self, labels: Collection[str], *, masks: bool) -> None:
        known = [one["name"] for one in self._categories]
        for name in extended(known, labels)[len(known) :]:
            self._categories.append({"id": _next(self._categories), "name": name, "supercategory": ""})

    def add(self, name: str, regions: Regions) -> None:
        image, ids = self._image(name, regions.size)["id"], {one["name"]: one["id"] for one in self._categories}
        for index, label in enumerate(regions.labels):
            place = {"id": _next(self._annotations), "image_id": image, "category_id": ids[label]}
            self._annotations.append(place | _annotation(regions, index))

    def write(self, validation: Collection[str] | None) -> None:
        documents = {_WHOLE: self.names()}
        if validation is not None:
            (self._folder / _WHOLE).unlink(missing_ok=True)
            train = [name for name in self.names() if name not in validation]
            documents = {_TRAIN: train, _VALIDATION: list(validation)}
        for file, names in documents.items():
            wanted = set(names)
            images = [image for image in self._images if image["file_name"] in wanted]
            ids = {image["id"] for image in images}
            own = [one for one in self._annotations if one["image_id"] in ids]
            document = self._rest | {"images": images, "annotations": own, "categories": self._categories}
            write_atomically(self._folder / file, json.dumps(document, ensure_ascii=False).encode())

    def _image(self, name: str, size: tuple[int, int]) -> dict[str, Any]:
        for image in self._images:
            if image["file_name"] == name:
                return image
        self._images.append({"id": _next(self._images), "file_name": name, "width": size[0], "height": size[1]})
        return self._images[-1]


def _next(entries: Sequence[dict[str, Any]]) -> int:
    return max((int(entry["id"]) for entry in entries), default=0) + 1


def _annotation(regions: Regions, index: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(float(v), 2) for v in regions.boxes[index])
    mask = regions.mask(index)
    return {
        "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
        "area": round(float(regions.areas[index]), 2),
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]] if mask is None else _segmentation(mask),
        "iscrowd": 0,
        "score": round(float(regions.confidence[index]), 4),
    }


def _segmentation(mask: BoolArray) -> list[list[float]] | dict[str, Any]:
    outlined = parts(mask)
    if any(part.holes for part in outlined):
        return {"counts": run_lengths(mask), "size": list(mask.shape)}
    return [[round(value, 2) for corner in part.outline for value in corner] for part in outlined]


def run_lengths(mask: BoolArray) -> list[int]:
    """COCO's uncompressed run lengths: column by column, the first run is of zeros and may be empty."""
    flat = mask.T.reshape(-1)
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths
