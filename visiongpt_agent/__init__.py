"""VisionGPT-Agent: a vision-language agent that plans, acts, verifies and answers.

    from visiongpt_agent import VisionGPT
    result = VisionGPT().run("how many people are there?", "street.jpg")

Names are loaded at first use, so that ``import visiongpt_agent`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event, VisionGPT
    from visiongpt_agent.errors import InputError, PlanError, StateError, ToolError, VisionGPTError, WeightsError
    from visiongpt_agent.graphs.resources import Limits
    from visiongpt_agent.langchain.message_graph import message_graph
    from visiongpt_agent.langchain.toolkit import visiongpt_tools
    from visiongpt_agent.langchain.vision_answer import VisionAnswer
    from visiongpt_agent.pictures.images import ImageStore
    from visiongpt_agent.plan import Plan, Proposal, parse_plan
    from visiongpt_agent.pool import ModelPool
    from visiongpt_agent.regions import Regions
    from visiongpt_agent.request import Request
    from visiongpt_agent.result import VisionResult
    from visiongpt_agent.samples import sample_photo
    from visiongpt_agent.settings import Settings
    from visiongpt_agent.state.snapshots import Conversation

_HOMES = {
    "Conversation": "state.snapshots",
    "Event": "agent",
    "ImageStore": "pictures.images",
    "InputError": "errors",
    "Limits": "graphs.resources",
    "ModelPool": "pool",
    "Plan": "plan",
    "PlanError": "errors",
    "Proposal": "plan",
    "Regions": "regions",
    "Request": "request",
    "Settings": "settings",
    "StateError": "errors",
    "ToolError": "errors",
    "VisionAnswer": "langchain.vision_answer",
    "VisionGPT": "agent",
    "VisionGPTError": "errors",
    "VisionResult": "result",
    "WeightsError": "errors",
    "message_graph": "langchain.message_graph",
    "parse_plan": "plan",
    "sample_photo": "samples",
    "visiongpt_tools": "langchain.toolkit",
}

__all__ = [
    "Conversation",
    "Event",
    "ImageStore",
    "InputError",
    "Limits",
    "ModelPool",
    "Plan",
    "PlanError",
    "Proposal",
    "Regions",
    "Request",
    "Settings",
    "StateError",
    "ToolError",
    "VisionAnswer",
    "VisionGPT",
    "VisionGPTError",
    "VisionResult",
    "WeightsError",
    "message_graph",
    "parse_plan",
    "sample_photo",
    "visiongpt_tools",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
