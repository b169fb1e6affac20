"""What the graph remembers: names, short texts and small facts; no pixels, no PIL objects, no tensors.

Everything here survives msgpack, so that any LangGraph checkpointer can keep it.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

Verdict = Literal["accepted", "uncertain", "rejected", "failed", "skipped"]
"""Of a step: its result holds; holds with doubts; breaks a postcondition; the tool gave up; it never ran."""

HOLDS: tuple[Verdict, ...] = ("accepted", "uncertain")
"""The verdicts on results that are used and told."""

Status = Literal["done", "partial", "declined", "failed"]
"""Of a request: all of it; some of it; no tool can do it; nothing was achieved."""


class ImageEntry(TypedDict):
    """An image of the conversation; the k-th entry is ``$k``.

    ``origin`` is ``user`` or the tool that made it, ``title`` the file's name or the tool's, ``turn`` the request it
    came with, counted from 1.
    """

    id: str
    origin: str
    title: str
    width: int
    height: int
    turn: int


class Step(TypedDict):
    """One proposal carried out, or given up.

    ``round`` counts the plans of a request, ``id`` the proposals of that plan. ``args`` are as planned (``"$1"``,
    ``"#2"``), ``artifact`` is the tool's (see ``tools.base.VisionTool``) and ``{}`` where there is none, ``error`` says
    why there is none, ``bug`` whether the error was one that no tool should raise.
    """

    round: int
    id: int
    tool: str
    args: dict[str, Any]
    model: str
    seconds: float
    verdict: Verdict | Literal["unverified"]
    artifact: dict[str, Any]
    error: str
    bug: bool


class AgentState(TypedDict, total=False):
    """One conversation. ``messages`` and ``images`` grow over the requests; the rest is about the current one.

    ``steps`` are those of the plan in force, ``earlier`` what was accepted under plans that it replaced.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    images: Annotated[list[ImageEntry], operator.add]
    turn: int
    request: str
    plan: str
    round: int
    critique: str
    steps: list[Step]
    earlier: list[Step]
    started: float
    answer: str
    status: Status
    warnings: list[str]


def fresh_turn(request: str, turn: int, images: list[ImageEntry], started: float) -> AgentState:
    """The input of the graph for a new request of a conversation."""
    return AgentState(
        request=request,
        turn=turn,
        images=images,
        started=started,
        plan="",
        round=0,
        critique="",
        steps=[],
        earlier=[],
        answer="",
        status="done",
        warnings=[],
    )
