"""The table as a Parquet file, and lists of pictures from one; needs ``pyarrow``, of the extra ``batch``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import InputError

if TYPE_CHECKING:
    from visiongpt_agent.batch.table import Row

COLUMN: Final = "path"
_GROUP: Final = 2000
"""Rows in memory at a time."""

_NESTED: Final = ("counts", "regions", "codes", "labels", "models")
"""Columns whose values have no fixed form: written as JSON."""


def available() -> bool:
    """Whether ``pyarrow`` is here."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def read_paths(path: Path) -> list[str]:
    """The column ``path`` of a file.

    Raises:
        InputError: If it cannot be read, has no such column, or ``pyarrow`` is not here.
    """
    if not available():
        raise InputError(f'{path} is read by pyarrow: pip install "visiongpt-agent[batch]"')
    import pyarrow as pa
    from pyarrow import parquet

    try:
        names = parquet.read_table(path, columns=[COLUMN]).column(COLUMN).to_pylist()
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise InputError(f"{path} has no readable column {COLUMN!r}: {error}") from None
    return [str(name) for name in names if name]


def write(rows: Iterable[Row], path: Path) -> None:
    """Write a table, whole or not at all; what has no fixed form is a JSON text in its column."""
    from pyarrow import Table, parquet

    part, left = path.with_name(f".{path.name}.{os.getpid()}.part"), iter(rows)
    schema, writer = _schema(), None
    try:
        with parquet.ParquetWriter(part, schema) as writer:
            while group := list(islice(left, _GROUP)):
                writer.write_table(Table.from_pylist(list(_plain(group)), schema=schema))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _plain(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        values = asdict(row)
        yield values | {name: json.dumps(values[name], ensure_ascii=False) for name in _NESTED}


def _schema() -> Any:
    import pyarrow as pa

    texts = ("path", "sha256", "status", "answer", "counts", "regions", "text", "codes", "labels", "error", "same_as")
    kinds = {name: pa.string() for name in (*texts, "models", "plan", "version")}
    kinds |= {"width": pa.int32(), "height": pa.int32(), "seconds": pa.float64()}
    kinds |= {"pictures": pa.list_(pa.string()), "warnings": pa.list_(pa.string())}
    from visiongpt_agent.batch.table import Row

    return pa.schema([(name, kinds[name]) for name in Row.__dataclass_fields__])
