"""The graph by itself, with a scripted plan, and tools that tell what they were asked to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent.graphs.build import Graph, build_graph
from visiongpt_agent.graphs.loop.waves import plain_args
from visiongpt_agent.graphs.resources import GivenModel, LanguageModel, Limits, Resources
from visiongpt_agent.graphs.state import AgentState, ImageEntry, Step, Verdict, fresh_turn
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.plan import Kind, Proposal, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolOutput, ToolSpec, vision_tool

CONFIG = RunnableConfig(configurable={"thread_id": "talk"})


def graph_of(
    *script: str,
    pool: ModelPool,
    store: ImageStore,
    saver: BaseCheckpointSaver[Any] | None = None,
    tools: Iterable[ToolSpec] = (),
    limits: Limits | None = None,
    cancelled: Callable[[str], bool] = lambda _: False,
    ask_before: Iterable[str] | Callable[[Proposal], bool] = (),
    writes: bool = True,
) -> Graph:
    """The compiled graph over real tools and models, and those given."""
    llm = GivenModel(ScriptedChat(script=list(script)), writes)

    @contextmanager
    def lease() -> Iterator[LanguageModel]:
        yield llm

    known = {**catalog(offered=False), **{spec.name: spec for spec in tools}}
    asked = ask_before if callable(ask_before) else tuple(ask_before)
    return build_graph(Resources(store, pool, known, lease, limits or Limits(), cancelled, asked), saver)


def asking(store: ImageStore, *pictures: Image.Image, turn: int = 1) -> AgentState:
    """A first request with some pictures."""
    entries = []
    for picture in pictures:
        kept = store.add(picture, Provenance("user", "a.png"))
        entries.append(
            ImageEntry(id=kept.id, origin="user", title="a.png", width=kept.width, height=kept.height, turn=turn)
        )
    return fresh_turn("do as planned", turn, entries)


def planned(plan: str, verdict: Verdict = "accepted") -> list[Step]:
    """The steps of a plan, all with one verdict and no result, as far as rules about plans look at them."""
    return [
        Step(
            round=1,
            id=proposal.id,
            tool=proposal.tool,
            args=plain_args(proposal),
            inputs={},
            model="",
            seconds=0.0,
            verdict=verdict,
            artifact={},
            error="",
            cause="",
            attempts=[],
        )
        for proposal in parse_plan(plan)
    ]


def logging_tool(name: str, log: Path, act: Callable[[], None] = lambda: None) -> ToolSpec:
    """A tool that writes its name into a file, does something, and hands back the picture turned over."""

    def tool(image: Image.Image) -> ToolOutput:
        """Turn a picture over and write it down."""
        with log.open("a") as file:
            file.write(f"{name}\n")
        act()
        return ToolOutput(image.transpose(Image.Transpose.ROTATE_180), "I turned the picture over.")

    tool.__name__ = name
    return vision_tool("turn over", returns=Kind.IMAGE)(tool)


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)
