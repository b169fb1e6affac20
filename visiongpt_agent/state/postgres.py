"""Conversations on a Postgres server, for agents on several machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from visiongpt_agent.errors import StateError
from visiongpt_agent.state.serializer import StrictSerializer

CONNECT_SECONDS = 10
_SETUP_LOCK = 0x7649_7350  # any fixed number: it keeps two processes from making the tables at once

Row = dict[str, Any]


class PostgresConversations(PostgresSaver):
    """LangGraph's saver over a pool of connections, which tells faults in one line and knows its conversations.

    Args:
        url: ``postgresql://user:password@host/database``; it is never shown.

    Raises:
        StateError: If the server cannot be reached.
    """

    conn: ConnectionPool[psycopg.Connection[DictRow]]

    def __init__(self, url: str) -> None:
        self._url = url
        settings: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        with self._one_line_errors():
            with self._connected() as connection:  # a wrong address is told at once, where a pool would keep trying
                connection.execute("SELECT pg_advisory_lock(%s)", (_SETUP_LOCK,))
                PostgresSaver(connection).setup()
            pool = ConnectionPool[psycopg.Connection[DictRow]](
                url, min_size=1, max_size=4, timeout=CONNECT_SECONDS, kwargs=settings, open=True
            )
        super().__init__(pool, serde=StrictSerializer())

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[psycopg.Cursor[DictRow]]:
        with self._one_line_errors(), super()._cursor(pipeline=pipeline) as cursor:
            yield cursor

    def thread_ids(self) -> list[str]:
        """The conversations, the one last worked on first."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT thread_id FROM checkpoints GROUP BY thread_id ORDER BY MAX(checkpoint_id) DESC"
            ).fetchall()
        return [str(row["thread_id"]) for row in rows]

    @contextmanager
    def claim(self, thread_id: str) -> Iterator[None]:
        """Hold a conversation against agents on other machines; the server lets go when the connection ends.

        Raises:
            StateError: If another has it.
        """
        with self._one_line_errors():
            connection = self._connected()
        with connection:
            row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS held", (thread_id,))
            held = row.fetchone()
            if held is None or not held["held"]:
                raise StateError.busy(thread_id)
            yield

    def close(self) -> None:
        self.conn.close()

    def _connected(self) -> psycopg.Connection[DictRow]:
        return psycopg.Connection[DictRow].connect(
            self._url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_SECONDS
        )

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise StateError(
                f"the Postgres server that keeps the conversations cannot be used ({told}): look whether it runs and "
                "what VISIONGPT_STATE names"
            ) from None
