"""A plan for a picture without carrying it out: the graph up to its executor."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from langchain_core.runnables import RunnableConfig

from visiongpt_agent.errors import InputError
from visiongpt_agent.graphs.build import SUPERSTEPS, build_graph
from visiongpt_agent.graphs.state import AgentState, ImageEntry, fresh_turn
from visiongpt_agent.pictures.images import Provenance
from visiongpt_agent.pictures.memory_store import MemoryStore
from visiongpt_agent.plan import DECLINE, parse_plan
from visiongpt_agent.request import title_of

if TYPE_CHECKING:
    from visiongpt_agent.agent import VisionGPT
    from visiongpt_agent.batch.pictures import Picture


def plan_for(agent: VisionGPT, request: str, picture: Picture) -> str:
    """What the language model plans for a picture, as text.

    Raises:
        InputError: If the picture cannot be read, or the request is declined; says why.
        WeightsError: If there is no language model.
    """
    store, title = MemoryStore(), title_of(picture.path)
    image = store.add(picture.path, Provenance("user", title, path=str(picture.path)))
    entry = ImageEntry(id=image.id, origin="user", title=title, width=image.width, height=image.height, turn=1)
    with agent.resources.llm():  # raises where there is none; else it stays loaded for the planner
        pass
    graph = build_graph(replace(agent.resources, store=store, ask_before=()))
    config = RunnableConfig(recursion_limit=SUPERSTEPS, configurable={"thread_id": str(uuid.uuid4())})
    state = cast(AgentState, graph.invoke(fresh_turn(request, 1, [entry]), config, interrupt_before=["executor"]))
    control = parse_plan(state["plan"]).control
    if control is not None and control.tool == DECLINE.tool:
        raise InputError(state["answer"])
    return state["plan"]
