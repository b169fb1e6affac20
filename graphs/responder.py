"""The responder node: one comprehensive answer from all results.

The account is composed from what the tools said of their own accepted results, so that it cannot claim what was not
done. A chat model that can write may reword it; its wording is used only where the account supports it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from visiongpt_agent.graphs.lineage import is_used, origin
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.self_knowledge import answer_about_self, explain_decline
from visiongpt_agent.graphs.state import HOLDS, AgentState, Status, Step
from visiongpt_agent.plan import Proposal, parse_plan
from visiongpt_agent.prompts import render_prompt

logger = logging.getLogger(__name__)

_ASKS_WHAT_IS_THERE = re.compile(
    r"\b(how many|count|number of|find|where|locate|detect|spot|is there|are there|any|segment|mask|outline|show)\b",
    re.I,
)

_SHARED_WORDS = 0.5


class Responder:
    """Tells what came of the request."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def __call__(self, state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        control = parse_plan(state["plan"]).control
        if control is not None and not state["earlier"]:
            return self._finish(*self._told_without_tools(control, state), [], state, config)
        steps = [*state["earlier"], *state["steps"]]
        account = compose(state["request"], steps, state)
        return self._finish(account, overall(steps), warnings_of(steps), state, config)

    def _told_without_tools(self, control: Proposal, state: AgentState) -> tuple[str, Status]:
        if control.tool == "reply":
            return answer_about_self(state["request"], self._resources), "done"
        reason = str(control.args["reason"])
        if state["status"] == "failed":
            return f"Nothing was done: {reason}.", "failed"
        return explain_decline(reason, state), "declined"

    def _finish(
        self, account: str, status: Status, warnings: list[str], state: AgentState, config: RunnableConfig
    ) -> dict[str, Any]:
        # Fluent words tend to smooth over a gap: what is doubtful or incomplete is told in the plain account.
        plain = status in ("partial", "failed") or bool(warnings)
        answer = account if plain else self._reworded(account, state["request"], config)
        return {"answer": answer, "status": status, "warnings": warnings, "messages": [AIMessage(answer)]}

    def _reworded(self, account: str, request: str, config: RunnableConfig) -> str:
        with self._resources.llm() as llm:
            if not llm.writes:
                return account
            told = render_prompt("responder", request=request, account=account)
            try:
                answer = llm.chat.invoke([SystemMessage(render_prompt("responder_system")), HumanMessage(told)], config)
            except Exception:
                logger.exception("the chat model did not word the answer; the plain account is told")
                return account
        text = answer.text.strip()
        return text if text and supported(text, account, request) else account


def supported(text: str, account: str, request: str) -> bool:
    """Whether a wording stays with its account.

    Every number and every quotation in it must stand in the account or the request, and at least half of its longer
    words too, so that it is the account in other words and not another story.
    """
    known = f"{account} {request}".casefold()
    numbers = re.findall(r"\d+(?:[.,]\d+)?", text)
    quotations = re.findall(r'["“«]([^"”»]{2,})["”»]', text)
    words = {word.casefold() for word in re.findall(r"[^\W\d_]{4,}", text)}
    shared = sum(word in known for word in words)
    return (
        all(number in known for number in numbers)
        and all(quotation.casefold().strip(" .,") in known for quotation in quotations)
        and shared >= _SHARED_WORDS * len(words) > 0
    )


def overall(steps: Sequence[Step]) -> Status:
    """The status of a request from its steps."""
    held = [step for step in steps if step["verdict"] in HOLDS]
    if not held:
        return "failed"
    whole = len(held) == len(steps) and not any(step["artifact"]["facts"].get("unsupported") for step in held)
    return "done" if whole else "partial"


def warnings_of(steps: Sequence[Step]) -> list[str]:
    """Doubts about accepted results, and what became of the steps without one."""
    doubts = [note for step in steps if step["verdict"] in HOLDS for note in step["artifact"]["uncertain"]]
    gaps = [f"#{step['id']} {step['tool']}: {step['error']}" for step in steps if step["verdict"] not in HOLDS]
    return list(dict.fromkeys([*doubts, *gaps]))


def compose(request: str, steps: Sequence[Step], state: AgentState) -> str:
    """The account in plain sentences: what was found and done, what is doubtful, what was not done and why."""
    held = [step for step in steps if step["verdict"] in HOLDS]
    several = len({origin(step, steps) for step in steps}) > 1
    sentences: list[str] = []
    for step in steps:
        sentence = _tell(step, steps, silent=_is_means(step, held, request))
        if sentence and several and origin(step, steps):
            sentence = f"{_title(origin(step, steps), state)}: {sentence}"
        sentences.append(sentence)
    doubts = [note for step in held for note in step["artifact"]["uncertain"]]
    return " ".join(dict.fromkeys(s for s in [*sentences, *doubts] if s))


def _is_means(step: Step, held: Sequence[Step], request: str) -> bool:
    """Whether a step only served another: the regions that were then blurred, say, unless the request asks for them."""
    if step["artifact"].get("kind") != "regions" or not is_used(step, held):
        return False
    return step["tool"] == "segment_objects" or not _ASKS_WHAT_IS_THERE.search(request)


def _tell(step: Step, steps: Sequence[Step], *, silent: bool) -> str:
    words = step["tool"].replace("_", " ")
    if step["verdict"] in HOLDS:
        missing = step["artifact"]["missing"]
        return step["artifact"]["summary"] if not silent or missing else ""
    if step["verdict"] == "skipped":
        if step["cause"] in ("needs", "nothing"):  # why was told by the step that it needs
            return "" if is_used(step, steps) else f"So I did not {words}."
        return f"I did not {words}: {step['error']}."
    if step["verdict"] == "rejected":
        return f"The result of {step['tool']} did not pass its check and is not used: {step['error']}."
    return f"I could not {words}: {step['error'].rstrip('.')}."


def _title(name: str, state: AgentState) -> str:
    """What to call an image in the answer: its file name where it has one, else ``$k``."""
    entry = state["images"][int(name[1:]) - 1]
    return entry["title"] if entry["origin"] == "user" and entry["title"] != "image" else name
