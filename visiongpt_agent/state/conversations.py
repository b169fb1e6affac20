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


class ConversationStore:
    """Keeps conversations: their states, their pictures, and the claims on those that are worked on.

    Make one with :meth:`in_memory`, :meth:`on_disk` or :meth:`around`.

    Attributes:
        images: Their pictures.
        checkpointer: Their states.
    """

    def __init__(
        self,
        images: ImageStore,
        checkpointer: BaseCheckpointSaver[Any],
        claims: tuple[Claims, ...],
        *,
        owns_images: bool,
    ) -> None:
        self.images = images
        self.checkpointer = checkpointer
        self._claims = claims
        self._owns_images = owns_images

    @classmethod
    def in_memory(cls, images: ImageStore | None = None) -> ConversationStore:
        """Conversations that end with the process."""
        checkpointer = InMemorySaver(serde=StrictSerializer())
        return cls(images or ImageStore(), checkpointer, (OwnLocks(),), owns_images=images is None)

    @classmethod
    def on_disk(cls, settings: Settings, images: ImageStore | None = None) -> ConversationStore:
        """Conversations in the state folder, or on the Postgres server that the settings name.

        What a crash has left half-written there is removed.

        Raises:
            StateError: If the folder or the server cannot be used.
        """
        from visiongpt_agent.state.sqlite import SqliteConversations

        private_folder(settings.state)
        locks, owned = Locks(settings.state / "locks"), images is None
        if settings.database:
            postgres = _postgres(settings.database)
            store = cls(images or _images_in(settings.state), postgres, (locks, postgres), owns_images=owned)
        else:
            sqlite = SqliteConversations(settings.state / "conversations.sqlite")
            store = cls(images or _images_in(settings.state), sqlite, (locks,), owns_images=owned)
        locks.clean_up(store._remove_unused_images)
        return store

    @classmethod
    def around(
        cls, checkpointer: BaseCheckpointSaver[Any], settings: Settings, images: ImageStore | None = None
    ) -> ConversationStore:
        """Conversations whose states a checkpointer of the caller's keeps; pictures last as long as it does."""
        if images is not None:
            return cls(images, checkpointer, (OwnLocks(),), owns_images=False)
        if isinstance(checkpointer, InMemorySaver):
            return cls(ImageStore(), checkpointer, (OwnLocks(),), owns_images=True)
        private_folder(settings.state)
        return cls(_images_in(settings.state), checkpointer, (OwnLocks(),), owns_images=False)

    @contextmanager
    def claim(self, thread_id: str) -> Iterator[None]:
        """Hold a conversation against everybody else.

        Raises:
            StateError: If a request of it is going on already.
        """
        with ExitStack() as stack:
            for claims in self._claims:
                stack.enter_context(claims.claim(thread_id))
            yield

    def thread_ids(self) -> list[str]:
        """The conversations, the one last worked on first."""
        if hasattr(self.checkpointer, "thread_ids"):
            return list(self.checkpointer.thread_ids())
        checkpoints = self.checkpointer.list(None)
        return list(dict.fromkeys(str(one.config["configurable"]["thread_id"]) for one in checkpoints))

    def forget(self, thread_id: str) -> None:
        """Delete a conversation, and those of its pictures that no other conversation uses.

        Pictures in an image store that was handed in stay.

        Raises:
            StateError: If a request of it is going on.
        """
        with self.claim(thread_id):
            self.checkpointer.delete_thread(thread_id)
        for claims in self._claims:
            if isinstance(claims, Locks) and self._owns_images:
                claims.clean_up(self._remove_unused_images, wanted=True)

    def close(self) -> None:
        """Close what was opened here."""
        if hasattr(self.checkpointer, "thread_ids"):
            self.checkpointer.close()  # type: ignore[attr-defined]  # one of ours
        if self._owns_images:
            self.images.close()

    def _remove_unused_images(self) -> None:
        """Remove the pictures that no conversation refers to; none if a conversation cannot be read."""
        if not self._owns_images:
            return
        try:
            used = {key for thread_id in self.thread_ids() for key in self._content_ids(thread_id)}
        except StateError:
            logger.exception("pictures without a conversation are not looked for")
            return
        self.images.keep_only(used)

    def _content_ids(self, thread_id: str) -> set[str]:
        """The content ids anywhere in the state of a conversation, its pending writes included."""
        config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
        saved = self.checkpointer.get_tuple(config)
        if saved is None:
            return set()
        _, data = StrictSerializer().dumps_typed([saved.checkpoint["channel_values"], saved.pending_writes])
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


def _images_in(folder: Path) -> ImageStore:
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
