"""Keys and values of prompt beginnings that do not change, in memory and on disk for the next process."""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Tensor = TypeVar("Tensor")


class PrefixCache(ABC, Generic[Tensor]):
    """What a network remembers of prompt beginnings, the ``size`` last used ones.

    A beginning of n tokens takes ``2 * layers * kv_heads * head_dim * n`` numbers: 27 MB for the planner's catalogue in
    float32.

    Args:
        size: How many beginnings stay in memory and in the folder.
        folder: Where they stay for the next process; a folder that belongs to the model's weights and goes with them.
            In memory alone where None.
    """

    def __init__(self, size: int = 3, folder: Path | None = None) -> None:
        self._size = size
        self._folder = folder
        self._entries: OrderedDict[tuple[int, ...], list[Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def memory_of(self, prefix: Sequence[int]) -> list[Tensor]:
        """Keys and values of each layer in turn, shared: copy them before they are written to. Empty for no tokens."""
        key = tuple(prefix)
        if not key:
            return []
        with self._lock:  # held while computing: two requests at once must not both do it
            if key not in self._entries:
                self._entries[key] = self._from_disk(key) or self._computed(key)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
            return self._entries[key]

    @property
    @abstractmethod
    def runtime(self) -> str:
        """What computes, with its version and numbers' form: another one may compute in another order."""

    @abstractmethod
    def compute(self, prefix: Sequence[int]) -> list[Tensor]:
        """Have the network read a prefix; returns keys and values of each layer in turn."""

    @abstractmethod
    def load(self, file: Path) -> dict[str, Tensor]:
        """Read tensors by name from a safetensors file."""

    @abstractmethod
    def save(self, tensors: Mapping[str, Tensor], file: Path) -> None:
        """Write tensors by name to a safetensors file."""

    def _computed(self, prefix: Sequence[int]) -> list[Tensor]:
        memory = self.compute(prefix)
        self._to_disk(prefix, memory)
        return memory

    def _from_disk(self, prefix: Sequence[int]) -> list[Tensor]:
        """What an earlier process left; nothing where it cannot be read."""
        from safetensors import SafetensorError

        file = self._file(prefix)
        if file is None or not file.is_file():
            return []
        try:
            tensors = self.load(file)
            file.touch()
            return [tensors[f"{number}"] for number in range(len(tensors))]
        except (OSError, SafetensorError, KeyError) as fault:
            logger.info("%s cannot be read and is made anew: %s", file, fault)
            return []

    def _to_disk(self, prefix: Sequence[int], memory: Sequence[Tensor]) -> None:
        """Keep it for the next process, where there is room and the folder may be written to."""
        file = self._file(prefix)
        if file is None:
            return
        part = file.with_suffix(f".{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self.save({f"{number}": tensor for number, tensor in enumerate(memory)}, part)
            part.replace(file)
            newest = sorted(file.parent.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in newest[self._size :]:
                old.unlink(missing_ok=True)
        except OSError as fault:
            logger.info("the planner's prompt is not kept for the next process: %s", fault)
            with suppress(OSError):
                part.unlink()

    def _file(self, prefix: Sequence[int]) -> Path | None:
        if self._folder is None:
            return None
        identity = f"{self.runtime} {list(prefix)}"
        return self._folder / f"{sha256(identity.encode()).hexdigest()[:24]}.safetensors"
