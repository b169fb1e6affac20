"""Running what takes long so that Ctrl-C is heard."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def in_background(items: Iterable[T]) -> Iterator[T]:
    """Iterate in a thread of its own: native code there cannot keep the main thread from hearing Ctrl-C.

    Raises:
        BaseException: What the iteration raised.
    """
    queue: SimpleQueue[T | _Ended] = SimpleQueue()

    def iterate() -> None:
        try:
            for item in items:
                queue.put(item)
        except BaseException as fault:
            queue.put(_Ended(fault))
        else:
            queue.put(_Ended(None))

    threading.Thread(target=iterate, daemon=True).start()
    while not isinstance(item := queue.get(), _Ended):
        yield item
    if item.fault is not None:
        raise item.fault


class _Ended:
    def __init__(self, fault: BaseException | None) -> None:
        self.fault = fault
