"""The work behind the doors: conversations, the requests of each, a bounded queue, and what is kept for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.graphs.loop.execution import left_behind
from visiongpt_agent.hosting.runs import Run
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.serve.limits import ServeLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from PIL import Image


class UnknownError(VisionGPTError):
    """There is no request, conversation or picture of that name here, or it has expired."""


class BusyError(VisionGPTError):
    """A conversation is still at its last request."""


class FullError(VisionGPTError):
    """As many requests wait as may."""


class StoppingError(VisionGPTError):
    """The server is about to stop."""


@dataclass
class _Conversation:
    """An agent of its own over the shared pool of models, its folder of pictures, and its requests."""

    agent: VisionGPT
    store: ImageStore
    runs: list[Run] = field(default_factory=list)
    bytes: int = 0

    @property
    def busy(self) -> bool:
        return any(not run.ended for run in self.runs)

    def measure(self) -> None:
        self.bytes = sum(file.stat().st_size for file in self.store.folder.glob("*"))

    def close(self) -> None:
        self.agent.close()
        self.store.close()


class Service:
    """Carries out requests, a few at a time, and keeps what came of them for a while.

    Args:
        make_agent: Makes the agent of a new conversation over its store; all share one pool of models.
        limits: What is taken and kept.
        watch: Told of every run that has ended.
    """

    def __init__(
        self,
        make_agent: Callable[[ImageStore], VisionGPT],
        limits: ServeLimits | None = None,
        watch: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self.limits = limits or ServeLimits()
        self._make_agent = make_agent
        self._watch = watch
        self._lock = threading.RLock()
        self._conversations: dict[str, _Conversation] = {}
        self._runs: dict[str, Run] = {}  # the oldest first
        self._futures: dict[str, Future[None]] = {}
        self._workers = ThreadPoolExecutor(self.limits.running, thread_name_prefix="visiongpt-request")
        self._stopping = False

    @property
    def queued(self) -> int:
        """Requests that wait to be carried out."""
        return sum(run.state == "queued" for run in self._unfinished())

    @property
    def running(self) -> int:
        """Requests that are being carried out."""
        return sum(run.state == "running" for run in self._unfinished())

    @property
    def stopping(self) -> bool:
        return self._stopping

    def check_room(self) -> None:
        """Refuse early what :meth:`submit` would refuse.

        Raises:
            FullError: If as many requests wait as may.
            StoppingError: If the server is about to stop.
        """
        if self._stopping:
            raise StoppingError("the server is about to stop: try another, or later")
        if self.queued >= self.limits.queue:
            raise FullError(f"{self.limits.queue} requests wait already: try again later")

    def submit(
        self, request: str, images: Sequence[bytes | str] = (), thread: str | None = None, pages: str = ""
    ) -> Run:
        """Accept a request; it begins when its turn comes.

        Args:
            request: What is wanted, in words.
            images: Encoded pictures or data URLs.
            thread: The conversation to go on with; a new one where None.
            pages: Which pages to take of files that have several.

        Raises:
            UnknownError: If there is no such conversation, or it has expired.
            BusyError: If that conversation is still at its last request.
            FullError: If as many requests wait as may.
            StoppingError: If the server is about to stop.
        """
        self.expire()
        with self._lock:
            self.check_room()
            run = Run(request, images, thread, pages)
            conversation = self._conversation(run, new=thread is None)
            conversation.runs.append(run)
            self._runs[run.id] = run
            self._futures[run.id] = self._workers.submit(self._carry_out, run, conversation)
        return run

    def run(self, run_id: str) -> Run:
        """A request by its id.

        Raises:
            UnknownError: If there is none, or it has expired.
        """
        run = self._runs.get(run_id)
        if run is None:
            raise UnknownError("there is no such request here, or it has expired")
        return run

    def forget(self, run: Run) -> None:
        """Drop a request that has ended, and its conversation's pictures with the last request of it."""
        with self._lock:
            if run.ended and run.id in self._runs:
                del self._runs[run.id]
                conversation = self._conversations[run.thread]
                conversation.runs.remove(run)
                if not conversation.runs:
                    del self._conversations[run.thread]
                    conversation.close()

    def picture(self, image_id: str) -> Image.Image:
        """A picture of a result that is kept, by its content id.

        Raises:
            UnknownError: If no such result has it.
        """
        with self._lock:
            for run in self._runs.values():
                if run.result and any(image.id == image_id for image in run.result.images):
                    return self._conversations[run.thread].store.open(image_id)
        raise UnknownError("there is no such picture here, or it has expired")

    def expire(self) -> None:
        """Drop what is older, more, or larger than the limits allow; what has not ended stays."""
        with self._lock:
            ended = [run for run in self._runs.values() if run.ended]
            too_many = len(self._runs) - self.limits.keep_requests
            for place, run in enumerate(ended):
                if place < too_many or (run.ended_at or 0) < time.time() - self.limits.keep_seconds:
                    self.forget(run)
            for conversation in [c for c in self._conversations.values() if not c.busy]:
                if sum(c.bytes for c in self._conversations.values()) <= self.limits.keep_bytes:
                    break
                for run in list(conversation.runs):
                    self.forget(run)

    def stop(self) -> None:
        """Take no further requests, and give up those that wait."""
        self._stopping = True
        for run in self._unfinished():
            if run.state == "queued":
                run.cancel()

    def cancel_all(self) -> None:
        for run in self._unfinished():
            run.cancel()

    def close(self) -> bool:
        """Give up what runs, wait for it within bounds, and remove all pictures; whether all of it has ended.

        A request that was given up has ended, and a step of it may still be deep in native code: then not all has.
        """
        self.stop()
        self.cancel_all()
        self._workers.shutdown(wait=False, cancel_futures=True)
        begun = [future for future in list(self._futures.values()) if not future.cancelled()]
        _, unfinished = wait(begun, timeout=_LAST_WORDS)
        with self._lock:
            for conversation in self._conversations.values():
                conversation.close()
            self._conversations.clear()
            self._runs.clear()
        return not unfinished and not left_behind()

    def _conversation(self, run: Run, *, new: bool) -> _Conversation:
        if new:
            store = ImageStore()
            self._conversations[run.thread] = _Conversation(self._make_agent(store), store)
            return self._conversations[run.thread]
        known = self._conversations.get(run.thread)
        if known is None:
            raise UnknownError("there is no such thread here, or it has expired: begin a new one")
        if known.busy:
            raise BusyError("this thread is still at its last request: wait for it to end, or cancel it")
        # What was touched last goes last when room is needed.
        self._conversations[run.thread] = self._conversations.pop(run.thread)
        return known

    def _carry_out(self, run: Run, conversation: _Conversation) -> None:
        run.carry_out(conversation.agent)
        with self._lock:
            self._futures.pop(run.id, None)
            conversation.measure()
        self._watch(run)
        self.expire()

    def _unfinished(self) -> Iterator[Run]:
        return (run for run in list(self._runs.values()) if not run.ended)


_LAST_WORDS = 5.0
"""Seconds that a cancelled request has to notice before the server goes without it."""
