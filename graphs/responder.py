"""The responder node: one comprehensive answer from all results.

The account is composed from what the tools said of their own accepted results, so that it cannot claim what was not
done. A chat model that can write may reword what is sure of it; its wording is used as far as the account bears it out
(:mod:`~visiongpt_agent.graphs.answering.grounding`). Doubts and gaps are always told in plain words.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from visiongpt_agent.graphs.answering.coverage import gaps
from visiongpt_agent.graphs.answering.grounding import Told, ground
from visiongpt_agent.graphs.answering.picture_files import describe_files
from visiongpt_agent.graphs.answering.self_knowledge import answer_about_self, explain_refusal
from visiongpt_agent.graphs.loop.lineage import is_used, origin
from visiongpt_agent.graphs.planning.file_facts import asks_about_file
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import HOLDS, AgentState, Status, Step
from visiongpt_agent.plan import Proposal, Refusal, parse_plan
from visiongpt_agent.prompts import render_prompt
from visiongpt_agent.redaction import guarded, redacted
from visiongpt_agent.untrusted import defused

logger = logging.getLogger(__name__)

_ASKS_WHAT_IS_THERE = re.compile(
    r"\b(how many|count|number of|find|where|locate|detect|spot|is there|are there|any|show)\b",
    re.I,
)


class Responder:
    """Tells what came of the request."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def __call__(self, state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        control = parse_plan(state["plan"]).control
        if control is not None and not state["earlier"]:
            answer, status = self._told_without_tools(control, state)
            return _finished(answer, status, [])
        steps = [*state["earlier"], *state["steps"]]
        missed = gaps(state["request"], steps, state["images"], state["turn"])
        account = compose(state["request"], steps, state)
        status = overall(steps)
        if missed and status == "done":
            status = "partial"
        notes = state.get("notes", [])
        told = [self._reworded(account, state["request"], config), *account.doubts, *missed, *notes]
        return _finished(" ".join(part for part in told if part), status, [*warnings_of(steps), *missed, *notes])

    def _told_without_tools(self, control: Proposal, state: AgentState) -> tuple[str, Status]:
        if control.tool == "reply" and state["images"] and asks_about_file(state["request"]):
            return describe_files(state["request"], state["images"]), "done"
        if control.tool == "reply":
            return answer_about_self(state["request"], self._resources), "done"
        reason = str(control.args["reason"])
        if state["status"] == "failed":
            return f"Nothing was done: {reason}.", "failed"
        refusal = state.get("refusal") or Refusal(cause="model", tool="", detail=reason)
        return explain_refusal(refusal, state, self._resources), "declined"

    def _reworded(self, account: Account, request: str, config: RunnableConfig) -> str:
        """What was found, done and not done, in the chat model's words where they say no more than the account."""
        if not account.sure or account.ended:
            return account.text
        with self._resources.llm() as llm:
            if not llm.writes:
                return account.text
            sure = " ".join(told.text for told in account.sure)
            prompt = render_prompt("responder", request=request, account=defused(sure))
            messages = [SystemMessage(render_prompt("responder_system")), HumanMessage(prompt)]
            try:
                answer = llm.call(lambda chat: chat.invoke(messages, guarded(config)))
            except Exception as fault:
                redacted(fault)
                logger.exception("the chat model did not word the answer; the plain account is told")
                return account.text
        return " ".join([ground(answer.text, account.sure), *account.gaps])


@dataclass(frozen=True)
class Account:
    """What came of the steps, in plain sentences.

    Attributes:
        sure: Told of accepted results.
        gaps: What was not done, and why.
        doubts: What may be wrong with the results.
        text: ``sure`` and ``gaps`` in the order of the steps.
        ended: Whether the person or a time limit ended the run: nobody waits for fine words then.
    """

    sure: list[Told]
    gaps: list[str]
    doubts: list[str]
    text: str
    ended: bool


def _finished(answer: str, status: Status, warnings: list[str]) -> dict[str, Any]:
    return {"answer": answer, "status": status, "warnings": warnings, "messages": [AIMessage(answer)]}


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


def compose(request: str, steps: Sequence[Step], state: AgentState) -> Account:
    """The account of the steps: what was found and done, what is doubtful, what was not done and why."""
    held = [step for step in steps if step["verdict"] in HOLDS]
    several = len({origin(step, steps) for step in steps}) > 1
    sure: list[Told] = []
    missed: list[str] = []
    text: list[str] = []
    for step in steps:
        sentence = _tell(step, steps, silent=_is_means(step, held, request))
        name = origin(step, steps)
        title = _title(name, state) if name else ""
        if not sentence:
            continue
        if several and name:
            sentence = f"{title}: {sentence}"
        if sentence in text:
            continue
        text.append(sentence)
        if step["verdict"] in HOLDS:
            sure.append(Told(sentence, frozenset({name, title} - {""}), must_name=several and bool(name)))
        else:
            missed.append(sentence)
    doubts = dict.fromkeys(note for step in held for note in step["artifact"]["uncertain"])
    ended = any(step["cause"] in ("cancelled", "deadline") for step in steps)
    return Account(sure, missed, [note for note in doubts if note not in text], " ".join(text), ended)


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
