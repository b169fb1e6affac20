"""What the graph remembers: names, short texts and small facts; no pixels, no PIL objects, no tensors.

Everything here survives msgpack, so that any LangGraph checkpointer can keep it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from visiongpt_agent.plan import Refusal
from visiongpt_agent.request import Pointed

Verdict = Literal["accepted", "uncertain", "rejected", "failed", "skipped"]
"""Of a step: its result holds; holds with doubts; breaks a postcondition; the tool gave up; it never ran."""

Pending = Literal["unverified", "retry"]
"""Of a step that is not finished: it ran and is to be judged; it did not hold and is to be tried in another way."""

Cause = Literal["", "cancelled", "deadline", "denied", "needs", "nothing", "memory", "storage", "bug"]
"""Why a step has no result, where it is not the tool's own account.

``cancelled`` by the person; ``deadline``: a time limit was reached; ``denied``: it was asked about and refused;
``needs`` a result that there is none of; ``nothing`` was found to work on; ``memory`` ran out; ``storage``: the result
could not be written; ``bug``: an error that no tool should raise.
"""

OUTSIDE: tuple[Cause, ...] = ("cancelled", "deadline", "memory", "storage")
"""The causes that lie outside the step: it may succeed another time, so that resuming a request tries it anew."""

HOLDS: tuple[Verdict, ...] = ("accepted", "uncertain")
"""The verdicts on results that are used and told."""

Status = Literal["done", "partial", "declined", "failed"]
"""Of a request: all of it; some of it; no tool can do it; nothing was achieved."""


class ImageEntry(TypedDict):
    """An image of the conversation; the k-th entry is ``$k``.

    ``origin`` is ``user`` or the tool that made it, ``title`` the file's name or the tool's, ``turn`` the request it
    came with, counted from 1. ``page`` is the page of its file, counted from 1, where that has several. Pages
    of one file that came together have the same ``document``.
    """

    id: str
    origin: str
    title: str
    width: int
    height: int
    turn: int
    page: NotRequired[int]
    document: NotRequired[str]


class Attempt(TypedDict):
    """One try at a step.

    ``models`` are those that it leased, by job; ``without`` are those that it had to do without; ``settings`` are the
    tool's own that were other than usual; ``why`` it did not hold, ``""`` where it did.
    """

    models: dict[str, str]
    without: list[str]
    settings: dict[str, Any]
    seconds: float
    why: str


class Step(TypedDict):
    """One proposal carried out, or given up.

    ``round`` counts the plans of a request, ``id`` the proposals of that plan. ``args`` are as planned (``"$1"``,
    ``"#2"``), ``inputs`` the same with references replaced by content ids. ``artifact`` is the tool's (see
    ``tools.base.VisionTool``) and ``{}`` where there is none; then ``error`` says why and ``cause`` is its kind.
    ``edited`` is the call that a person put in place of the planned one.
    ``attempts`` are all tries, the last one included; ``seconds`` is the time of them together, and ``model`` what made
    the result.
    """

    round: int
    id: int
    tool: str
    args: dict[str, Any]
    inputs: dict[str, Any]
    model: str
    seconds: float
    verdict: Verdict | Pending
    artifact: dict[str, Any]
    error: str
    cause: Cause
    attempts: list[Attempt]
    edited: NotRequired[str]


def merge_steps(before: list[Step], new: list[Step]) -> list[Step]:
    """The reducer of ``steps``: one step for each proposal, however often it is told, and none but of the newest plan.

    An empty list begins anew.
    """
    if not new:
        return []
    newest = max(step["round"] for step in new)
    merged = {step["id"]: step for step in (*before, *new) if step["round"] == newest}
    return [merged[number] for number in sorted(merged)]


class AgentState(TypedDict, total=False):
    """One conversation. ``messages`` and ``images`` grow over the requests; the rest is about the current one.

    ``steps`` are those of the plan in force, ``earlier`` what was accepted under plans that it replaced. ``refusal`` is
    why the plan declines, None where that is the language model's decision; states of earlier builds have none.
    ``notes`` say what of the request's files was not looked at.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    images: Annotated[list[ImageEntry], operator.add]
    turn: int
    request: str
    pointed: list[Pointed]
    plan: str
    refusal: Refusal | None
    round: int
    critique: str
    steps: Annotated[list[Step], merge_steps]
    earlier: list[Step]
    answer: str
    status: Status
    warnings: list[str]
    notes: list[str]


class Task(TypedDict):
    """What one task of the executor is sent: a proposal that is ready, its references resolved to content ids.

    ``attempts`` are those before, ``without`` the models to leave out, ``settings`` the tool's own that differ.
    """

    turn: int
    round: int
    proposal: str
    inputs: dict[str, Any]
    attempts: list[Attempt]
    without: list[str]
    settings: dict[str, Any]


def fresh_turn(
    request: str,
    turn: int,
    images: list[ImageEntry],
    pointed: Sequence[Pointed] = (),
    notes: Sequence[str] = (),
    plan: str = "",
) -> AgentState:
    """The input of the graph for a new request of a conversation.

    Args:
        request: The words.
        turn: The number of the request in its conversation, counted from 1.
        images: Those that come with the request.
        pointed: The regions pointed at.
        notes: What of the request's files is not looked at, in sentences.
        plan: A plan to carry out as it is, in its text form; ``""`` has the planner ask the language model for one.
    """
    return AgentState(
        request=request,
        pointed=list(pointed),
        turn=turn,
        images=images,
        plan=plan,
        refusal=None,
        round=0,
        critique="",
        steps=[],
        earlier=[],
        answer="",
        status="done",
        warnings=[],
        notes=list(notes),
    )
