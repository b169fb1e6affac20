"""A request of the agent carried out from within another graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_stream_writer

from visiongpt_agent.errors import ToolError
from visiongpt_agent.langchain.blocks import Block, image_block, text_block

if TYPE_CHECKING:
    from visiongpt_agent.agent import Request, VisionGPT
    from visiongpt_agent.result import VisionResult


def carry_out(agent: VisionGPT, request: Request, config: RunnableConfig) -> VisionResult:
    """Run the agent as a graph of its own, not as a part of the one that calls; tell that one how it goes.

    Its events go to the stream mode ``custom`` of the graph that calls, and callbacks see its runs as children.

    Raises:
        VisionGPTError: If the request cannot be carried out.
    """
    own, tell = copy_context(), stream_writer()
    own.run(var_child_runnable_config.set, None)
    # A generator, whose end ends the run; ``stream`` promises less.
    events: Any = agent.stream(request, RunnableConfig(callbacks=config.get("callbacks")))
    with closing(events):
        while event := own.run(next, events, None):
            if "result" in event:
                result: VisionResult = event["result"]
                return result
            tell(event)
    raise ToolError("the request came to no result: say it in another way")


def stream_writer() -> Callable[[Any], None]:
    """The stream writer of the graph that calls, or one that does nothing."""
    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # called by hand, outside any graph

        def nowhere(event: Any) -> None: ...

        return nowhere


def told(agent: VisionGPT, result: VisionResult, *, previews: bool) -> list[Block]:
    """A result as content blocks: the answer with the ids of the pictures made, and the pictures in small."""
    made = [f"{image.id}: {image.title}, {image.width}x{image.height} pixels" for image in result.images]
    text = "\n".join([result.answer, *(["Pictures made:", *made] if made else [])])
    shown = result.images if previews else ()
    return [text_block(text), *(image_block(agent.store.open(image.id), image.id) for image in shown)]
