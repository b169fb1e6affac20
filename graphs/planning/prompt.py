"""What a planner is shown: the images of the conversation, the tools to choose from, the messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.pointing import boxes_of, region_lines
from visiongpt_agent.graphs.planning.profile import PlannerProfile
from visiongpt_agent.graphs.state import ImageEntry
from visiongpt_agent.language.lexicon import PICTURE
from visiongpt_agent.llm.fitting import beginnings, likeness
from visiongpt_agent.plan import DECLINE, Signature
from visiongpt_agent.prompts import planner_user, render_prompt
from visiongpt_agent.prompts.examples import similar_requests
from visiongpt_agent.request import Pointed
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import VisionTool
from visiongpt_agent.tools.select_regions import select_regions

# ----------------------------------------------------------------------------------------------------------- images

MOST_LINES: Final = 24
"""So many images are listed one by one, the newest ones."""

_SMALL_WORDS: Final = frozenset((*PICTURE, "the", "and", "for", "with", "from", "this", "that", "img", "dsc", "pxl"))
"""Words of a file's name that say nothing of what is on it."""


def image_lines(entries: Sequence[ImageEntry], request: str) -> list[str]:
    """The images of a conversation as the planner reads them; of a long one the earlier images are summed up.

    Those that the request speaks of by name keep their lines.
    """
    several = sum(entry["origin"] == "user" for entry in entries) > 1
    lines = [image_line(k, entry, request, several) for k, entry in enumerate(entries, 1)]
    early = len(lines) - MOST_LINES
    if early <= 0:
        return lines
    named = [k for k, entry in enumerate(entries[:early]) if _speaks_of(request, entry["title"])]
    return [f"$1 to ${early} earlier images", *(lines[k] for k in named), *lines[early:]]


def image_line(number: int, entry: ImageEntry, request: str, several: bool = False) -> str:
    """An image as the planner reads it: ``$1 user bus.jpg 810x1080`` or ``$2 result of inpaint``.

    A file's name is shown where the request speaks of it; where there are several pictures to tell apart, those words
    of a short name that the request has. Other words are nobody's: a name that reads like an instruction must not
    become a part of the plan.
    """
    if entry["origin"] != "user":
        return f"${number} result of {entry['origin']}"
    return f"${number} user {_shown_title(request, entry['title'], several)} {entry['width']}x{entry['height']}"


def _shown_title(request: str, title: str, several: bool) -> str:
    if _speaks_of(request, title):
        return title
    stem, dot, suffix = title.rpartition(".")
    words, said = _words(stem), _words(request)
    shared = [word for word in words if word in said and len(word) > 2 and word not in _SMALL_WORDS]
    return f"{'_'.join(shared)}{dot}{suffix}" if several and shared and len(words) <= 3 else "photo.jpg"


def _speaks_of(request: str, title: str) -> bool:
    """Whether a request has a file's name in it, with or without its suffix."""
    said, name, stem = (" ".join(_words(text)) for text in (request, title, title.rpartition(".")[0]))
    return any(f" {one} " in f" {said} " for one in (name, stem) if one)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


# ------------------------------------------------------------------------------------------------------------ tools

MOST_LIKE: Final = 12
"""How many tools the small planner is shown with one that was added and that the request speaks of."""

_CONTROL_TOOLS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "reply",
        "description": "No tool is needed: a greeting, thanks, or a question about this agent itself.",
        "parameters": {"type": "object", "properties": {}},
    },
    {
        "name": "decline",
        "description": "No tool here can do what is asked, or it names an image that is not there.",
        "parameters": {
            "type": "object",
            "properties": {"reason": {"type": "string", "description": DECLINE.summary}},
            "required": ["reason"],
        },
    },
)


def tools_shown(profile: PlannerProfile, tools: Sequence[VisionTool], brief: Brief) -> list[Any]:
    """The tools as a model of this profile is shown them, in order; ``BaseChatModel.bind_tools`` takes them."""
    if profile.tools == "trained":
        return [signature for tool in _ranked(tools, brief.request) if (signature := as_trained(tool))]
    if profile.grammar:
        return [*tools]
    return [*tools, *([_selecting_tool(brief.pointed)] if brief.pointed else ()), *_CONTROL_TOOLS]


def _selecting_tool(pointed: Sequence[Pointed]) -> dict[str, Any]:
    """``select_regions`` with no boxes to choose from but those pointed at."""
    function: dict[str, Any] = convert_to_openai_tool(select_regions.schema)["function"]
    properties = dict(function["parameters"]["properties"])
    properties["boxes"] = {"type": "array", "items": {"type": "string", "enum": list(boxes_of(pointed))}}
    parameters = {**function["parameters"], "properties": properties}
    return {"name": select_regions.name, "description": select_regions.description, "parameters": parameters}


def as_trained(tool: VisionTool) -> Signature | None:
    """A tool as the small planner knows it: without the arguments that came after its training.

    Returns:
        What it is shown; None for a tool of the package that it was not trained on. A tool that a person added is
        shown whole.
    """
    return tool.signature if is_added(tool) else _trained_part(tool.signature)


def trained_signatures() -> tuple[Signature, ...]:
    """The package's tools as the small planner was trained on them."""
    parts = (_trained_part(spec.signature) for spec in catalog().values())
    return tuple(part for part in parts if part is not None)


def _trained_part(signature: Signature) -> Signature | None:
    names = trained_arguments().get(signature.tool)
    if names is None:
        return None
    return replace(signature, arguments=tuple(a for a in signature.arguments if a.name in names))


def is_added(tool: VisionTool) -> bool:
    """Whether a person added the tool to those of the package, or put it in the place of one."""
    return catalog(offered=False).get(tool.name) is not tool.spec


@cache
def trained_arguments() -> Mapping[str, tuple[str, ...]]:
    """The names of the arguments that the small planner was trained on, in order, by the names of their tools."""
    calls = (line.partition(") -> ")[0].partition("(") for line in trained_lines())
    return {tool: tuple(part.partition("=")[0] for part in arguments.split(", ")) for tool, _, arguments in calls}


def trained_lines() -> list[str]:
    """The lines of the catalogue that the small planner was trained on, in their order."""
    file = resources.files("visiongpt_agent").joinpath("data", "planner_adapter", "catalog.txt")
    return file.read_text(encoding="utf-8").splitlines()


def _ranked(tools: Sequence[VisionTool], request: str) -> list[VisionTool]:
    """The tools as the small planner reads them where a person added some.

    It knows the package's tools by heart and hardly reads on behind them. So added ones come first; and where a request
    speaks of one by its name, only the tools most like the request are shown with it: of 15 requests for six added
    tools, 14 were planned with them when so few were shown, 10 with all tools in order.
    """
    spoken_of = [t.name for t in tools if is_added(t) and beginnings(t.name.replace("_", " ")) & beginnings(request)]
    if not spoken_of:
        return sorted(tools, key=lambda tool: not is_added(tool))
    ranked = sorted(tools, key=lambda tool: (tool.name not in spoken_of, -likeness(tool.signature, request)))
    return ranked[:MOST_LIKE]


# --------------------------------------------------------------------------------------------------------- messages


def messages(profile: PlannerProfile, brief: Brief) -> list[BaseMessage]:
    """What a model of this profile reads beside its tools.

    The small planner gets the short form that its adapter was trained on. Any other local model is shown planned
    requests like this one before it, any other chat model the conventions of plans.
    """
    user = planner_user(brief.images, brief.request)
    if brief.pointed and profile.prompt == "conventions":
        user += "\n" + render_prompt("planner_pointed", regions="; ".join(region_lines(brief.pointed)))
    if profile.prompt == "bare":
        return [HumanMessage(user)]
    examples = similar_requests(user) if profile.prompt == "examples" else ()
    if brief.critique:
        user += f"\nThe last plan did not work out:\n{brief.critique}\nPlan what is still needed."
    if profile.prompt == "conventions":
        return [SystemMessage(render_prompt("planner_native")), HumanMessage(user)]
    pairs = [[HumanMessage(example.user), AIMessage(example.plan)] for example in examples]
    return [*(message for pair in pairs for message in pair), HumanMessage(user)]
