"""Who works on which conversation of a folder, told by locks that the system takes back from a dead process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from visiongpt_agent.errors import StateError

_GATE_SECONDS: Final = 60.0


class Locks:
    """One lock file for each request that is going on; one that nobody holds is what a crash leaves behind.

    Files come and go only while the gate is held, so that no two processes hold the same conversation.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def claim(self, thread_id: str) -> Iterator[None]:
        """Hold a conversation.

        Raises:
            StateError: If another thread or process has it.
        """
        lock = self._lock(hashlib.sha256(thread_id.encode("utf-8", "replace")).hexdigest()[:32])
        with self._gate():
            try:
                lock.acquire()
            except Timeout:
                raise StateError.busy(thread_id) from None
        try:
            yield
        finally:
            with self._gate():
                lock.release()
                Path(lock.lock_file).unlink(missing_ok=True)

    def clean_up(self, sweep: Callable[[], None], *, wanted: bool = False) -> None:
        """Clean up after a crash or where it is ``wanted``; while somebody is at work it is left to a later start."""
        with self._gate(), ExitStack() as held:
            if wanted:
                (self._folder / "wanted.lock").touch()
            left = [path for path in self._folder.glob("*.lock") if path.stem != "gate"]
            try:
                for path in left:
                    held.enter_context(self._lock(path.stem))
            except Timeout:
                return
            if left:
                sweep()
            held.close()
            for path in left:
                path.unlink(missing_ok=True)

    def _gate(self) -> FileLock:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self._folder / "gate.lock", timeout=_GATE_SECONDS, thread_local=False)

    def _lock(self, stem: str) -> FileLock:
        return FileLock(self._folder / f"{stem}.lock", timeout=0, thread_local=False)


class OwnLocks:
    """The same where conversations live in this process alone."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def claim(self, thread_id: str) -> Iterator[None]:
        """Hold a conversation.

        Raises:
            StateError: If another thread has it.
        """
        with self._lock:
            if thread_id in self._held:
                raise StateError.busy(thread_id)
            self._held.add(thread_id)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(thread_id)
