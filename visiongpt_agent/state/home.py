"""Where conversations live: their checkpoints, their pictures, and who is working on them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from langgraph.checkpoint.memory import InMemorySaver

from visiongpt_agent.errors import StateError
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.state.locks import Locks, OwnLocks
from visiongpt_agent.state.serializer import StrictSerializer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from visiongpt_agent.settings import Settings

logger = logging.getLogger(__name__)

_KEY: Final = re.compile(rb"(?:img|reg)-[0-9a-f]{16}")


class Claims(Protocol):
    """Keeps two requests of one conversation apart."""

    def claim(self, thread_id: str) -> AbstractContextManager[None]: ...


class Home:
    """The place of some conversations.

    Make one with :meth:`in_memory`, :meth:`on_disk` or :meth:`given`.

    Attributes:
        store: Their pictures.
        checkpointer: Their states.
    """

    def __init__(
        self, store: ImageStore, checkpointer: BaseCheckpointSaver[Any], claims: tuple[Claims, ...], *, owns: bool
    ) -> None:
        self.store = store
        self.checkpointer = checkpointer
        self._claims = claims
        self._owns_store = owns

    @classmethod
    def in_memory(cls, store: ImageStore | None = None) -> Home:
        """Conversations that end with the process."""
        kept = store or ImageStore()
        return cls(kept, InMemorySaver(serde=StrictSerializer()), (OwnLocks(),), owns=store is None)

    @classmethod
    def on_disk(cls, settings: Settings, store: ImageStore | None = None) -> Home:
        """Conversations in the state folder, or on the Postgres server that the settings name.

        What a crash has left half-written there is removed.

        Raises:
            StateError: If the folder or the server cannot be used.
        """
        from visiongpt_agent.state.sqlite import SqliteConversations

        private_folder(settings.state)
        locks = Locks(settings.state / "locks")
        if settings.database:
            postgres = _postgres(settings.database)
            home = cls(store or _pictures(settings.state), postgres, (locks, postgres), owns=store is None)
        else:
            sqlite = SqliteConversations(settings.state / "conversations.sqlite")
            home = cls(store or _pictures(settings.state), sqlite, (locks,), owns=store is None)
        locks.clean_up(home._sweep)
        return home

    @classmethod
    def given(cls, checkpointer: BaseCheckpointSaver[Any], settings: Settings, store: ImageStore | None = None) -> Home:
        """Conversations that a checkpointer of the caller's keeps; pictures last as long as it does."""
        if store is not None:
            return cls(store, checkpointer, (OwnLocks(),), owns=False)
        if isinstance(checkpointer, InMemorySaver):
            return cls(ImageStore(), checkpointer, (OwnLocks(),), owns=True)
        private_folder(settings.state)
        return cls(_pictures(settings.state), checkpointer, (OwnLocks(),), owns=False)

    @contextmanager
    def claim(self, thread_id: str) -> Iterator[None]:
        """Hold a conversation against everybody else.

        Raises:
            StateError: If a request of it is going on already.
        """
        with ExitStack() as held:
            for claims in self._claims:
                held.enter_context(claims.claim(thread_id))
            yield

    def thread_ids(self) -> list[str]:
        """The conversations, the one last worked on first."""
        if hasattr(self.checkpointer, "thread_ids"):
            return list(self.checkpointer.thread_ids())
        everything = self.checkpointer.list(None)
        return list(dict.fromkeys(str(kept.config["configurable"]["thread_id"]) for kept in everything))

    def forget(self, thread_id: str) -> None:
        """Delete a conversation, and the pictures of this home that no other conversation uses.

        Pictures in a store that was handed in stay.

        Raises:
            StateError: If a request of it is going on.
        """
        with self.claim(thread_id):
            self.checkpointer.delete_thread(thread_id)
        for claims in self._claims:
            if isinstance(claims, Locks) and self._owns_store:
                claims.clean_up(self._sweep, wanted=True)

    def close(self) -> None:
        """Close what was opened here."""
        if hasattr(self.checkpointer, "thread_ids"):
            self.checkpointer.close()  # type: ignore[attr-defined]  # one of ours
        if self._owns_store:
            self.store.close()

    def _sweep(self) -> None:
        """Remove the pictures that no conversation refers to; none where what they refer to cannot be read."""
        if not self._owns_store:
            return
        try:
            used = {key for thread_id in self.thread_ids() for key in self._used(thread_id)}
        except StateError:
            logger.exception("pictures without a conversation are not looked for")
            return
        self.store.keep_only(used)

    def _used(self, thread_id: str) -> set[str]:
        """The content ids that the state of a conversation has anywhere in it, what is not yet applied included."""
        config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
        kept = self.checkpointer.get_tuple(config)
        if kept is None:
            return set()
        _, data = StrictSerializer().dumps_typed([kept.checkpoint["channel_values"], kept.pending_writes])
        return {key.decode() for key in _KEY.findall(data)}


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into, where it is not there yet.

    Raises:
        StateError: If it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"conversations cannot be kept in {folder} ({error.strerror or error}): "
            "name another folder with VISIONGPT_STATE"
        ) from None


def _pictures(folder: Path) -> ImageStore:
    private_folder(folder / "pictures")
    return ImageStore(folder / "pictures")


def _postgres(url: str) -> Any:
    try:
        from visiongpt_agent.state.postgres import PostgresConversations
    except ImportError:
        raise StateError(
            "to keep conversations on a Postgres server, run pip install 'visiongpt-agent[postgres]'"
        ) from None
    return PostgresConversations(url)
