"""The regions of a batch as one data set of labelled pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from visiongpt_agent.batch.table import Row, Table
from visiongpt_agent.batch.worker import REGIONS
from visiongpt_agent.errors import InputError
from visiongpt_agent.exports import FORMATS, check_format, check_share
from visiongpt_agent.exports.dataset import picture_file, stem_of
from visiongpt_agent.exports.split import Split
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.images import Provenance
from visiongpt_agent.pictures.memory_store import MemoryStore
from visiongpt_agent.regions import Regions


class _Labelled(NamedTuple):
    """A picture whose regions are to be exported: what its files are called, its own file, its regions."""

    stem: str
    path: Path
    regions: Regions


def export_rows(table: Table, paths: Mapping[str, Path], out: Path, form: str, val: float) -> Path:
    """Write a data set of the pictures in which regions were looked for, or add to it those that it lacks.

    Args:
        table: The rows.
        paths: The file of each picture, by name; others are left out.
        out: The batch's folder; the data set is in its sub-folder named after the format.
        form: One of ``exports.FORMATS``.
        val: Share of the pictures that is held out for validation.

    Raises:
        InputError: If no row has regions, or as :func:`visiongpt_agent.exports.export`.
    """
    check_format(form)
    check_share(val)
    labels, masks = set[str](), False
    for entry in _labelled(table, paths, out):
        labels |= {*entry.regions.labels}
        masks = masks or bool(entry.regions.outlined.any())
    if not labels:
        raise InputError("there is nothing to export: no regions were found on any picture")
    target = out / form
    target.mkdir(parents=True, exist_ok=True)
    data_set = FORMATS[form](target)
    there = {Path(name).stem for name in data_set.names()}
    split = Split(target, data_set.pictures, data_set.names(), val)
    data_set.learn(labels, masks=masks)
    for entry in _labelled(table, paths, out):
        if entry.stem in there:
            continue
        store = MemoryStore()
        image = store.add(entry.path, Provenance("user", entry.stem, path=str(entry.path)))
        suffix, data = picture_file(store, image.id)
        write_atomically(data_set.pictures / f"{entry.stem}{suffix}", data)
        data_set.add(f"{entry.stem}{suffix}", entry.regions)
        split.add(f"{entry.stem}{suffix}")
    data_set.write(split.write())
    return target


def _labelled(table: Table, paths: Mapping[str, Path], out: Path) -> Iterator[_Labelled]:
    taken: dict[str, int] = {}
    for row in table.rows():
        if row.path not in paths or not row.width or row.same_as:
            continue
        stem = stem_of(str(PurePosixPath(row.path).with_suffix("")))
        taken[stem] = taken.get(stem, 0) + 1
        regions = _regions_in(out / REGIONS / f"{row.path}.npz") or _boxes(row)
        yield _Labelled(stem if taken[stem] == 1 else f"{stem}-{taken[stem]}", paths[row.path], regions)


def _regions_in(path: Path) -> Regions | None:
    """The regions with their masks, None where they were not kept."""
    return Regions.from_bytes(path.read_bytes()) if path.is_file() else None


def _boxes(row: Row) -> Regions:
    return Regions(
        (row.width, row.height),
        np.array([item["box"] for item in row.regions], np.float32).reshape(-1, 4),
        tuple(item["label"] or "region" for item in row.regions),
        np.array([item["score"] for item in row.regions], np.float32),
    )
