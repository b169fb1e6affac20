"""The Hugging Face hub: what a repository holds, its files, and its refusals in words that say what to do.

Its own library knows the address, the proxy and the token. The files come over plain HTTP, as the library's own
download starts a file anew when it was interrupted.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.redaction import redacted
from visiongpt_agent.untrusted import one_line
from visiongpt_agent.weights.choosing import Choice, Wish, choose
from visiongpt_agent.weights.progress import Meter, Notify, Progress
from visiongpt_agent.weights.streaming import Pin, download, partial

if TYPE_CHECKING:
    import httpx

_SECONDS: Final = 30.0
"""Without a byte, after which a connection counts as lost."""
_LARGEST_INDEX: Final = 64 * 2**20
"""Bytes; the index of a model of some hundred shards has about ten million."""
_SPARE: Final = 64 * 2**20
"""Bytes of the disk that a pull leaves free."""
_TOKEN_PAGE: Final = "https://huggingface.co/settings/tokens"


@dataclass(frozen=True)
class Repository:
    """A repository of models at one commit, as the hub describes it.

    Attributes:
        name: ``owner/name``, the present one where it was renamed.
        commit: 40 hexadecimal digits.
        licence: As its page names it, ``""`` where it names none.
        gated: Whether its owners give access to each person who asks for it.
        files: What each file's content is, by name.
    """

    name: str
    commit: str
    licence: str
    gated: bool
    files: Mapping[str, Pin]

    @property
    def page(self) -> str:
        """The address of its page, where access is asked for."""
        return f"{_endpoint()}/{self.name}"

    def choose(self, wish: Wish) -> Choice:
        """The files that a wish needs; small indices are read from the hub.

        Raises:
            WeightsError: If something is not there, or the hub refuses to give an index.
        """
        return choose(wish, self.files, self.read, f"{self.name} at {self.commit[:12]} on the hub")

    def read(self, name: str) -> bytes:
        """The content of a small file.

        Raises:
            WeightsError: If the hub does not give it, or it is far too large for an index.
        """
        content = bytearray()
        with refusals(self.name, self.commit), self._request(name, {}) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _LARGEST_INDEX:
                    raise WeightsError(f"{name} of {self.name} is larger than {_LARGEST_INDEX} bytes: it is no index")
        return bytes(content)

    def fetch(self, name: str, target: Path, meter: Meter) -> None:
        """Download one file and check it; one that is there already is left as it is.

        Raises:
            WeightsError: If the hub does not give it, or its content is not what the hub said.
        """
        pin = self.files[name]
        if pin.fits(target):
            meter.add(pin.size)
            return
        with refusals(self.name, self.commit):
            download(lambda more: self._request(name, more), target, pin, meter.add)

    def missing(self, names: tuple[str, ...], into: Path) -> int:
        """Bytes of these files that are not in a folder yet."""
        count = 0
        for name in names:
            target, pin = into / name, self.files[name]
            here = target if target.is_file() else partial(target, pin)
            count += max(0, pin.size - (here.stat().st_size if here.is_file() else 0))
        return count

    @contextmanager
    def _request(self, name: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        import huggingface_hub

        library: Any = huggingface_hub.utils  # only partly typed
        url = huggingface_hub.hf_hub_url(self.name, name, revision=self.commit, endpoint=_endpoint())
        own = {**library.build_hf_headers(), "Accept-Encoding": "identity", **headers}
        session = library.get_session()
        with session.stream("GET", url, headers=own, follow_redirects=True, timeout=_SECONDS) as response:
            library.hf_raise_for_status(response)
            yield response


def look_up(repo: str, revision: str) -> Repository:
    """Ask the hub what a repository holds at a revision; no weights are fetched.

    Raises:
        WeightsError: If the hub cannot be reached, or does not have or does not show it.
    """
    from huggingface_hub import HfApi

    with refusals(repo, revision):
        info = HfApi(endpoint=_endpoint()).model_info(repo, revision=revision, files_metadata=True, timeout=_SECONDS)
    return Repository(
        name=info.id,
        commit=info.sha or revision,
        licence=one_line(str(getattr(info.card_data, "license", None) or "")),
        gated=bool(info.gated),
        files={file.rfilename: _pin(file) for file in info.siblings or ()},
    )


def fetch_chosen(
    repo: str,
    revision: str,
    wish: Wish,
    into: Path,
    progress: Progress,
    notify: Notify,
    *,
    others: Collection[str] = (),
) -> tuple[Repository, Choice]:
    """Fetch what a wish needs of a repository, small files first, and go on with what is in the folder already.

    Args:
        repo: ``owner/name``.
        revision: Commit, branch or tag.
        wish: What is needed.
        into: The folder that receives the files; what it holds besides is deleted.
        progress: Takes reports of how far it is.
        notify: Takes the size, commit and licence before the first byte of weights comes.
        others: Sub-folders of ``into`` that are not of this repository and are left alone.

    Raises:
        WeightsError: If it cannot be had; the message says what to do.
    """
    from visiongpt_agent.settings import format_bytes

    repository = look_up(repo, revision)
    _announce_gate(repository, notify)
    choice = repository.choose(wish)
    total = sum(max(0, repository.files[name].size) for name in choice.names)
    renamed = f", which is now named {repository.name}" if repository.name != repo else ""
    licence = f", licence: {repository.licence}" if repository.licence else ""
    count = f"{len(choice.names)} file{'s' if len(choice.names) > 1 else ''}"
    notify(f"{repo}{renamed} at {repository.commit[:12]}: {format_bytes(total)} in {count}{licence}")
    _prune(repository, choice, into, others)
    pickled = sum(repository.files[name].size for name in choice.pickles)
    require_space(into, repository.missing(choice.names, into) + pickled)
    meter = Meter(f"downloading {repository.name}", total, progress)
    for name in sorted(choice.names, key=lambda name: (repository.files[name].size, name)):
        repository.fetch(name, into / name, meter)
    return repository, choice


def _prune(repository: Repository, choice: Choice, into: Path, others: Collection[str]) -> None:
    """Delete what an earlier pull left that is not part of this choice, such as files of an older commit."""
    wanted = {into / name for name in choice.names}
    wanted |= {partial(into / name, repository.files[name]) for name in choice.names}
    for path in [*into.rglob("*")]:
        elsewhere = any(path.is_relative_to(into / other) for other in others)
        if path.is_file() and path not in wanted and not elsewhere:
            path.unlink()


def require_space(folder: Path, count: int) -> None:
    """Refuse what does not fit on a folder's disk.

    Raises:
        WeightsError: If fewer than ``count`` bytes are free.
    """
    from visiongpt_agent.settings import format_bytes

    free = shutil.disk_usage(folder).free
    if count and free < count + _SPARE:
        raise WeightsError(
            f"{format_bytes(count)} more are needed on disk and {format_bytes(free)} are free: free some space, or set "
            "VISIONGPT_HOME to a folder on a larger disk"
        )


def is_full(error: OSError) -> bool:
    """Whether a failure to write means that the disk, or the person's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def refusals(repo: str, revision: str) -> Iterator[None]:
    """Turn what the hub refuses, or the network to it, into a :class:`WeightsError` that says what to do."""
    import httpx
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except (httpx.HTTPError, OfflineModeIsEnabled, HFValidationError) as error:
        raise WeightsError(_explained(redacted(error), repo, revision)) from error


def _explained(error: Exception, repo: str, revision: str) -> str:
    """What went wrong, and what to do, by the kind of the refusal."""
    from huggingface_hub import errors

    page = f"{_endpoint()}/{repo}"
    match error:
        case errors.GatedRepoError():
            return _gate_closed(repo, page)
        case errors.DisabledRepoError():
            return f"{repo} was disabled by the hub: see {page}"
        case errors.RepositoryNotFoundError():
            return _not_shown(repo)
        case errors.RevisionNotFoundError():
            return f"{repo} has no revision {revision} any more: its revisions are listed at {page}/commits"
        case errors.RemoteEntryNotFoundError():
            return f"{repo} at {revision} has lost a file that it listed: see {page}/tree/{revision}"
        case errors.OfflineModeIsEnabled():
            return (
                f"{repo} cannot be downloaded while HF_HUB_OFFLINE is set: unset it, or download the files elsewhere "
                "and pull --from their folder"
            )
        case errors.HfHubHTTPError():
            return _by_status(error, repo)
        case errors.HFValidationError():
            return f"{one_line(repo)!r} is no name of a repository on the hub: it is OWNER/NAME"
    return (
        f"{repo} could not be downloaded, as {_endpoint()} cannot be reached ({_short(error)}): check the network and "
        "the proxy and pull again, which goes on where it stopped, or download the files elsewhere and pull --from "
        "their folder"
    )


def _by_status(error: Any, repo: str) -> str:
    status = error.response.status_code if error.response is not None else 0
    if status == 401 and not _token():  # as the hub answers strangers who ask for what is not there
        return _not_shown(repo)
    if status == 401:
        return f"the hub does not accept the token in HF_TOKEN: make another at {_TOKEN_PAGE}, or unset it"
    if status == 403:
        return f"the token in HF_TOKEN may not read {repo}: give it read access at {_TOKEN_PAGE}"
    if status == 429:
        return f"the hub has had too many requests from here: wait some minutes and pull {repo} again, or set HF_TOKEN"
    return f"the hub did not give {repo} ({_short(error)}): pull again later, which goes on where it stopped"


def _not_shown(repo: str) -> str:
    hint = "" if _token() else ", or set HF_TOKEN if it is private"
    return f"the hub shows no repository {repo}: look for its name at {_endpoint()}{hint}"


def _announce_gate(repository: Repository, notify: Notify) -> None:
    if not repository.gated:
        return
    if not _token():
        raise WeightsError(_gate_closed(repository.name, repository.page))
    notify(f"{repository.name} is gated; its owners' terms are at {repository.page}")


def _gate_closed(repo: str, page: str) -> str:
    if _token():
        return f"{repo} is gated, and the account of HF_TOKEN has no access: ask for access at {page}, then pull again"
    return f"{repo} is gated: ask for access at {page}, then set HF_TOKEN to a token of that account ({_TOKEN_PAGE})"


def _pin(file: Any) -> Pin:
    size = -1 if file.size is None else int(file.size)
    if file.lfs is not None:
        return Pin("sha256", file.lfs.sha256, size)
    return Pin("git", file.blob_id or "", size) if size >= 0 else Pin()


def _short(error: BaseException) -> str:
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return one_line(first.partition(". ")[0])[:160]


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _endpoint() -> str:
    from huggingface_hub import constants

    return os.fspath(constants.ENDPOINT)
