"""Who may speak to a server, and how: bearer token, Host and Origin checks, bounded bodies, as plain ASGI.

A server on the loopback interface is within reach of every web page that its user opens: a page may post to it, and by
having a name of its own resolve to 127.0.0.1 may read from it. Hence a Host that is not the loopback's and an Origin
that is not the server's own are refused there.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from visiongpt_agent.errors import InputError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""What an orchestrator asks without a token; neither tells anything but yes or no."""

_MIN_TOKEN: Final = 16


def read_token(file: Path | None) -> str | None:
    """The bearer token, from a file or from ``VISIONGPT_TOKEN``, which is taken out of the environment.

    A token is never an argument of the command line, which every user of the machine can read.

    Raises:
        InputError: If the file cannot be read, or the token is too short to be a secret.
    """
    given = os.environ.pop("VISIONGPT_TOKEN", "")
    if file is not None:
        try:
            given = file.expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(f"the token file {file} cannot be read: {reason}") from None
    token = given.strip()
    if not token and file is None:
        return None
    if len(token) < _MIN_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InputError(
            f"a token has {_MIN_TOKEN} characters or more, and no spaces among them: make one with openssl rand -hex 32"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, token: str | None) -> None:
    """Refuse to be reachable from other machines by everyone.

    Raises:
        InputError: If the address is beyond the loopback interface and there is no token.
    """
    if token is None and not is_loopback(host):
        raise InputError(
            f"{host} can be reached from other machines: set VISIONGPT_TOKEN or --token-file, or listen on 127.0.0.1"
        )


class Guard:
    """Lets through what may be: the right token where one is set, from the right place where only this machine may.

    Args:
        app: What is guarded.
        token: The bearer token; None lets everyone in who reaches the server.
        loopback: Whether the server listens on the loopback interface only.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, loopback: bool) -> None:
        self._app = app
        self._digest = hashlib.sha256(token.encode()).digest() if token else None
        self._loopback = loopback

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(headers, str(scope["path"]))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await send_problem(send, *refusal)

    def _refusal(self, headers: dict[bytes, str], path: str) -> tuple[HTTPStatus, str] | None:
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._loopback and not is_loopback(_hostname(host)):
            return HTTPStatus.MISDIRECTED_REQUEST, "this server answers to localhost and 127.0.0.1 only"
        if origin is not None and origin.partition("://")[2] != host:
            return HTTPStatus.FORBIDDEN, "web pages of other origins may not use this server"
        if self._digest is not None and path not in OPEN_PATHS:
            scheme, _, given = headers.get(b"authorization", "").partition(" ")
            presented = hashlib.sha256(given.strip().encode("latin-1")).digest()
            if scheme.lower() != "bearer" or not hmac.compare_digest(presented, self._digest):
                return HTTPStatus.UNAUTHORIZED, "send the server's token as Authorization: Bearer TOKEN"
        return None


class BodyTooLargeError(InputError):
    """A body is larger than the server takes."""


class BodyLimit:
    """Counts a body while it is read and stops at the limit, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise BodyTooLargeError(self._too_large())
            return message

        declared = dict(scope.get("headers", ())).get(b"content-length", b"")
        if scope["type"] == "http" and declared.isdigit() and int(declared) > self._limit:
            await send_problem(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._too_large())
        else:
            await self._app(scope, counted, send)

    def _too_large(self) -> str:
        return f"the body is larger than {self._limit / 2**20:.3g} MiB: send smaller pictures"


async def send_problem(send: Send, status: HTTPStatus, detail: str) -> None:
    """Answer with an RFC 9457 problem."""
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _hostname(host: str) -> str:
    """The name in a Host header, its port and the brackets of IPv6 left out."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?", host)
    return (match[1] or match[2]).lower() if match else ""
