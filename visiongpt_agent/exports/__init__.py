"""Regions in the formats of other tools, so that the agent serves as an auto-labeller.

:func:`export` writes a data set of labelled pictures; :mod:`visiongpt_agent.exports.supervision` converts to and from
``supervision.Detections``. One module a format; a new one is entered in ``FORMATS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from visiongpt_agent.errors import InputError
from visiongpt_agent.exports import coco, label_studio, labelme, yolo
from visiongpt_agent.exports.dataset import LabelledPicture, labelled_pictures

if TYPE_CHECKING:
    from visiongpt_agent.result import VisionResult

FORMATS: Final[Mapping[str, Callable[[Sequence[LabelledPicture], Path], None]]] = {
    "coco": coco.write,
    "yolo": yolo.write,
    "labelme": labelme.write,
    "labelstudio": label_studio.write,
}


def export(result: VisionResult, form: str, folder: str | Path) -> Path:
    """Write the regions of a result, with copies of the pictures that they are on, as a data set.

    Args:
        result: A picture that was searched in vain is written too, without regions: that teaches a detector as well.
        form: ``coco`` (``annotations.json``), ``yolo`` (``labels/*.txt``, ``data.yaml``), ``labelme`` (a JSON file
            beside each picture) or ``labelstudio`` (``tasks.json`` with predictions).
        folder: Where to put it; a new sub-folder named after the format is made, one that is there is left alone.

    Returns:
        The folder that was made.

    Raises:
        InputError: If the format is not known, there are no regions, or the folder cannot be written.
    """
    if form not in FORMATS:
        raise InputError(f"there is no export to {form!r}: the formats are {', '.join(FORMATS)}")
    pictures = labelled_pictures(result)
    if not pictures:
        raise InputError("there is nothing to export: the request found no regions on a picture of yours")
    target = _new_folder(Path(folder).expanduser(), form)
    FORMATS[form](pictures, target)
    return target


def _new_folder(parent: Path, name: str) -> Path:
    try:
        for candidate in (name, *(f"{name}-{n}" for n in range(2, 10_000))):
            try:
                (parent / candidate).mkdir(parents=True)
                return parent / candidate
            except FileExistsError:
                continue
    except OSError as error:
        raise InputError(f"{parent / name} cannot be made: {error.strerror or error}") from None
    raise InputError(f"{parent} holds too many exports: name another folder")
