"""What is exported: pictures with the regions that were found on them, each thing once."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from visiongpt_agent.errors import InputError
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.images import decode
from visiongpt_agent.regions import Regions

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.pictures.images import ImageStore
    from visiongpt_agent.result import VisionResult

SAME_THING: Final = 0.8
"""IoU of two boxes of one label, found by different steps, from which they are one thing."""

_COPIED: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_ORIENTATION: Final = 0x0112
"""The tag of EXIF that says how a picture is to be turned."""

Box = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` in pixels."""


class Thing(NamedTuple):
    """What a data set already has on a picture."""

    label: str
    box: Box


@dataclass(frozen=True)
class LabelledPicture:
    """A picture with its regions.

    Attributes:
        stem: What its files are called, before the suffix.
        suffix: Of its file, e.g. ``.jpg``.
        data: The file.
        regions: Labels are never empty.
    """

    stem: str
    suffix: str
    data: bytes
    regions: Regions

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.regions.size


def labelled_pictures(result: VisionResult) -> list[LabelledPicture]:
    """The pictures in which regions were looked for, with all that were found on each.

    What two steps found is there once, with its mask where one of them has it.
    """
    if result.store is None:
        return []
    titles = {entry.image: entry.title for entry in result.regions if entry.image and not entry.outlined}
    return [
        LabelledPicture(stem_of(titles[image]), *picture_file(result.store, image), regions=regions)
        for image, regions in regions_by_picture(result).items()
    ]


def regions_by_picture(result: VisionResult) -> dict[str, Regions]:
    """All regions that were found on each picture, by its content id; labels are never empty.

    What two steps found is there once, with its mask where one of them has it.
    """
    by_picture: dict[str, Regions] = {}
    for entry in result.regions:
        if result.store is not None and entry.image and not entry.outlined:
            regions = _named(result.store.regions(entry.id))
            by_picture[entry.image] = united(by_picture.get(entry.image, Regions(regions.size)), regions)
    return by_picture


def united(earlier: Regions, later: Regions) -> Regions:
    """Both, what is in both once: in the earlier one's place, as it is described by the one that has its mask."""
    boxes = [Thing(label, _box(row)) for label, row in zip(earlier.labels, earlier.boxes.tolist(), strict=True)]
    places = matches(later, boxes)
    both = earlier.merge(later)
    order = list(range(len(earlier)))
    for new, place in enumerate(places):
        if place is None:
            order.append(len(earlier) + new)
        elif earlier.mask(place) is None and later.mask(new) is not None:
            order[place] = len(earlier) + new
    return both.select(np.array(order, np.intp))


def matches(regions: Regions, things: Sequence[Thing]) -> list[int | None]:
    """For each region the place of the thing that it is, None where it is none of them; no two are the same thing."""
    free = list(range(len(things)))
    found: list[int | None] = []
    for label, row in zip(regions.labels, regions.boxes.tolist(), strict=True):
        alike = {i: _iou(_box(row), things[i].box) for i in free if things[i].label == label}
        best = max(alike, key=lambda i: alike[i], default=None)
        if best is not None and alike[best] >= SAME_THING:
            free.remove(best)
            found.append(best)
        else:
            found.append(None)
    return found


def without(regions: Regions, things: Sequence[Thing]) -> Regions:
    """The regions that are none of the things."""
    return regions.select([i for i, place in enumerate(matches(regions, things)) if place is None])


def extended(names: Sequence[str], more: Iterable[str]) -> list[str]:
    """The names, and those that are new, sorted, after them: a name keeps its number."""
    return [*names, *sorted(set(more) - set(names))]


def read_json(path: Path) -> Any:
    """What a file of a data set holds.

    Raises:
        InputError: If it is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError:  # no JSON, or no UTF-8
        raise InputError(f"{path} is damaged: nothing can be added to this data set") from None


def bounds(corners: Iterable[tuple[float, float]]) -> Box:
    """The box round some corners."""
    across, down = zip(*corners, strict=True)
    return min(across), min(down), max(across), max(down)


def place_picture(entry: LabelledPicture, folder: Path) -> str:
    """Write a picture's file, unless the folder has the same one already.

    Returns:
        The name that it has there.

    Raises:
        InputError: If the folder cannot be written.
    """
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.suffix == entry.suffix and path.stat().st_size == len(entry.data) and path.read_bytes() == entry.data:
            return path.name
    taken = {path.stem for path in folder.glob("*")} if folder.is_dir() else set[str]()
    names = (entry.stem, *(f"{entry.stem}-{n}" for n in range(2, 100_000)))
    name = next(name for name in names if name not in taken) + entry.suffix
    write_atomically(folder / name, entry.data)
    return name


def picture_file(store: ImageStore, image: str) -> tuple[str, bytes]:
    """The suffix and bytes of a picture's file: the original as it is, where it still shows the same, else a PNG."""
    picture, origin = store.open(image), store.provenance(image)
    path = Path(origin.path) if origin is not None else Path()
    if path.suffix.lower() in _COPIED:
        with contextlib.suppress(OSError, InputError):
            data = path.read_bytes()
            if _shows(data, picture):
                return path.suffix.lower(), data
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return ".png", buffer.getvalue()


def _shows(data: bytes, picture: Image.Image) -> bool:
    """Whether a file is that picture for every reader: upright without EXIF, and not the first of several."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as raw:
        upright = raw.getexif().get(_ORIENTATION, 1) in (0, 1)
        alone = getattr(raw, "n_frames", 1) == 1
    if not upright or not alone:
        return False
    same = decode(data)
    return (same.mode, same.size) == (picture.mode, picture.size) and same.tobytes() == picture.tobytes()


def _named(regions: Regions) -> Regions:
    labels = tuple(label or "region" for label in regions.labels)
    return Regions(regions.size, regions.boxes, labels, regions.confidence, regions.masks)


def stem_of(title: str) -> str:
    """What the files of a picture are called in a data set."""
    return re.sub(r"[^\w-]+", "_", title).strip("_")[:60] or "image"


def _box(row: Sequence[float]) -> Box:
    x1, y1, x2, y2 = row
    return x1, y1, x2, y2


def _iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    overlap = max(0.0, width) * max(0.0, height)
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, other)]
    return overlap / max(1e-9, sum(areas) - overlap)
