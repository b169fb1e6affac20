"""What is told of models that are being loaded while a node waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from langgraph.config import get_stream_writer

from visiongpt_agent.pool import Load

_LONG: Final = 1.0
"""Seconds; what loads faster is not worth a word."""


class LoadWatch:
    """Tells, as events, of models that take long to load, and when they are there.

    Args:
        loading: The models on their way into memory.
    """

    def __init__(self, loading: Callable[[], Sequence[Load]]) -> None:
        self._loading = loading
        self._lock = threading.Lock()
        self._as_json: dict[str, Load] = {}

    def look(self) -> None:
        """Tell what is new; called by a node while it waits, and once more when its wait is over."""
        now = {load.card.name: load for load in self._loading() if load.seconds >= _LONG}
        with self._lock:
            begun = [load for name, load in now.items() if name not in self._as_json]
            ended = [load for name, load in self._as_json.items() if name not in now]
            self._as_json = now
        for load in begun:
            get_stream_writer()({"loading": _as_json(load)})
        for load in ended:
            get_stream_writer()({"loaded": _as_json(load)})


def _as_json(load: Load) -> dict[str, Any]:
    return {
        "model": load.card.name,
        "title": load.card.title,
        "device": load.device,
        "bytes": load.bytes,
        "seconds": round(load.seconds, 1),
    }
