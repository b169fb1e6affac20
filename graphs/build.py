"""The state machine: planner, executor, verifier, responder, and the loop between them.

::

    start     -> planner
    planner   -> executor    a plan: a task for each proposal that is ready
    planner   -> responder   a control action, or all of the plan was carried out before
    executor  -> verifier
    verifier  -> executor    further proposals are ready, or one is tried in another way
    verifier  -> planner     a critique of what failed, for a model that reads it
    verifier  -> responder   nothing is left to do, or the run must stop
    responder -> end

The edges to the executor fan out: each proposal that is ready is a task of its own. With a checkpointer and
``durability="sync"`` nothing that has finished is done again after a crash: ``graph.invoke(None, config)`` goes on.
"""

from __future__ import annotations

from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from visiongpt_agent.graphs.executor import Executor
from visiongpt_agent.graphs.loop.execution import Executions
from visiongpt_agent.graphs.planner import Planner
from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.responder import Responder
from visiongpt_agent.graphs.state import AgentState
from visiongpt_agent.graphs.verifier import Verifier
from visiongpt_agent.plan import MAX_PROPOSALS

_TASKS: Final = MAX_PROPOSALS + 4
"""LangGraph's threads: for a whole wave, which waits for its slots, and for saving what is finished meanwhile."""

SUPERSTEPS: Final = 10_000
"""LangGraph's bound, out of the way: the loop is bounded by :class:`Limits`, a plan by its length."""

Graph = CompiledStateGraph[AgentState, None, AgentState, AgentState]


def build_graph(resources: Resources, checkpointer: BaseCheckpointSaver[Any] | None = None) -> Graph:
    """Compile the graph.

    Args:
        resources: What the nodes share.
        checkpointer: Keeps conversations between requests; None keeps nothing.
    """
    executions = Executions(resources)
    planner, verifier = Planner(resources, executions), Verifier(resources, executions)
    graph = StateGraph(AgentState)
    graph.add_node("planner", planner)
    executor: Any = Executor(resources, executions)  # a task is sent its own input, which is no part of the state
    graph.add_node("executor", executor, input_schema=AgentState)
    graph.add_node("verifier", verifier)
    graph.add_node("responder", Responder(resources))
    graph.add_edge(START, "planner")
    graph.add_conditional_edges("planner", planner.route, ["executor", "responder"])
    graph.add_edge("executor", "verifier")
    graph.add_conditional_edges("verifier", verifier.route, ["executor", "planner", "responder"])
    graph.add_edge("responder", END)
    return graph.compile(checkpointer=checkpointer, name="visiongpt").with_config(max_concurrency=_TASKS)
