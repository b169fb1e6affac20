"""The responder node: one comprehensive answer from all results.

The account is composed from what the tools said of their own accepted results, so that it cannot claim what was not
done. A chat model that can write may reword what is sure of it; its wording is used as far as the account bears it out
(:mod:`~visiongpt_agent.graphs.answering.grounding`). Doubts and gaps are always told in plain words.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from visiongpt_agent.graphs.answering.account import Account, compose, status_of, warnings_of
from visiongpt_agent.graphs.answering.coverage import gaps
from visiongpt_agent.graphs.answering.grounding import ground
from visiongpt_agent.graphs.answering.picture_files import describe_files
from visiongpt_agent.graphs.answering.self_knowledge import answer_about_self, explain_refusal
from visiongpt_agent.graphs.planning.file_facts import asks_about_file
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import AgentState, Status
from visiongpt_agent.plan import Proposal, Refusal, parse_plan
from visiongpt_agent.prompts import render_prompt
from visiongpt_agent.redaction import guarded, redacted
from visiongpt_agent.untrusted import defused

logger = logging.getLogger(__name__)


class Responder:
    """Tells what came of the request."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def __call__(self, state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        control = parse_plan(state["plan"]).control
        if control is not None and not state["earlier"]:
            answer, status = self._answer_without_tools(control, state)
            return _finished(answer, status, [])
        steps = [*state["earlier"], *state["steps"]]
        missed = gaps(state["request"], steps, state["images"], state["turn"])
        account = compose(state["request"], steps, state["images"], self._resources.tools)
        status = status_of(steps)
        if missed and status == "done":
            status = "partial"
        notes = state.get("notes", [])
        doubts = _still_open(account.doubts, missed)
        parts = [self._reworded(account, state["request"], config), *missed, *doubts, *notes]
        return _finished(" ".join(part for part in parts if part), status, [*warnings_of(steps), *missed, *notes])

    def _answer_without_tools(self, control: Proposal, state: AgentState) -> tuple[str, Status]:
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
            sure = " ".join(sentence.text for sentence in account.sure)
            prompt = render_prompt("responder", request=request, account=defused(sure))
            messages = [SystemMessage(render_prompt("responder_system")), HumanMessage(prompt)]
            try:
                answer = llm.call(lambda chat: chat.invoke(messages, guarded(config)))
            except Exception as fault:
                redacted(fault)
                logger.exception("the chat model did not word the answer; the plain account is told")
                return account.text
        return " ".join([ground(answer.text, account.sure), *account.gaps])


def _still_open(doubts: Sequence[str], missed: Sequence[str]) -> list[str]:
    """The doubts without those of which a gap tells more: how many people have no blurred face."""
    told = any("no blurred face" in gap for gap in missed)
    return [doubt for doubt in doubts if not (told and "face" in doubt)]


def _finished(answer: str, status: Status, warnings: list[str]) -> dict[str, Any]:
    return {"answer": answer, "status": status, "warnings": warnings, "messages": [AIMessage(answer)]}
