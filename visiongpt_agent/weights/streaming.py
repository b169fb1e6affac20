"""Downloading one file over HTTP, going on where an earlier attempt stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import WeightsError

if TYPE_CHECKING:
    import httpx

_CHUNK: Final = 1 << 20
_PAUSES: Final = (0.5, 2.0, 5.0)
"""Seconds to wait before each further attempt; an attempt that brought bytes starts the row anew."""


@dataclass(frozen=True)
class Pin:
    """What the content of a file must be.

    Attributes:
        algorithm: ``sha256``, or ``git`` for the id that git gives to a file's content; ``""`` where none is known.
        digest: In lower-case hexadecimal.
        size: In bytes; -1 where it is not known.
    """

    algorithm: str = ""
    digest: str = ""
    size: int = -1

    def hasher(self) -> Any:
        """A hash object that has been fed nothing of the content yet."""
        if self.algorithm == "git":
            return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        return hashlib.sha256()

    def fits(self, path: Path) -> bool:
        """Whether a file is there and has this content."""
        if not path.is_file() or (self.size >= 0 and path.stat().st_size != self.size):
            return False
        hasher = self.hasher()
        _feed(hasher, path)
        return bool(self.digest) and hasher.hexdigest() == self.digest


def partial(target: Path, pin: Pin) -> Path:
    """Where the first bytes of a file lie until the last has come; files of other content have other names."""
    return target.with_name(f"{target.name}.{pin.digest[:16] or 'unknown'}.part")


def download(
    request: Callable[[Mapping[str, str]], Any],
    target: Path,
    pin: Pin,
    progressed: Callable[[int], None],
) -> None:
    """Download a file whose content is known, from the byte at which an earlier attempt stopped.

    Args:
        request: Opens the response as a context manager, given further headers. It raises what the server refuses.
        target: Where the file goes once it is whole and checked.
        pin: What it must be.
        progressed: Called with the bytes that have come since the last call; negative where some were of no use.

    Raises:
        httpx.HTTPError: If the connection is lost again and again.
        WeightsError: If the content is not what the pin says.
        OSError: If the disk is full or the folder cannot be written to.
    """
    import httpx

    target.parent.mkdir(parents=True, exist_ok=True)
    part = partial(target, pin)
    if not pin.digest:  # nothing says whether what is there is the beginning of the same file
        part.unlink(missing_ok=True)
    part.touch()
    progressed(part.stat().st_size)
    pauses = list(_PAUSES)
    while True:
        before = part.stat().st_size
        try:
            _append(request, part, pin, progressed)
            break
        except httpx.HTTPError as error:
            response = getattr(error, "response", None)
            if part.stat().st_size > before:
                pauses = list(_PAUSES)
            if not pauses or (response is not None and response.status_code < 500):
                raise
            time.sleep(pauses.pop(0))
    _check(part, target, pin)
    part.replace(target)


def _append(
    request: Callable[[Mapping[str, str]], Any], part: Path, pin: Pin, progressed: Callable[[int], None]
) -> None:
    """One attempt: ask for the bytes that are missing, and append them."""
    import httpx

    start = part.stat().st_size
    if pin.size >= 0 and start >= pin.size:
        return
    with request({"Range": f"bytes={start}-"} if start else {}) as response, part.open("ab") as file:
        if response.status_code == 416:  # nothing is left, or what is here is longer than the file
            if pin.fits(part):
                return
            file.truncate(0)
            progressed(-start)
            raise httpx.RemoteProtocolError("the server has fewer bytes")
        if start and response.status_code != 206:  # the server sends all of it
            file.truncate(0)
            progressed(-start)
            start = 0
        for chunk in response.iter_bytes():  # in no chunk size: what is being gathered for one is lost on a break
            file.write(chunk)
            progressed(len(chunk))
        whole = pin.size if pin.size >= 0 else start + _length(response)
    if part.stat().st_size < whole:
        raise httpx.RemoteProtocolError(f"{part.stat().st_size} of {whole} bytes came")


def _length(response: httpx.Response) -> int:
    return int(response.headers.get("content-length", 0))


def _check(part: Path, target: Path, pin: Pin) -> None:
    if not pin.digest:
        return
    hasher = pin.hasher()
    _feed(hasher, part)
    if (digest := hasher.hexdigest()) != pin.digest:
        part.unlink()
        kind = "git id" if pin.algorithm == "git" else "sha256"
        raise WeightsError(
            f"{target.name} came with {kind} {digest}, not the pinned {pin.digest}; it was damaged on its way or "
            "tampered with: pull again"
        )


def _feed(hasher: Any, path: Path) -> None:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
