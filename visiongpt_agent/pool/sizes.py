"""What models really take, measured when they are loaded and remembered for the next time."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from visiongpt_agent.models.base import ModelCard

_FILE: Final = "measured.json"


class Sizes:
    """Bytes by model and dtype, in a small file of the home folder; the last load's figure replaces those before.

    Args:
        home: The home folder. Where it cannot be written to, figures last as long as this object.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / _FILE
        self._lock = threading.Lock()
        self._bytes: dict[str, int] = {}
        with suppress(OSError, ValueError):
            read = json.loads(self._path.read_text("utf-8"))
            self._bytes = {str(key): size for key, size in dict(read).items() if type(size) is int and size > 0}

    def of(self, card: ModelCard, dtype: str) -> int:
        """The measured bytes, 0 where the model has never been measured in this dtype."""
        return self._bytes.get(f"{card.name} {dtype}", 0)

    def learn(self, card: ModelCard, dtype: str, size: int) -> None:
        """Remember a measurement; one of 0 bytes says that nothing could be measured, and is none."""
        with self._lock:
            if not size or self.of(card, dtype) == size:
                return
            self._bytes = {**self._bytes, f"{card.name} {dtype}": size}
            with suppress(OSError):  # the figure is a help, not worth failing a load for
                self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{_FILE}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(self._bytes, stream, indent=1, sort_keys=True)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
