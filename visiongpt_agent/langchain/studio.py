"""The graph that ``langgraph.json`` names, for LangGraph Studio and LangGraph Server."""

from __future__ import annotations

from functools import cache

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.langchain.message_graph import MessageGraph, message_graph


@cache
def graph() -> MessageGraph:
    """The agent over messages, made once; the server keeps the conversations."""
    return message_graph(VisionGPT())
