"""The state machine: planner, executor, verifier, responder, and the loop between them.

::

    start -> planner -> executor <-> verifier -> responder -> end
                ^                       |
                +----- critique --------+
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from visiongpt_agent.graphs.executor import Executor
from visiongpt_agent.graphs.planner import Planner
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.responder import Responder
from visiongpt_agent.graphs.state import AgentState
from visiongpt_agent.graphs.verifier import Verifier

Graph = CompiledStateGraph[AgentState, None, AgentState, AgentState]


def build_graph(resources: Resources, checkpointer: BaseCheckpointSaver[Any] | None = None) -> Graph:
    """Compile the graph.

    Args:
        resources: What the nodes share.
        checkpointer: Keeps conversations between requests; None keeps nothing.
    """
    planner, verifier = Planner(resources), Verifier(resources)
    graph = StateGraph(AgentState)
    graph.add_node("planner", planner)
    graph.add_node("executor", Executor(resources))
    graph.add_node("verifier", verifier)
    graph.add_node("responder", Responder(resources))
    graph.add_edge(START, "planner")
    graph.add_conditional_edges("planner", planner.route, ["executor", "responder"])
    graph.add_edge("executor", "verifier")
    graph.add_conditional_edges("verifier", verifier.route, ["executor", "planner", "responder"])
    graph.add_edge("responder", END)
    return graph.compile(checkpointer=checkpointer, name="visiongpt")
