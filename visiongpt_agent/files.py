"""Files that are there whole or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from visiongpt_agent.errors import StorageError

_PREFIX: Final = "visiongpt-"
_ALIVE: Final = ".alive"
_PART = re.compile(r"\.visiongpt-(\d+)-\w+\.part")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that other readers, and a crash or a power cut, see all of it or nothing.

    Raises:
        StorageError: If the folder is not writable or the disk is full; says which, and what to do.
    """
    _write(path, data, os.replace)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file as :func:`write_atomically` does, unless the name is taken, by whichever thread or process.

    Returns:
        Whether the file was written.

    Raises:
        InputError: If the folder is not writable or the disk is full; says which, and what to do.
    """
    return _write(path, data, _claim)


def _write(path: Path, data: bytes, name: Callable[[str, Path], None]) -> bool:
    """Write a file beside its place, then ``name`` it; False where the name is taken and may not be replaced."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".visiongpt-{os.getpid()}-", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        name(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise StorageError(f"{path} cannot be written: {path.parent} is no folder; name another folder") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}; {remedy(error)}") from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
    return True


def _claim(temporary: str, path: Path) -> None:
    """Give a file a name that is free; the system sees to it that only one can have it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: hold the name, then fill it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        os.replace(temporary, path)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut, where the system lets folders be synced at all."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove what :func:`write_atomically` left half-written in processes that are no more."""
    try:
        names = [name for name in os.listdir(folder) if _PART.fullmatch(name)]
    except OSError:
        return
    for name in names:
        if not _is_alive(int(name.split("-")[1])):
            with contextlib.suppress(OSError):
                os.unlink(folder / name)


class TemporaryFolder:
    """A temporary folder that goes with the process, even where the process is killed.

    It holds a file that is locked while its process lives; making another removes those whose lock is free.
    """

    def __init__(self) -> None:
        _remove_orphans()
        while True:
            folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
            self.path = Path(folder.name)
            self._lock = FileLock(self.path / _ALIVE, timeout=0, thread_local=False)
            with contextlib.suppress(Timeout, OSError):
                self._lock.acquire()
                if (self.path / _ALIVE).exists():  # else another process took the folder for an orphan in between
                    self._folder = folder
                    return

    def remove(self) -> None:
        self._lock.release()
        self._folder.cleanup()


def _remove_orphans() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(Timeout, OSError):
            if folder.is_symlink() or not (folder / _ALIVE).is_file() or folder.stat().st_uid != _user():
                continue
            with FileLock(folder / _ALIVE, timeout=0, thread_local=False):
                shutil.rmtree(folder, ignore_errors=True)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def is_of_storage(error: BaseException) -> bool:
    """Whether an error says that something could not be written, rather than what was wrong with it."""
    return isinstance(error, StorageError) or (isinstance(error, OSError) and error.errno in _STORAGE)


_STORAGE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)


def remedy(error: OSError) -> str:
    """What a person can do about a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space or name another folder"
    if error.errno == errno.EFBIG:
        return "raise the limit on the size of files or name another folder"
    return "name another folder"


def _is_alive(process: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(process))
