"""A hub on this machine: the addresses, headers, redirects and error codes of the Hugging Face hub, over small files.

It answers as the hub does to ``huggingface_hub`` 1.33: the list of a repository's files with their sizes and checksums,
files that git keeps by one redirect, large ones by another to a second server that knows ranges and no tokens.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

LARGE = frozenset({".safetensors", ".bin", ".onnx", ".pt", ".pth", ".h5", ".msgpack", ".ckpt", ".model", ".gguf"})


def git_id(content: bytes) -> str:
    """The id that git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class HostedRepository:
    """One repository at one revision.

    Attributes:
        files: Content by name.
        revision: The branch or commit under which it is asked for.
        licence: As on its page.
        gated: Whether only :attr:`readers` may have its files.
        readers: Tokens of those.
        moved_to: The name it has now.
        disabled: Whether the hub has taken it down.
        sizes: What the hub says of a file's size, where that is not the content's.
        checksums: What the hub says of a large file's sha256, where that is not the content's.
        lost: Files that are listed and cannot be had.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    revision: str = "main"
    licence: str = "mit"
    gated: bool = False
    readers: tuple[str, ...] = ()
    moved_to: str = ""
    disabled: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def commit(self, name: str) -> str:
        named = len(self.revision) == 40
        return self.revision if named else hashlib.sha1(f"{name}@{self.revision}".encode()).hexdigest()

    def sibling(self, name: str) -> dict[str, Any]:
        """A file as the list of files shows it."""
        content = self.files[name]
        size = self.sizes.get(name, len(content))
        entry: dict[str, Any] = {"rfilename": name, "blobId": git_id(content), "size": size}
        if PurePosixPath(name).suffix in LARGE:
            digest = self.checksums.get(name, hashlib.sha256(content).hexdigest())
            entry["lfs"] = {"sha256": digest, "size": size, "pointerSize": 134}
        return entry


@dataclass
class LocalHub:
    """The hub and what was asked of it.

    Attributes:
        address: For ``HF_ENDPOINT``.
        repositories: By name.
        tokens: Those that are valid.
        requests: ``METHOD path`` of each request, in order.
        ranges: The start of each range that was asked for.
        breaks: How many bytes of a large file are sent before the connection breaks, once each, by name.
        busy: How many requests of files are still to be refused with 503.
    """

    address: str = ""
    repositories: dict[str, HostedRepository] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    ranges: list[int] = field(default_factory=list)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    busy: int = 0

    def fetched(self) -> list[str]:
        """The names of the large files whose content was asked for, in order."""
        return [path.split("/", 5)[5] for path in self.requests if path.startswith("GET /cdn/")]


def _gate(name: str, token: str) -> tuple[int, str, str]:
    """The refusal of a gated repository: to nobody in particular, or to one who was not let in."""
    if token:
        return 403, "GatedRepo", f"Access to model {name} is restricted and you are not in the authorized list."
    return 401, "GatedRepo", f"Access to model {name} is restricted. You must be authenticated to access it."


@contextmanager
def running() -> Iterator[LocalHub]:
    """A hub that listens on a free port of this machine."""
    hub = LocalHub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield hub
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets, and the second would wait for the first

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.hub.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            return self._content("/".join(parts[1:3]), parts[3], "/".join(parts[4:]))
        if parts[:3] == ["api", "resolve-cache", "models"]:
            return self._content("/".join(parts[3:5]), parts[5], "/".join(parts[6:]))
        is_api = parts[:2] == ["api", "models"]
        parts = parts[2:] if is_api else parts
        name, rest = "/".join(parts[:2]), parts[2:]
        repository = self.hub.repositories.get(name)
        if refusal := self._refusal(name, repository, rest, is_api):
            return self._refuse(*refusal)
        assert repository is not None
        if repository.moved_to:
            return self._redirect(307, self.path.replace(name, repository.moved_to, 1), {})
        if is_api:
            return self._describe(name, repository, "blobs" in parse_qs(address.query))
        return self._resolve(name, repository, "/".join(rest[2:]))

    def _refusal(
        self, name: str, repository: HostedRepository | None, rest: list[str], is_api: bool
    ) -> tuple[int, str, str] | None:
        """The status, code and message with which the hub turns a request down."""
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            return 401, "", "Invalid credentials in Authorization header"
        if repository is None:
            return (
                (404, "RepoNotFound", "Repository not found") if token else (401, "", "Invalid username or password.")
            )
        if repository.disabled:
            return 403, "", "Access to this resource is disabled."
        if repository.moved_to:
            return None
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in (repository.revision, repository.commit(name)):
            return 404, "RevisionNotFound", f"Invalid rev id: {revision}"
        if is_api:
            return None
        if repository.gated and token not in repository.readers:
            return _gate(name, token)
        file = "/".join(rest[2:])
        if file not in repository.files or file in repository.lost:
            return 404, "EntryNotFound", "Entry not found"
        if self.hub.busy:
            self.hub.busy -= 1
            return 503, "", "Service Unavailable"
        return None

    def _describe(self, name: str, repository: HostedRepository, with_blobs: bool) -> None:
        siblings = [repository.sibling(file) for file in sorted(repository.files)]
        self._send_json(
            {
                "_id": "0",
                "id": name,
                "modelId": name,
                "sha": repository.commit(name),
                "private": False,
                "disabled": False,
                "gated": "manual" if repository.gated else False,
                "tags": [],
                "downloads": 1,
                "cardData": {"license": repository.licence},
                "siblings": siblings if with_blobs else [{"rfilename": one["rfilename"]} for one in siblings],
            }
        )

    def _resolve(self, name: str, repository: HostedRepository, file: str) -> None:
        commit, sibling = repository.commit(name), repository.sibling(file)
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(sibling["size"])}
        if "lfs" not in sibling:
            target = f"/api/resolve-cache/models/{name}/{commit}/{quote(file)}"
            return self._redirect(307, target, {**headers, "ETag": f'"{sibling["blobId"]}"'})
        host = self.hub.address.replace("127.0.0.1", "localhost")  # another one, as the hub's storage is
        target = f"{host}/cdn/{name}/{commit}/{quote(file)}"
        return self._redirect(302, target, {**headers, "X-Linked-ETag": f'"{sibling["lfs"]["sha256"]}"'})

    def _content(self, name: str, commit: str, file: str) -> None:
        content = self.hub.repositories[name].files[file]
        start = int((self.headers.get("range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        if start:
            self.hub.ranges.append(start)
            if start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if self.hub.breaks.get(file) and self.command == "GET":
            self._break_off(body, self.hub.breaks[file].pop(0), headers, 206 if start else 200)
        else:
            self._send(206 if start else 200, body, headers)

    def _break_off(self, body: bytes, after: int, headers: Mapping[str, str], status: int) -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body[:after])
        self.wfile.flush()
        self.close_connection = True

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self._send_json({"error": message}, status, headers)

    def _redirect(self, status: int, target: str, headers: Mapping[str, str]) -> None:
        self._send(status, f"Redirecting to {target}".encode(), {**headers, "Location": target})

    def _send_json(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(body)
            except OSError:  # the client has seen enough
                self.close_connection = True
