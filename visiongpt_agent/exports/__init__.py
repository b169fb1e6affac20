"""Regions in the formats of other tools, so that the agent serves as an auto-labeller.

:func:`export` writes a data set of labelled pictures, or adds to one; :mod:`visiongpt_agent.exports.supervision`
converts to and from ``supervision.Detections``. One module a format; a new one is entered in ``FORMATS``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from visiongpt_agent.errors import InputError
from visiongpt_agent.exports.coco import Coco
from visiongpt_agent.exports.dataset import LabelledPicture, Thing, labelled_pictures, place_picture, without
from visiongpt_agent.exports.label_studio import LabelStudio
from visiongpt_agent.exports.labelme import LabelMe
from visiongpt_agent.exports.split import Split
from visiongpt_agent.exports.yolo import Yolo

if TYPE_CHECKING:
    from visiongpt_agent.regions import Regions
    from visiongpt_agent.result import VisionResult


class DataSet(Protocol):
    """The files of one format in a folder: what is there is read, what is added is written by :meth:`write`."""

    pictures: Path
    """The folder of the pictures."""

    def names(self) -> list[str]:
        """The file names of the pictures."""
        ...

    def things(self, name: str, size: tuple[int, int]) -> list[Thing]:
        """What is labelled on a picture of that size (width, height)."""
        ...

    def learn(self, labels: Collection[str], *, masks: bool) -> None:
        """Make room for labels that will be added, and for masks; labels that are there keep their numbers."""
        ...

    def add(self, name: str, regions: Regions) -> None:
        """Add regions to a picture, and the picture where it is new."""
        ...

    def write(self, validation: Collection[str] | None) -> None:
        """Write the files; ``validation`` names the pictures that are held out, None where there is no split."""
        ...


FORMATS: Final[Mapping[str, Callable[[Path], DataSet]]] = {
    "coco": Coco,
    "yolo": Yolo,
    "labelme": LabelMe,
    "labelstudio": LabelStudio,
}


def export(result: VisionResult, form: str, folder: str | Path, *, append: bool = False, val: float = 0.0) -> Path:
    """Write the regions of a result, with copies of the pictures that they are on, as a data set.

    Each thing is there once, whichever steps found it, with every part and hole of its mask that the format can carry;
    outlines lie within a pixel of the mask's (:data:`~visiongpt_agent.pictures.outlines.TOLERANCE`). A picture's file
    is copied as it is where it still shows what was looked at, upright; else a PNG is written.

    Args:
        result: A picture that was searched in vain is written too, without regions: that teaches a detector as well.
        form: ``coco`` (``annotations.json``), ``yolo`` (``labels/*.txt``, ``data.yaml``), ``labelme`` (a JSON file
            beside each picture) or ``labelstudio`` (``tasks.json`` with predictions).
        folder: Where to put it, in a sub-folder named after the format.
        append: Add to the data set that is there: pictures and things that it has are not added again, what it says
            stays, and labels keep their numbers. Else a new sub-folder is made, one that is there is left alone.
        val: Share of the pictures, from 0 to below 1, that is held out for validation; ``train.txt`` and ``val.txt``
            list them. 0: there is no split, or in one that is there new pictures are for training.

    Returns:
        The folder of the data set.

    Raises:
        InputError: If the format is not known, there are no regions, the share is none, the folder cannot be written,
            or what is to be added to is damaged.
    """
    check_format(form)
    check_share(val)
    pictures = labelled_pictures(result)
    if not pictures:
        raise InputError("there is nothing to export: the request found no regions on a picture of yours")
    parent = Path(folder).expanduser()
    target = _folder_at(parent / form, exist_ok=True) if append else _new_folder(parent, form)
    _add(pictures, FORMATS[form](target), target, val)
    return target


def check_format(form: str) -> None:
    """Refuse a format that is not in ``FORMATS``.

    Raises:
        InputError: Names those that are.
    """
    if form not in FORMATS:
        raise InputError(f"there is no export to {form!r}: the formats are {', '.join(FORMATS)}")


def check_share(val: float) -> None:
    """Refuse what is no share of pictures to hold out.

    Raises:
        InputError: If it is not from 0 to below 1.
    """
    if not 0 <= val < 1:
        raise InputError(f"{val:g} is no share to hold out for validation: give one from 0 to below 1, such as 0.2")


def _add(pictures: list[LabelledPicture], data_set: DataSet, folder: Path, val: float) -> None:
    split = Split(folder, data_set.pictures, data_set.names(), val)
    names = [place_picture(entry, data_set.pictures) for entry in pictures]
    new = [
        without(entry.regions, data_set.things(name, entry.size)) for name, entry in zip(names, pictures, strict=True)
    ]
    labels = {label for regions in new for label in regions.labels}
    data_set.learn(labels, masks=any(regions.outlined.any() for regions in new))
    for name, regions in zip(names, new, strict=True):
        data_set.add(name, regions)
        split.add(name)
    data_set.write(split.write())


def _new_folder(parent: Path, name: str) -> Path:
    for candidate in (name, *(f"{name}-{n}" for n in range(2, 10_000))):
        try:
            return _folder_at(parent / candidate, exist_ok=False)
        except FileExistsError:
            continue
    raise InputError(f"{parent} holds too many exports: name another folder")


def _folder_at(folder: Path, *, exist_ok: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        if exist_ok:
            raise InputError(f"{folder} is a file: name another folder") from None
        raise
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror or error}") from None
    return folder
