"""The planner node: asks the chat model for a plan of the request, and accepts none that does not check."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.types import Send

from visiongpt_agent.errors import PlanError
from visiongpt_agent.graphs.loop.lineage import carried_over, is_used
from visiongpt_agent.graphs.loop.messages import call_id, tool_message
from visiongpt_agent.graphs.loop.run import Runs, StoppedError
from visiongpt_agent.graphs.loop.waves import never_run, wave
from visiongpt_agent.graphs.planning.instructions import by_tools
from visiongpt_agent.graphs.planning.missing_images import missing_image
from visiongpt_agent.graphs.planning.pleasantries import is_pleasantry
from visiongpt_agent.graphs.planning.pointing import grounded, worded
from visiongpt_agent.graphs.planning.queries import without_feelings
from visiongpt_agent.graphs.resources import LanguageModel, Resources
from visiongpt_agent.graphs.state import HOLDS, AgentState, ImageEntry, Step
from visiongpt_agent.language.lexicon import PICTURE
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.fitting import beginnings, likeness
from visiongpt_agent.llm.plans import plan_of, tool_calls_of
from visiongpt_agent.plan import DECLINE, REPLY, Plan, Proposal, Signature, parse_plan
from visiongpt_agent.prompts import planner_user, render_prompt
from visiongpt_agent.prompts.examples import similar_requests
from visiongpt_agent.redaction import guarded, redacted
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec, VisionTool

logger = logging.getLogger(__name__)

_SMALL_WORDS = frozenset((*PICTURE, "the", "and", "for", "with", "from", "this", "that", "img", "dsc", "pxl"))
"""Words of a file's name that say nothing of what is on it."""
MOST_LINES = 24
"""So many images are listed one by one, the newest ones."""
MOST_LIKE = 12
"""How many tools the small planner is shown with one that was added and that the request speaks of."""
ATTEMPTS = 3
"""How often a model that writes no valid plan is told what is wrong with it before the request is declined."""


class Planner:
    """Turns the request into action proposals."""

    def __init__(self, resources: Resources, runs: Runs) -> None:
        self._resources = resources
        self._runs = runs

    def __call__(self, state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        failed = False
        try:
            plan = self._runs.current(state["turn"]).call(lambda: self._ask(state, config))
        except StoppedError as given_up:
            plan, failed = declined(given_up.stop.why), True
        except PlanError as fault:
            plan = declined(f"no usable plan was made ({fault})")
        except Exception as fault:  # a chat model may fail in any way of its own
            redacted(fault)
            logger.exception("the chat model failed")
            plan = declined(f"the language model failed ({type(fault).__name__}: {fault})"[:300])
            failed = True
        number = state["round"] + 1
        if state["critique"] and (plan.control or str(plan) == state["plan"]):
            return {"round": number, "critique": ""}  # nothing new to try: what was achieved stands as it is
        get_stream_writer()({"plan": str(plan)})
        message = _as_message(plan, state["turn"], number)
        asked = [HumanMessage(state["request"])] if number == 1 else []
        achieved = [*state["earlier"], *(step for step in state["steps"] if step["verdict"] in HOLDS)]
        again = carried_over(plan, achieved, state["images"], number)
        vain = never_run(AgentState(plan=str(plan), round=number), again, None)
        return {
            "plan": str(plan),
            "round": number,
            "steps": [*again, *vain],
            "earlier": _still_needed(achieved, again),
            "critique": "",
            "status": "failed" if failed else "done",
            "messages": [*asked, message, *(tool_message(step, state["turn"]) for step in [*again, *vain])],
        }

    def _only_what_can_run(self, plan: Plan) -> Plan:
        """The plan; or a refusal that says what is lacking, where none of the plan's ends can be reached here."""
        lacking: dict[int, str] = {}
        for proposal in plan:
            spec = self._resources.tools.get(proposal.tool)
            own = spec.lacks(self._resources.models) if spec else ""
            behind = (lacking[ref.number] for ref in proposal.refs if ref.sigil == "#" and ref.number in lacking)
            reason = f"{proposal.tool} has no model here: {own}" if own else next(behind, "")
            if reason:
                lacking[proposal.id] = reason
        used = {ref.number for proposal in plan for ref in proposal.refs if ref.sigil == "#"}
        ends = [proposal.id for proposal in plan if proposal.id not in used]
        return declined(lacking[ends[0]]) if all(end in lacking for end in ends) else plan

    def route(self, state: AgentState) -> list[Send] | Literal["responder"]:
        """To the executor, unless the plan is a control action or has been carried out already."""
        control = parse_plan(state["plan"]).control
        return ([] if control else wave(state, self._resources)) or "responder"

    def _ask(self, state: AgentState, config: RunnableConfig) -> Plan:
        lines = image_lines(state["images"], state["request"])
        with self._resources.llm() as llm:
            # A model that only plans is shown every tool: shown fewer, it bends a request to those that are left (a
            # question about a colour became a recolouring). What cannot run is taken out of its plan before it is
            # carried out, and told with the weights that it needs. Larger models are shown what can run, and decline
            # the rest.
            known = self._resources.tools
            specs = self._resources.runnable() if llm.writes else for_small_planner(known, state["request"])
            tools = [spec.bind(self._resources.store, self._resources.models) for spec in specs.values()]
            asked, pointed = state["request"], state.get("pointed", [])
            words = worded(asked, pointed)
            signatures = {name: spec.signature for name, spec in known.items()}
            count, critique = len(state["images"]), state["critique"]
            plan = request_plan(
                llm, tools, lines, words, images=count, known=signatures, critique=critique, config=config
            )
            plan = grounded(plan, asked, pointed)
        return self._only_what_can_run(plan)


def for_small_planner(tools: Mapping[str, ToolSpec], request: str) -> dict[str, ToolSpec]:
    """The tools as the small planner reads them where a person added some of their own.

    It knows the package's tools by heart and hardly reads on behind them. So added ones come first; and where a request
    speaks of one by its name, only the tools most like the request are shown with it: of 15 requests for six added
    tools, 14 were planned with them when so few were shown, 10 with all tools in order.
    """
    added = [spec for name, spec in tools.items() if name not in catalog()]
    spoken_of = [spec for spec in added if beginnings(spec.name.replace("_", " ")) & beginnings(request)]
    if not spoken_of:
        return dict(sorted(tools.items(), key=lambda item: item[0] in catalog()))
    ranked = sorted(tools.items(), key=lambda item: (item[1] not in spoken_of, -likeness(item[1].signature, request)))
    return dict(ranked[:MOST_LIKE])


def _still_needed(achieved: Sequence[Step], again: Sequence[Step]) -> list[Step]:
    """What was achieved, without what the new plan has taken up, unless another that is left goes back to it."""
    taken = [(step["tool"], step["inputs"]) for step in again]
    left: list[Step] = []
    for step in reversed(achieved):  # a step only refers to earlier ones
        if (step["tool"], step["inputs"]) not in taken or is_used(step, left):
            left.insert(0, step)
    return left


def request_plan(
    llm: LanguageModel,
    tools: Sequence[VisionTool],
    image_lines: Sequence[str],
    request: str,
    *,
    images: int | None = None,
    known: Mapping[str, Signature] | None = None,
    critique: str = "",
    config: RunnableConfig | None = None,
) -> Plan:
    """Ask a chat model for a plan.

    Args:
        llm: The chat model.
        tools: Those that it is shown, in the order of the catalogue.
        image_lines: The images of the conversation, as :func:`image_lines` writes them.
        request: The person's words.
        images: How many images there are; as many as lines where None.
        known: The tools that the plan may name; those shown where None. A person may ask by name for one that is not
            shown because its weights are not here.
        critique: What went wrong with the last plan, ``""`` for a first one.
        config: LangChain's, for callbacks.

    Raises:
        PlanError: If the model writes no plan that checks.
    """
    if is_pleasantry(request):
        return Plan((Proposal(1, REPLY.tool),))
    images = len(image_lines) if images is None else images
    if missing := missing_image(request, images):
        return declined(f"there is no {missing} image")
    catalog = known or {tool.name: tool.signature for tool in tools}
    messages, config = prompt(llm, image_lines, request, critique), guarded(config)
    local = isinstance(llm.chat, ChatLlama)
    offered: Sequence[Any] = tools if local else [*tools, *_CONTROL_TOOLS]
    options: dict[str, Any] = {"images": images} if local else {}

    def ask() -> AIMessage:
        return llm.call(lambda chat: chat.bind_tools(offered, **options).invoke(messages, config))

    if local:  # its grammar lets it write nothing but plans
        return _checked(ask(), catalog, images)
    for _ in range(ATTEMPTS - 1):
        answer = ask()
        try:
            return _checked(answer, catalog, images)
        except PlanError as fault:
            logger.info("the model's plan was refused: %s", fault)
            messages = [*messages, HumanMessage(f"That plan cannot be used: {fault}. Call the tools again.")]
    return _checked(ask(), catalog, images)


def prompt(llm: LanguageModel, image_lines: Sequence[str], request: str, critique: str = "") -> list[BaseMessage]:
    """The messages that the chat model sees.

    A local model gets the short form that the planner adapter was trained on; ``ChatLlama`` writes its catalogue. One
    that was not trained to plan is shown planned requests like this one before it.
    """
    user = planner_user(image_lines, request)
    local = isinstance(llm.chat, ChatLlama)
    if local and not llm.writes:
        return [HumanMessage(user)]
    examples = similar_requests(user) if local else ()
    if critique:
        user += f"\nThe last plan did not work out:\n{critique}\nPlan what is still needed."
    if local:
        shown = [[HumanMessage(example.user), AIMessage(example.plan)] for example in examples]
        return [*(message for pair in shown for message in pair), HumanMessage(user)]
    return [SystemMessage(render_prompt("planner_native")), HumanMessage(user)]


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


def declined(reason: str) -> Plan:
    return Plan((Proposal(1, "decline", {"reason": reason}),))


def _checked(answer: BaseMessage, catalog: Mapping[str, Signature], images: int) -> Plan:
    plan = plan_of(answer, catalog)
    plan.check(catalog, images)
    return without_feelings(by_tools(plan, catalog))


def _as_message(plan: Plan, turn: int, round_: int) -> AIMessage:
    calls = [{**call, "id": call_id(turn, round_, int(call["id"] or 0))} for call in tool_calls_of(plan)]
    return AIMessage(str(plan), tool_calls=calls)


_CONTROL_TOOLS: tuple[dict[str, Any], ...] = (
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
