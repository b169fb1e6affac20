"""The table of a batch: a row a picture, as lines of JSON that are only ever appended whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from visiongpt_agent.errors import InputError, StorageError
from visiongpt_agent.files import remedy, write_atomically

ERRORS: Final = ("error", "failed")
"""The statuses of rows that may come out otherwise another time."""

_SYNC_SECONDS: Final = 1.0
"""A power cut may cost the rows of this time; their pictures are then worked on again."""


@dataclass(frozen=True)
class Row:
    """What came of one picture.

    Attributes:
        path: Its name in the batch: the way from the batch's folder, with ``/``.
        sha256: Of its file; ``""`` where that could not be read.
        status: ``done``, ``partial``, ``declined`` or ``failed`` as of any request; ``error``: the picture could not
            be used.
        answer: In words.
        width: Of the picture, in pixels; 0 where it could not be read.
        height: Likewise.
        counts: Regions by label.
        regions: Each with ``tool``, ``label``, ``score`` and ``box`` (``x1, y1, x2, y2`` in pixels).
        text: What was read, whole.
        codes: Each with ``format`` and ``text``.
        labels: What the picture was classified as, each with ``name`` and ``score``.
        pictures: Files made of it, relative to the batch's output folder.
        warnings: What may be wrong, and what was not done.
        seconds: Of work on it.
        error: Why there is no result.
        same_as: The picture with the same file that was worked on instead.
        models: sha256 of the weights by the name of each model that made the result; ``""`` for one without weights.
        plan: The plan that was carried out.
        version: Of the package.
    """

    path: str
    sha256: str = ""
    status: str = "error"
    answer: str = ""
    width: int = 0
    height: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    regions: tuple[Mapping[str, Any], ...] = ()
    text: str = ""
    codes: tuple[Mapping[str, Any], ...] = ()
    labels: tuple[Mapping[str, Any], ...] = ()
    pictures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""
    same_as: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    plan: str = ""
    version: str = ""

    def of_equal(self, path: str, pictures: tuple[str, ...], error: str = "") -> Row:
        """The row of a picture whose file is the same."""
        if error:
            return Row(path, self.sha256, error=error, plan=self.plan, version=self.version)
        return replace(self, path=path, pictures=pictures, seconds=0.0, same_as=self.path)


class Table:
    """``table.jsonl``, open to go on with.

    A last line that a crash left without its end is taken off; no other line is ever changed.

    Args:
        path: The file; it is made where it is absent.

    Raises:
        InputError: If it is damaged, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: set[str] = set()
        """The pictures that have a row."""
        self._places: dict[bytes, int] = {}
        """Where the row of each worked file begins, by the file's sha256."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}; {remedy(error)}") from None
        self._end, self._synced = 0, time.monotonic()
        for row, place in self._read():
            self._learn(row, place)
        os.ftruncate(self._file, self._end)

    def rows(self) -> Iterator[Row]:
        """All rows, in the order in which they were written."""
        return (row for row, _ in self._read())

    def append(self, row: Row) -> None:
        """Write a row.

        Raises:
            StorageError: If the disk is full; the row is then not there.
        """
        line = _line(row)
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(28, "No space left on device")
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise StorageError(f"{self.path} cannot be written: {error.strerror or error}; {remedy(error)}") from None
        self._learn(row, self._end)
        self._end += len(line)

    def worked(self, sha256: str) -> Row | None:
        """The row of the picture that was worked on for this file; None where there is none."""
        place = self._places.get(bytes.fromhex(sha256))
        if place is None:
            return None
        with self.path.open("rb") as stream:
            stream.seek(place)
            return _row(stream.readline(), self.path)

    def close(self) -> None:
        os.fsync(self._file)
        os.close(self._file)

    @staticmethod
    def drop_errors(path: Path) -> None:
        """Write a table without the rows of :data:`ERRORS`, so that their pictures are worked on again."""
        if path.is_file():
            lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
            left = [line for line in lines if _row(line, path).status not in ERRORS]
            if len(left) < len(lines):
                write_atomically(path, b"".join(left))

    def _read(self) -> Iterator[tuple[Row, int]]:
        place = 0
        with self.path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                yield _row(line, self.path), place
                place += len(line)
                self._end = max(self._end, place)

    def _learn(self, row: Row, place: int) -> None:
        self.names.add(row.path)
        if row.sha256 and not row.same_as:
            self._places.setdefault(bytes.fromhex(row.sha256), place)


def _line(row: Row) -> bytes:
    values = asdict(row)
    try:
        return json.dumps(values, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # a file name that is no UTF-8
        return json.dumps(values).encode() + b"\n"


def _row(line: bytes, path: Path) -> Row:
    try:
        values = json.loads(line)
        known: dict[str, Any] = {name: values[name] for name in Row.__dataclass_fields__ if name in values}
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return Row(**known)
    except (ValueError, TypeError):
        raise InputError(f"{path} is damaged: move it away, or name another folder for the results") from None
