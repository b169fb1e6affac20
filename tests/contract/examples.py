"""Arguments that suit any tool, made from its signature; a tool that is new is covered without a line here."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Argument, Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolSpec

_WORDS = {
    "color": "red",
    "style": "mosaic",
    "prompt": "white",
    "instruction": "make it snow",
    "query": "cup",
    "question": "is there a cup?",
}

_TO_DO: dict[str, dict[str, Any]] = {
    "adjust_image": {"brightness": 1.2},
    "replace_background": {"prompt": "white"},
    "transform_image": {"rotate": 90},
}
"""For tools that have nothing to do where only what is required is given."""


def middle(size: tuple[int, int], *, masks: bool = True) -> Regions:
    """One region over the middle of a picture of this size, at least a pixel large."""
    width, height = size
    x1, y1 = width * 2 // 5, height * 2 // 5
    x2, y2 = max(width * 3 // 5, x1 + 1), max(height * 3 // 5, y1 + 1)
    mask = np.zeros((1, height, width), np.bool_)
    mask[0, y1:y2, x1:x2] = True
    boxes = np.array([[x1, y1, x2, y2]], np.float32)
    return Regions(size, boxes, ("cup",), np.array([0.9], np.float32), mask if masks else None)


def example(spec: ToolSpec, image: Image.Image, store: ImageStore, regions: Regions | None = None) -> dict[str, Any]:
    """Arguments of a call that suits the tool: references are ids of the store.

    Args:
        spec: The tool.
        image: For every argument that must be a picture.
        store: Keeps them.
        regions: For every argument that must be regions; by default one in the middle.
    """
    key, found = store.add(image).id, store.add_regions(regions if regions is not None else middle(image.size))
    required = {a.name: _value(a, key, found) for a in spec.signature.arguments if a.required}
    return {**required, **_TO_DO.get(spec.name, {})}


def _value(argument: Argument, image: str, regions: str) -> Any:
    first = argument.kinds[0]
    if first is Kind.IMAGE:
        return image
    if first is Kind.REGIONS:
        return regions
    if first is Kind.STRING:
        return argument.choices[0] if argument.choices else _WORDS.get(argument.name, "a cup")
    return {Kind.STRINGS: ["cup", "cat"], Kind.BOOLEAN: True}.get(first, 1)
