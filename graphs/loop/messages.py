"""A step as LangChain's messages tell it."""

from __future__ import annotations

from langchain_core.messages import ToolMessage

from visiongpt_agent.graphs.state import Step


def call_id(turn: int, round_: int, number: int) -> str:
    """The id that ties a tool call of the plan's message to its ToolMessage."""
    return f"turn{turn}-round{round_}-{number}"


def tool_message(step: Step, turn: int) -> ToolMessage:
    """What came of a finished step: a short text for the chat model, the artifact for the program."""
    return ToolMessage(
        content=step["error"] or step["artifact"]["summary"],
        artifact=step["artifact"],
        name=step["tool"],
        tool_call_id=call_id(turn, step["round"], step["id"]),
        status="error" if step["error"] else "success",
    )
