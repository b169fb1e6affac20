"""The vision tools: one module for one capability, each a LangChain tool over swappable models.

:func:`catalog` finds every tool that a module of this folder declares with
:func:`~visiongpt_agent.tools.base.vision_tool`; adding a tool is adding a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visiongpt_agent.tools.base import ToolSpec

_ORDER = (
    "detect_objects",
    "segment_objects",
    "caption_image",
    "answer_question",
    "read_text",
    "read_codes",
    "classify_image",
    "estimate_depth",
    "estimate_pose",
    "detect_faces",
    "detect_anomalies",
    "compare_images",
    "generate_image",
    "generate_with_control",
    "edit_image",
    "inpaint",
    "remove_background",
    "replace_background",
    "stylize_image",
    "upscale_image",
    "recolor_regions",
    "blur_regions",
    "crop_regions",
    "adjust_image",
    "transform_image",
)
"""The order in which the planner was shown the tools in training; tools it was not shown follow by name."""


@cache
def catalog(*, offered: bool = True) -> dict[str, ToolSpec]:
    """The tools by name, in the order in which the planner sees them.

    Args:
        offered: Whether to leave out those that planners and people are not offered.
    """
    from visiongpt_agent.tools.base import ToolSpec

    found: dict[str, ToolSpec] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        found |= {member.name: member for member in members if isinstance(member, ToolSpec)}
    shown = {name: spec for name, spec in found.items() if spec.offered or not offered}
    rank = {name: position for position, name in enumerate(_ORDER)}
    return dict(sorted(shown.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0])))
