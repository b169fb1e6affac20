"""What is exported: pictures with the regions that were found on them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from visiongpt_agent.files import write_atomically
from visiongpt_agent.regions import Regions

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.result import VisionResult


@dataclass(frozen=True)
class LabelledPicture:
    """A picture, the stem that its files are named by, and its regions; labels are never empty."""

    stem: str
    picture: Image.Image
    regions: Regions

    @property
    def file_name(self) -> str:
        return f"{self.stem}.png"


def labelled_pictures(result: VisionResult) -> list[LabelledPicture]:
    """The pictures in which regions were looked for, with all that were found on each.

    Boxes that a later step outlined are taken with their masks, once.
    """
    found: dict[str, Regions] = {}
    titles: dict[str, str] = {}
    assert result.store is not None or not result.regions
    for entry in result.regions:
        if not entry.image or entry.outlined or result.store is None:
            continue
        regions = _named(result.store.regions(entry.id))
        known = found.get(entry.image)
        found[entry.image] = regions if known is None else known.merge(regions)
        titles[entry.image] = entry.title
    stems = _stems(titles[image] for image in found)
    return [
        LabelledPicture(stem, result.store.open(image), regions)
        for stem, (image, regions) in zip(stems, found.items(), strict=True)
        if result.store is not None
    ]


def categories(pictures: Sequence[LabelledPicture]) -> list[str]:
    """All labels, sorted; a label's place is its class number."""
    return sorted({label for entry in pictures for label in entry.regions.labels})


def save_pictures(pictures: Iterable[LabelledPicture], folder: Path) -> None:
    """Write the pictures as PNG files.

    Raises:
        InputError: If the folder cannot be written.
    """
    for entry in pictures:
        buffer = io.BytesIO()
        entry.picture.save(buffer, "PNG", compress_level=3)
        write_atomically(folder / entry.file_name, buffer.getvalue())


def _named(regions: Regions) -> Regions:
    labels = tuple(label or "region" for label in regions.labels)
    return Regions(regions.size, regions.boxes, labels, regions.confidence, regions.masks)


def _stems(titles: Iterable[str]) -> list[str]:
    """Names for files, each once."""
    used: list[str] = []
    for title in titles:
        stem = re.sub(r"[^\w-]+", "_", Path(title).stem).strip("_")[:60] or "image"
        free = (name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in used)
        used.append(next(free))
    return used
