"""How threads wait for models and for room, and who gives way where all of them wait for each other.

A thread may wait while it holds leases itself, as long as some thread that holds one is not waiting on the pool too.
Once all of them wait, nobody could ever release anything, so one that holds a lease is refused with a
:class:`~visiongpt_agent.errors.ModelMemoryError`; a thread that holds none never is. Thus no lease is taken from under
anyone, and the pool does not deadlock. Patience bounds the waits that cannot be seen through here, such as a holder
that joins another thread which waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from visiongpt_agent.models.base import ModelCard
from visiongpt_agent.pool.entry import Entry
from visiongpt_agent.pool.memory import NoRoomError


class Waiting:
    """The pool's lock, and the threads that wait under it.

    Args:
        entries: Gives all entries of the pool; called under the lock.
        refusal: Words why a thread that wanted this model is refused.
        patience: Seconds that a thread waits at most.
    """

    def __init__(
        self, entries: Callable[[], Iterable[Entry]], refusal: Callable[[ModelCard], str], patience: float
    ) -> None:
        self.changed = threading.Condition()
        self._entries = entries
        self._refusal = refusal
        self._patience = patience
        self._blocked: set[int] = set()  # threads that wait on the pool
        self._refused: set[int] = set()  # threads that are to give up waiting

    def until(self, ready: Callable[[], bool], card: ModelCard) -> None:
        """Wait under the lock until something is so.

        Args:
            ready: Whether it is so; called under the lock after each change.
            card: Of the model that this thread wants.

        Raises:
            NoRoomError: If this thread is refused, or its patience ends.
        """
        me, deadline = threading.get_ident(), time.monotonic() + self._patience
        try:
            while not ready():
                self._blocked.add(me)
                if not self._someone_works():
                    self._refuse_one(me)
                seconds = deadline - time.monotonic()
                if me in self._refused or seconds <= 0:
                    raise NoRoomError(self._refusal(card))
                self.changed.wait(seconds)
        finally:
            self._blocked.discard(me)
            self._refused.discard(me)

    def wake(self) -> None:
        """Have all threads look again; until it has looked, none of them counts as waiting."""
        self._blocked.clear()
        self.changed.notify_all()

    def _someone_works(self) -> bool:
        """Whether a thread that holds a lease, or loads, is not waiting on the pool."""
        return any(holder not in self._blocked for entry in self._entries() for holder in entry.holders)

    def _refuse_one(self, me: int) -> None:
        """Choose who gives way: this thread where it holds a lease, else another that does."""
        holders = {holder for entry in self._entries() if entry.loaded is not None for holder in entry.holders}
        refused = me if me in holders or not holders else holders.pop()
        self._refused.add(refused)
        self._blocked.discard(refused)
        self.changed.notify_all()
