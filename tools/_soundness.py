"""What every result must be, whichever tool made it: of the right kind, finite, and in the frame of its picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from visiongpt_agent.errors import InputError
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions

if TYPE_CHECKING:
    from visiongpt_agent.tools.base import ToolOutput

_MODES: Final = ("RGB", "RGBA")


def unsound(kind: Kind, args: Mapping[str, Any], output: ToolOutput) -> Iterator[str]:
    """What makes a result unusable, whatever it says; nothing where it is sound.

    Args:
        kind: What the tool returns.
        args: The tool's arguments; regions must be in the frame of the ``image`` among them.
        output: What it handed back.
    """
    if not _finite(output.facts):
        yield "a figure of the result is not a finite number"
    value, image = output.value, args.get("image")
    for picture in output.further:
        yield from _picture(picture)
    if kind is Kind.IMAGE:
        yield from _picture(value)
    elif kind is Kind.REGIONS:
        yield from _regions(value, image.size if isinstance(image, Image.Image) else None)
    elif kind is Kind.TEXT and not isinstance(value, str):
        yield f"the tool handed back a {type(value).__name__}, not a text"
    elif kind is Kind.LABELS:
        yield from _labels(value)


def _picture(value: object) -> Iterator[str]:
    if not isinstance(value, Image.Image):
        yield f"the tool handed back a {type(value).__name__}, not a picture"
    elif value.mode not in _MODES:
        yield f"the picture is of mode {value.mode}, not RGB or RGBA"
    elif min(value.size) < 1:
        yield f"the picture has no pixels ({value.width}x{value.height})"


def _regions(value: object, frame: tuple[int, int] | None) -> Iterator[str]:
    if not isinstance(value, Regions):
        yield f"the tool handed back a {type(value).__name__}, not regions"
        return
    if frame and value.size != frame:
        yield f"the regions belong to a picture of {value.size[0]}x{value.size[1]} pixels, not {frame[0]}x{frame[1]}"
    try:  # arrays can be written to after they were checked
        Regions(value.size, value.boxes, value.labels, value.scores, value.masks)
    except InputError as fault:
        yield str(fault)


def _labels(value: object) -> Iterator[str]:
    from visiongpt_agent.tools.base import Label

    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, Label) for one in value):
        yield f"the tool handed back a {type(value).__name__}, not labels"
        return
    if not all(one.name.strip() for one in value):
        yield "a label has no name"
    if not all(math.isfinite(one.score) and -1e-3 <= one.score <= 1 + 1e-3 for one in value):
        yield "a label's score is not from 0 to 1"


def _finite(facts: object) -> bool:
    if isinstance(facts, Mapping):
        return all(map(_finite, facts.values()))
    if isinstance(facts, (list, tuple)):
        return all(map(_finite, facts))
    return not isinstance(facts, float) or math.isfinite(facts)
