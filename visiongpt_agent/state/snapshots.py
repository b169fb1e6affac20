"""What is read back of a conversation that a graph keeps: its newest state, and those at the ends of its requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from visiongpt_agent.errors import StateError

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot

    from visiongpt_agent.graphs.build import Graph

STATE_VERSION: Final = 1
"""Of what the graph keeps of a conversation; one more where an older version could not go on with it."""

VERSION_KEY: Final = "visiongpt_state"
"""Where a checkpoint's metadata has the version."""


@dataclass(frozen=True)
class Conversation:
    """A conversation that is kept.

    Attributes:
        thread_id: Its name.
        request: The last request.
        status: How that went: one of :class:`VisionResult`'s, ``unfinished`` where it was interrupted or is still going
            on, ``unreadable`` where it is damaged or of another version.
        requests: How many there were.
        images: How many pictures it has.
        updated: When it was last worked on, as ISO 8601 in UTC.
    """

    thread_id: str
    request: str = ""
    status: str = "unreadable"
    requests: int = 0
    images: int = 0
    updated: str = ""


def newest_snapshot(graph: Graph, thread_id: str) -> StateSnapshot:
    """The newest state of a conversation; one without values where nothing is kept of it.

    Raises:
        StateError: If it cannot be read, or another version wrote it.
    """
    snapshot = graph.get_state({"configurable": {"thread_id": thread_id}})
    version = (snapshot.metadata or {}).get(VERSION_KEY, STATE_VERSION)
    if version != STATE_VERSION:
        raise StateError(
            f"the conversation {thread_id!r} was written by another version of visiongpt-agent (state {version}, this "
            f"one reads {STATE_VERSION}): use that version, or remove it with visiongpt threads forget {thread_id}"
        )
    return snapshot


def existing_snapshot(graph: Graph, thread_id: str) -> StateSnapshot:
    """The newest state of a conversation that there is.

    Raises:
        StateError: If there is none of this name, it cannot be read, or another version wrote it.
    """
    snapshot = newest_snapshot(graph, thread_id)
    if not snapshot.values:
        raise unknown_conversation(thread_id)
    return snapshot


def snapshot_after(turn: int, graph: Graph, thread_id: str) -> StateSnapshot:
    """The state of a conversation at the end of a request of it, counted from 1.

    Raises:
        StateError: If that state is not kept.
    """
    for past in graph.get_state_history({"configurable": {"thread_id": thread_id}}):
        if past.values.get("turn") == turn and not past.next:
            return past
    raise StateError(f"what the conversation {thread_id!r} was before its last request is not kept any more")


def summary(graph: Graph, thread_id: str) -> Conversation:
    """A conversation as it is listed; one that cannot be read has the status ``unreadable``."""
    try:
        snapshot = newest_snapshot(graph, thread_id)
        state = snapshot.values
        status = "waiting" if snapshot.interrupts else "unfinished" if snapshot.tasks else state["status"]
        updated = snapshot.created_at or ""
        return Conversation(thread_id, state["request"], status, state["turn"], len(state["images"]), updated)
    except (StateError, KeyError):
        return Conversation(thread_id)


def unknown_conversation(thread_id: str) -> StateError:
    return StateError(f"there is no conversation {thread_id!r}: visiongpt threads list shows those that are kept")
