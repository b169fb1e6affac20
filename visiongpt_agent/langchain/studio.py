"""The graph that ``langgraph.json`` names, for LangGraph Studio and LangGraph Server."""

from __future__ import annotations

import asyncio
from functools import cache
from threading import Lock

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.langchain.message_graph import MessageGraph, message_graph

_making = Lock()


async def graph() -> MessageGraph:
    """The agent over messages, made at the first request; the server keeps the conversations."""
    return await asyncio.to_thread(_only_one)


def _only_one() -> MessageGraph:
    with _making:
        return _graph()


@cache
def _graph() -> MessageGraph:
    return message_graph(VisionGPT())
