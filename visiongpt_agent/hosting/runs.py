"""One request on its way: what it has told so far, how it ended, and the means to follow or to cancel it.

A run is carried out in a worker thread and watched from event loops; everything here may be called from either.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.request import Request

if TYPE_CHECKING:
    from visiongpt_agent.result import VisionResult

logger = logging.getLogger(__name__)

_BEAT: Final = 15.0


class RunState(StrEnum):
    """Where a run stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunEvent(NamedTuple):
    """Something that a run told: ``id`` counts from 1; ``name`` and ``data`` are those of ``agent.Event``."""

    id: int
    name: str
    data: Any


class Run:
    """A request, from being accepted to its end.

    Args:
        request: What is wanted, in words.
        images: Encoded pictures or data URLs.
        thread: The conversation that it belongs to; one of its own where None.
        pages: Which pages to take of files that have several, as :class:`~visiongpt_agent.request.Request` has them.
    """

    def __init__(self, request: str, images: Sequence[bytes | str], thread: str | None = None, pages: str = "") -> None:
        self.id = f"req-{secrets.token_hex(16)}"
        self.thread = thread or f"thread-{secrets.token_hex(16)}"
        self.created = time.time()
        self.ended_at: float | None = None
        self.state = RunState.QUEUED
        self.events: list[RunEvent] = []
        self.result: VisionResult | None = None
        self.fault: Exception | None = None
        self._input = Request(request=request, images=images, pages=pages)
        self._agent: VisionGPT | None = None  # while it is at work on this
        self._cancelled = False
        self._lock = threading.Lock()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def ended(self) -> bool:
        return self.state not in (RunState.QUEUED, RunState.RUNNING)

    def carry_out(self, agent: VisionGPT) -> None:
        """Do what is asked; never raises: :attr:`fault` has what went wrong."""
        with self._lock:
            if self.state is not RunState.QUEUED:
                return
            self.state, self._agent = RunState.RUNNING, agent
        try:
            self._consume(agent)
        except VisionGPTError as fault:
            self.fault = fault
        except Exception as fault:
            logger.exception("%s failed", self.id)
            self.fault = fault
        with self._lock:
            self._end()
        self._notify()

    def cancel(self) -> None:
        """Give up: at once where it still waits, else as soon as the agent has told what was achieved."""
        with self._lock:
            self._cancelled = True
            if self.state is RunState.QUEUED:
                self._end()
            elif self._agent is not None:
                self._agent.cancel(self.thread)
        self._notify()

    async def follow(self, after: int = 0) -> AsyncGenerator[RunEvent | None, None]:
        """Yield the events after a number, those of the past included, until the run ends.

        Yields:
            An event, or None where nothing happened for 15 seconds, so that whoever listens can show to be alive.
        """
        seen = max(after, 0)
        with self._listening() as changed:
            while True:
                changed.clear()
                ended = self.ended  # before the events are read, so that the last of them is not missed
                for event in self.events[seen:]:
                    yield event
                    seen = event.id
                if ended:
                    return
                try:
                    await asyncio.wait_for(changed.wait(), _BEAT)
                except TimeoutError:
                    yield None

    async def until_ended(self) -> None:
        async with aclosing(self.follow()) as events:
            async for _ in events:
                pass

    def _consume(self, agent: VisionGPT) -> None:
        config = RunnableConfig(configurable={"thread_id": self.thread})
        for event in agent.stream(self._input, config):
            if self._cancelled:  # before the agent had it under way
                agent.cancel(self.thread)
            for name, data in event.items():
                if name == "result":
                    self.result = cast("VisionResult", data)
                else:
                    self._tell(name, data)

    def _tell(self, name: str, data: object) -> None:
        plain = dict(data) if isinstance(data, Mapping) else data
        self.events.append(RunEvent(len(self.events) + 1, name, plain))
        self._notify()

    def _end(self) -> None:
        self.ended_at = time.time()
        self._agent = None
        self._input = Request(request="")  # pictures may be large, and are in the store by now
        if self._cancelled:
            self.state = RunState.CANCELLED
        else:
            self.state = RunState.FAILED if self.fault else RunState.FINISHED

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Event]:
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _notify(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for loop, changed in listeners:
            with suppress(RuntimeError):  # a loop that was closed has nobody left to tell
                loop.call_soon_threadsafe(changed.set)
