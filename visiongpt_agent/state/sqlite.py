"""Conversations in a SQLite file; several processes may share it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver

from visiongpt_agent.errors import StateError
from visiongpt_agent.state.serializer import StrictSerializer

WAIT_SECONDS = 30.0
"""How long a process waits for another that is writing."""

_REMEDIES = {
    "SQLITE_FULL": "free some space on its disk, then go on with visiongpt run --resume NAME",
    "SQLITE_READONLY": "make it writable, or name another folder with VISIONGPT_STATE",
    "SQLITE_CANTOPEN": "make its folder writable, or name another with VISIONGPT_STATE",
    "SQLITE_BUSY": "another process is writing to it: try again",
    "SQLITE_IOERR": "look whether its disk is full or broken, then go on with visiongpt run --resume NAME",
}
_DAMAGED = "move it away, or name another folder with VISIONGPT_STATE"


class SqliteConversations(SqliteSaver):
    """LangGraph's saver, which tells faults in one line and knows its conversations.

    Args:
        path: The file; it is made where it is absent, readable by its owner alone.

    Raises:
        StateError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._one_line_errors():
            self._make(path)
            connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
        super().__init__(connection, serde=StrictSerializer())

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        with self._one_line_errors(), super().cursor(transaction) as cursor:
            yield cursor

    def thread_ids(self) -> list[str]:
        """The conversations, the one last worked on first."""
        with self.cursor(transaction=False) as cursor:
            rows = cursor.execute(
                "SELECT thread_id FROM checkpoints GROUP BY thread_id ORDER BY MAX(checkpoint_id) DESC"
            )
            return [str(row[0]) for row in rows]

    @contextmanager
    def claim(self, thread_id: str) -> Iterator[None]:
        """Nothing: the locks of the folder that the file is in keep others away."""
        yield

    def close(self) -> None:
        with self.lock:
            self.conn.close()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])  # SQLITE_IOERR_WRITE is an IOERR
            raise StateError(
                f"the conversations in {self._path} cannot be used ({error}): {_REMEDIES.get(kind, _DAMAGED)}"
            ) from error

    def _make(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StateError(
                f"{path} cannot be written ({error.strerror or error}): name another folder with VISIONGPT_STATE"
            ) from None
