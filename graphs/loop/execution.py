"""One execution of the graph: its clock, how much of it goes on side by side, and when it must stop.

A request may take several: one that was interrupted or killed goes on in another, with a clock of its own, so that
the time while nobody worked on it does not count. What is kept here lives in memory and is never part of the state.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, TypeVar

from langgraph.runtime import RunControl, get_runtime

from visiongpt_agent.graphs.loop.loads import LoadWatch
from visiongpt_agent.graphs.resources import Limits, Resources
from visiongpt_agent.graphs.state import Cause

T = TypeVar("T")

_POLL: Final = 0.1
"""Seconds between two looks at whether to stop; work that ends is noticed at once."""

_KEPT: Final = 512
_LAST_WAIT: Final = 5.0
"""Seconds that a process waits at its end for threads that were left behind."""
_LEFT_BEHIND: Final = weakref.WeakSet[threading.Thread]()


def left_behind() -> list[threading.Thread]:
    """The threads at work for nobody: their calls were given up, and the native code that they are in goes on."""
    return [thread for thread in list(_LEFT_BEHIND) if thread.is_alive()]


@atexit.register
def _wait_for_those_left_behind() -> None:
    """Native code that comes back to an interpreter which is ending aborts the process (``terminate called``)."""
    deadline = time.monotonic() + _LAST_WAIT
    for thread in left_behind():
        thread.join(max(0.0, deadline - time.monotonic()))


@dataclass(frozen=True)
class Stop:
    """Why nothing further is begun, as a kind and in words."""

    cause: Cause
    why: str


class StoppedError(Exception):
    """A call was given up; its thread may still be at work, but nobody waits for it."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.why)
        self.stop = stop


class Execution:
    """The work on one request from when a process takes it up until it hands it back.

    Args:
        limits: Bounds of the loop.
        cancelled: Whether the person has called the request off.
        loads: Is told of while work goes on.
    """

    def __init__(self, limits: Limits, cancelled: Callable[[], bool], loads: LoadWatch) -> None:
        self._limits = limits
        self._cancelled = cancelled
        self._loads = loads
        self._begun = time.monotonic()
        self._slots = threading.BoundedSemaphore(limits.workers)

    def stop(self) -> Stop | None:
        """Why it must stop, None while it may go on."""
        if self._cancelled():
            return Stop("cancelled", "the request was cancelled")
        if time.monotonic() - self._begun >= self._limits.seconds:
            return Stop("deadline", f"the time limit of {self._limits.seconds:g} s was reached")
        return None

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until one more step may run.

        Raises:
            StoppedError: If the execution must stop before that.
        """
        while True:
            if stop := self.stop():
                raise StoppedError(stop)
            if self._slots.acquire(timeout=_POLL):
                break
        try:
            yield
        finally:
            self._slots.release()

    def call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Do some work in a thread of its own, and wait for it no longer than there is reason to.

        Native code cannot be ended from outside: what hangs is left behind in a thread that does not keep the process
        alive, and whatever it still hands back is not used.

        Args:
            work: What to do; what it raises is raised here.
            seconds: The time that it may take, beside that of the whole execution.

        Raises:
            StoppedError: If it was given up.
        """
        if stop := self.stop():
            raise StoppedError(stop)
        outcome: Future[T] = Future()
        context = copy_context()

        def carry_out() -> None:
            try:
                outcome.set_result(context.run(work))
            except BaseException as fault:
                outcome.set_exception(fault)

        begun = time.monotonic()
        thread = threading.Thread(target=carry_out, name="visiongpt-step", daemon=True)
        thread.start()
        while not wait((outcome,), _POLL).done:
            self._loads.look()
            if (stop := self.stop()) is None and seconds is not None and time.monotonic() - begun >= seconds:
                stop = Stop("deadline", f"it did not end within {seconds:g} s")
            if stop:
                _LEFT_BEHIND.add(thread)
                raise StoppedError(stop)
        self._loads.look()
        return outcome.result()


class Executions:
    """The executions of one graph, found again from within its nodes."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._lock = threading.Lock()
        self._by_control: OrderedDict[RunControl, tuple[int, Execution]] = OrderedDict()

    def current(self, turn: int) -> Execution:
        """The execution that the calling node is part of; LangGraph makes one ``RunControl`` for each."""
        runtime = get_runtime()
        info, control = runtime.execution_info, runtime.control
        thread = (info.thread_id if info else None) or ""
        with self._lock:
            known = self._by_control.get(control) if control else None
            if known is not None and known[0] == turn:
                return known[1]
            loads = LoadWatch(self._resources.models.loading)
            execution = Execution(self._resources.limits, lambda: self._resources.cancelled(thread), loads)
            if control:
                self._by_control[control] = (turn, execution)
                while len(self._by_control) > _KEPT:
                    self._by_control.popitem(last=False)
            return execution
