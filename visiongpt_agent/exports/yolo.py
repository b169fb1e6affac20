"""The text format of YOLO (https://docs.ultralytics.com/datasets/): one line a region, coordinates from 0 to 1.

A data set holds one kind: polygons (segmentation) as soon as one region has a mask, a box then being its four corners;
otherwise boxes (detection). A thing has one polygon: it walks through all parts of the thing and round its holes.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from visiongpt_agent.errors import InputError
from visiongpt_agent.exports.dataset import Thing, bounds, extended
from visiongpt_agent.exports.split import TRAIN_LIST, VALIDATION_LIST
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.outlines import single_path
from visiongpt_agent.regions import Regions

_BOX_VALUES = 5
"""On the line of a box: class, centre, width and height."""


class Yolo:
    """``data.yaml``, ``images/`` and ``labels/``; where there is a split, ``train.txt`` and ``val.txt``."""

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "images"
        self._folder = folder
        self._labels: list[str] = _names_in(folder / "data.yaml")
        self._lines = {path.stem: path.read_text("utf-8").splitlines() for path in (folder / "labels").glob("*.txt")}
        self._outlined = any(len(line.split()) > _BOX_VALUES for lines in self._lines.values() for line in lines)
        self._changed = set[str]()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.pictures.glob("*") if path.stem in self._lines)

    def things(self, name: str, size: tuple[int, int]) -> list[Thing]:
        return [self._thing(line, size) for line in self._lines.get(Path(name).stem, ()) if line.split()]

    def learn(self, labels: Collection[str], *, masks: bool) -> None:
        self._labels = extended(self._labels, labels)
        if masks and not self._outlined:
            self._outlined = True
            for stem, lines in self._lines.items():
                self._lines[stem] = [_with_corners(line) for line in lines]
                self._changed.add(stem)

    def add(self, name: str, regions: Regions) -> None:
        stem = Path(name).stem
        self._lines.setdefault(stem, []).extend(self._line(regions, index) for index in range(len(regions)))
        self._changed.add(stem)

    def write(self, validation: Collection[str] | None) -> None:
        for stem in sorted(self._changed):
            text = "".join(f"{line}\n" for line in self._lines[stem])
            write_atomically(self._folder / "labels" / f"{stem}.txt", text.encode())
        train, val = ("images", "images") if validation is None else (TRAIN_LIST, VALIDATION_LIST)
        # JSON strings are YAML strings too.
        listed = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(self._labels))
        write_atomically(self._folder / "data.yaml", f"train: {train}\nval: {val}\nnames:\n{listed}".encode())

    def _thing(self, line: str, size: tuple[int, int]) -> Thing:
        number, *shares = line.split()
        values = [float(share) for share in (_with_corners(line).split()[1:] if len(shares) == 4 else shares)]
        label = self._labels[int(number)] if int(number) < len(self._labels) else ""
        width, height = size
        corners = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
        return Thing(label, bounds(corners))

    def _line(self, regions: Regions, index: int) -> str:
        """``class x_centre y_centre width height``, or ``class x1 y1 x2 y2 ...`` in a data set of polygons."""
        width, height = regions.size
        number, mask = self._labels.index(regions.labels[index]), regions.mask(index)
        if mask is not None:
            return _row(number, [value for x, y in single_path(mask) for value in (x / width, y / height)])
        x1, y1, x2, y2 = regions.boxes[index].tolist()
        line = _row(number, [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height])
        return _with_corners(line) if self._outlined else line


def _with_corners(line: str) -> str:
    """The line of a box as that of a polygon; any other as it is."""
    number, *shares = line.split() or [""]
    if len(shares) != _BOX_VALUES - 1:
        return line
    x, y, width, height = map(float, shares)
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return _row(int(number), [left, top, right, top, right, bottom, left, bottom])


def _row(number: int, values: list[float]) -> str:
    return " ".join([str(number), *(f"{min(max(value, 0), 1):.6f}" for value in values)])


def _names_in(path: Path) -> list[str]:
    """The class names of a ``data.yaml``, in the order of their numbers; none where there is no such file.

    Raises:
        InputError: If it cannot be read.
    """
    import yaml

    if not path.is_file():
        return []
    try:
        names = yaml.safe_load(path.read_text("utf-8"))["names"]
        return [str(names[number]) for number in range(len(names))]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        raise InputError(f"{path} does not name its classes: nothing can be added to this data set") from None
