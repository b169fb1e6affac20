"""What LangGraph hands a tool beside the arguments that a language model writes: the conversation around the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langgraph.prebuilt import ToolRuntime
from pydantic import Field

RUNTIME_FIELD: Final[Any] = (ToolRuntime[Any, Any], Field(default=None, exclude=True))
"""The field ``runtime`` of a tool's arguments. A model is not shown it; excluded, since a dump would copy the state."""


def messages_around(runtime: ToolRuntime[Any, Any] | None) -> Sequence[BaseMessage]:
    """The messages of the conversation that a tool is called in; none outside a graph, or where its state has none."""
    # Only LangGraph makes a ToolRuntime: a mapping in its place was written by the language model.
    state = runtime.state if isinstance(runtime, ToolRuntime) else None
    messages = state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", None)
    return [message for message in messages or () if isinstance(message, BaseMessage)]
