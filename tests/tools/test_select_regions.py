"""Taking the regions that a person points at: as they are drawn, and no others."""

from __future__ import annotations

import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.select_regions import select_regions


def test_the_tool_takes_the_boxes_as_they_are_and_its_check_notices_others() -> None:
    image = Image.new("RGB", (100, 80))
    output = select_regions(image, ["10 10 50 40", "60 60 140 140"], ["cup", ""])

    assert isinstance(output.value, Regions)
    assert output.value.to_dicts() == [
        {"label": "cup", "score": 1.0, "box": [10.0, 10.0, 50.0, 40.0]},
        {"label": "region", "score": 1.0, "box": [60.0, 60.0, 100.0, 80.0]},
    ]
    assert select_regions.problems({"image": image, "boxes": ["10 10 50 40", "60 60 140 140"]}, output) == []
    assert select_regions.problems({"image": image, "boxes": ["10 10 50 40"]}, output) != []


@pytest.mark.parametrize("boxes", [["200 200 300 300"], ["1 2 3"], ["a b c d"], []])
def test_what_cannot_be_taken_is_refused(boxes: list[str]) -> None:
    with pytest.raises(ToolError, match="point at"):
        select_regions(Image.new("RGB", (100, 80)), boxes)


def test_no_planner_is_offered_it() -> None:
    assert select_regions.name not in catalog()
    assert catalog(offered=False)[select_regions.name] is select_regions
