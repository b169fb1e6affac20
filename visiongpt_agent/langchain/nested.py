"""A request of the agent carried out from within another graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_config, get_stream_writer
from langgraph.types import interrupt

from visiongpt_agent.approval import Approval, review_request
from visiongpt_agent.errors import InputError, ToolError
from visiongpt_agent.langchain.blocks import Block, image_block, text_block

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event, VisionGPT
    from visiongpt_agent.request import Request
    from visiongpt_agent.result import VisionResult

_HOW: Final = '{"decisions": [{"type": "approve"}]}, "edit" or "reject" for each step; True or False for all of them'


@dataclass
class _Waiting:
    """A request that waits for approval: its result so far, and how many answers it was given before."""

    result: VisionResult
    answered: int


class Nested:
    """The agent as a graph of its own, not as a part of the one that calls; that one is told how it goes.

    Where steps wait for a person's approval, the graph that calls is interrupted in the form of LangChain's
    ``HumanInTheLoopMiddleware``: its ``__interrupt__`` has a ``HITLRequest``, and ``Command(resume={"decisions":
    [...]})`` approves, edits or rejects each step. The form of the release before goes on to work in this one: the
    calls under ``approve``, ``Command(resume=True)`` or ``False`` for all of them. As with every interrupt that graph
    needs a checkpointer for it. LangGraph then runs its node again from the beginning; the request itself goes on where
    it waited, as long as this process lives.

    Args:
        agent: Carries out the requests.
    """

    def __init__(self, agent: VisionGPT) -> None:
        self._agent = agent
        self._waiting: dict[tuple[str, ...], _Waiting] = {}
        self._lock = threading.Lock()

    def carry_out(self, request: Request, config: RunnableConfig) -> VisionResult:
        """Run a request; its events go to the stream mode ``custom``, and callbacks see its runs as children.

        Raises:
            VisionGPTError: If the request cannot be carried out.
        """
        own = RunnableConfig(callbacks=config.get("callbacks"))
        place = _place(request)
        with self._lock:
            before = self._waiting.pop(place, None) if place else None
        result, answered = (before.result, before.answered) if before else (self._run(request, own), 0)
        for _ in range(answered):
            interrupt(None)  # what was answered in an earlier run of this node comes again, in the same order
        fault = ""
        while result.status == "waiting" and place:
            with self._lock:
                self._waiting[place] = _Waiting(result, answered)
            asked = review_request(result.pending, fault)
            answer = interrupt({**asked, "approve": list(result.pending), "resume": _HOW})
            answered += 1
            try:
                result = self._relayed(self._agent.stream_resumed(result.thread_id, _approval(answer), own))
            except InputError as error:  # it is asked again
                fault = str(error)
            with self._lock:
                self._waiting.pop(place, None)
        return result

    def _run(self, request: Request, config: RunnableConfig) -> VisionResult:
        return self._relayed(self._agent.stream(request, config))

    def _relayed(self, stream: Iterator[Event]) -> VisionResult:
        own, tell = copy_context(), stream_writer()
        own.run(var_child_runnable_config.set, None)
        events: Any = stream  # a generator, whose end ends the run; ``stream`` promises less
        with closing(events):
            while event := own.run(next, events, None):
                if "result" in event:
                    result: VisionResult = event["result"]
                    return result
                tell(event)
        raise ToolError("the request came to no result: say it in another way")


def _approval(answer: object) -> Approval:
    """What a person answered, as :meth:`VisionGPT.resume <visiongpt_agent.agent.VisionGPT.resume>` takes it.

    Raises:
        InputError: If it is no answer.
    """
    decisions = answer.get("decisions") if isinstance(answer, dict) else answer
    if isinstance(decisions, bool | list):
        return decisions
    raise InputError(f"the answer is {_HOW}")


def _place(request: Request) -> tuple[str, ...]:
    """Where in the graph that calls a request is made, the same when a node runs again; empty outside any graph."""
    try:
        given = get_config().get("configurable", {})
    except RuntimeError:
        return ()
    if "checkpoint_ns" not in given:
        return ()
    return str(given.get("thread_id", "")), str(given["checkpoint_ns"]), request["request"]


def stream_writer() -> Callable[[Any], None]:
    """The stream writer of the graph that calls, or one that does nothing."""
    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # called by hand, outside any graph

        def nowhere(event: Any) -> None: ...

        return nowhere


def content_blocks(agent: VisionGPT, result: VisionResult, *, previews: bool) -> list[Block]:
    """A result as content blocks: the answer with the ids of the pictures made, and the pictures in small."""
    made = [f"{image.id}: {image.title}, {image.width}x{image.height} pixels" for image in result.images]
    text = "\n".join([result.answer, *(["Pictures made:", *made] if made else [])])
    shown = result.images if previews else ()
    return [text_block(text), *(image_block(agent.store.open(image.id), image.id) for image in shown)]
