"""Take the regions that a person points at: the one tool that no planner is offered by itself.

Only pointing puts it into a plan, because its boxes are facts that a person gives and no model may make up.
"""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import count_phrase
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput, vision_tool


@vision_tool("take the regions that a person points at", returns=Kind.REGIONS, offered=False)
def select_regions(image: Image.Image, boxes: list[str], labels: list[str] = []) -> ToolOutput:  # noqa: B006
    """Take regions that a person points at, as they are given.

    Args:
        image: The picture.
        boxes: ``x1 y1 x2 y2`` in pixels; what reaches outside the picture is cut off.
        labels: What each of them is; ``region`` where they are left out.

    Raises:
        ToolError: If a box is no four numbers, or no box lies in the picture.
    """
    try:
        corners = [[float(number) for number in box.split()] for box in boxes]
        names = [label or "region" for label in labels] or ["region"] * len(corners)
        regions = Regions.clipped(image.size, corners, names, [1.0] * len(corners))
    except ValueError as fault:
        raise ToolError(f"the regions pointed at cannot be used ({fault}): point at them again") from None
    if not len(regions):
        raise ToolError("no region pointed at lies in the picture: point at it again")
    return ToolOutput(regions, f"You pointed at {count_phrase(len(regions), 'region')}.")


@select_regions.check
def _lies_where_it_was_drawn(boxes: list[str], output: ToolOutput) -> Iterator[str]:
    assert isinstance(output.value, Regions)
    drawn = [[float(number) for number in box.split()] for box in boxes]
    for x1, y1, x2, y2 in output.value.boxes:
        if not any(a - 1 <= x1 and b - 1 <= y1 and x2 <= c + 1 and y2 <= d + 1 for a, b, c, d in drawn):
            yield f"the region ({x1:g}, {y1:g}, {x2:g}, {y2:g}) was not pointed at"
