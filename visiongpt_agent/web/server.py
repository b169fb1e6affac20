"""The page's server: who may come in, pictures in and out, and the page itself."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse
from langgraph.checkpoint.memory import InMemorySaver
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.samples import sample_photo
from visiongpt_agent.web import page as pages
from visiongpt_agent.web.as_python import SAMPLES
from visiongpt_agent.web.conversations import Conversations, PageLimits, too_large

_SWEEP_SECONDS: Final = 15.0
_NEVER_SNIFF: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}


def read_auth(text: str) -> tuple[str, str]:
    """A name and a password from ``name:password``.

    Raises:
        InputError: If it is not of that form, or the password is too short to keep anybody out.
    """
    name, colon, password = text.strip().partition(":")
    if not (name and colon and len(password) >= 8):
        raise InputError("the page's password is written name:password, the password at least 8 characters long")
    return name, password


def check_reach(host: str, auth: tuple[str, str] | None) -> None:
    """Refuse to open the page to others without a password.

    Raises:
        InputError: If the address is not of this machine alone and there is no password.
    """
    if not is_loopback(host) and auth is None:
        raise InputError(
            f"{host} can be reached from other machines: set a password with --auth-file or VISIONGPT_UI_AUTH"
        )


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def agent_of_a_tab(pool: ModelPool) -> VisionGPT:
    """An agent that keeps its conversation in memory and its pictures in a folder that goes with it."""
    return VisionGPT(pool=pool, store=ImageStore(), checkpointer=InMemorySaver())


@contextmanager
def opened_app(
    host: str = "127.0.0.1",
    *,
    auth: tuple[str, str] | None = None,
    limits: PageLimits | None = None,
    pool: ModelPool | None = None,
    make_agent: Callable[[], VisionGPT] | None = None,
) -> Iterator[FastAPI]:
    """The page as an ASGI app; what its conversations made goes when the context ends.

    Args:
        host: The address that it will be served at.
        auth: Name and password that a browser must give; needed beyond loopback.
        limits: What tabs may ask for.
        pool: The models that all conversations share; one of its own by default.
        make_agent: Makes the agent of a conversation; by default one over the pool.
    """
    check_reach(host, auth)
    models = pool or ModelPool()
    conversations = Conversations(make_agent or (lambda: agent_of_a_tab(models)), limits or PageLimits())
    ended = threading.Event()

    def sweep() -> None:
        while not ended.wait(_SWEEP_SECONDS):
            conversations.sweep()

    threading.Thread(target=sweep, name="sweep", daemon=True).start()
    try:
        yield _app(host, conversations, auth)
    finally:
        ended.set()
        conversations.close()
        if pool is None:
            models.close()


def _app(host: str, conversations: Conversations, auth: tuple[str, str] | None) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.conversations = conversations
    _add_pictures(app, conversations)
    app.add_middleware(Guard, host=host, auth=auth)
    gr.mount_gradio_app(
        app,
        pages.build_page(conversations),
        "/",
        server_name=host,
        footer_links=[],
        run_history=False,
        show_error=True,
        max_file_size=1,  # pictures come another way: nothing is to be put into gradio's own folder
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=pages.theme(),
        css=pages.asset("page.css"),
    )
    return app


# ---------------------------------------------------------------------------------------------------- who comes in


class Guard:
    """ASGI middleware that lets in who may come in; plain, so that closed tabs are still noticed behind it."""

    def __init__(self, app: ASGIApp, host: str, auth: tuple[str, str] | None) -> None:
        self._app = app
        self._host = host
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        refusal = self._refusal(Headers(scope=scope))
        return await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        # Another page could reach a server on this machine under a name of its own, or post to it from the browser.
        if is_loopback(self._host) and not is_loopback(_hostname(host)):
            return JSONResponse({"error": "this page is served to this machine alone"}, 403)
        if origin is not None and origin.partition("://")[2] != host:
            return JSONResponse({"error": "this page takes no requests from other pages"}, 403)
        if self._auth is not None and not _knows(headers.get("authorization", ""), self._auth):
            return Response("name and password, please", 401, {"WWW-Authenticate": 'Basic realm="VisionGPT"'})
        return None


def _hostname(host: str) -> str:
    """The name in a Host header, ``""`` where it holds none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets without an address
        return ""


def _knows(header: str, auth: tuple[str, str]) -> bool:
    """Whether an Authorization header, which may hold any bytes, gives the name and the password."""
    kind, _, encoded = header.partition(" ")
    try:
        credentials = base64.b64decode(encoded, validate=True)
    except ValueError:  # no base64, or not even ASCII
        return False
    return kind.lower() == "basic" and secrets.compare_digest(credentials, ":".join(auth).encode())


# -------------------------------------------------------------------------------------------- pictures, in and out


def _add_pictures(app: FastAPI, conversations: Conversations) -> None:
    @app.exception_handler(VisionGPTError)
    async def refused(_: Request, fault: Exception) -> Response:
        return JSONResponse({"error": str(fault)}, 422)

    @app.post("/conversations/{key}/pictures")
    async def add(key: str, request: Request, title: str = "", sample: str = "") -> dict[str, Any]:
        conversation = conversations.get(key)
        path = _sample(sample) if sample else None
        data = path.read_bytes() if path else await _body(request, title, conversations.limits)
        await run_in_threadpool(conversation.add, data, path.name if path else title)
        return pages.stage_value(conversation)

    @app.get("/conversations/{key}/pictures/{name}.png")
    def picture(key: str, name: str) -> Response:
        return Response(conversations.get(key).png(name), media_type="image/png", headers=_NEVER_SNIFF)

    @app.get("/conversations/{key}/turns/{number}.json")
    def result(key: str, number: int) -> Response:
        turns = conversations.get(key).turns
        done = turns[number - 1].result if 1 <= number <= len(turns) else None
        if done is None:
            raise InputError(f"there is no result {number} in this conversation")
        return Response(done.to_json(), media_type="application/json", headers=_NEVER_SNIFF)

    @app.get("/samples/{name}.jpg")
    def sample_picture(name: str) -> Response:
        return FileResponse(_sample(name), headers=_NEVER_SNIFF)


def _sample(name: str) -> Path:
    if name not in SAMPLES:
        raise InputError(f"there is no sample photo {name[:40]!r}: the names are {', '.join(SAMPLES)}")
    return sample_photo(name)


async def _body(request: Request, title: str, limits: PageLimits) -> bytes:
    """The file that is sent, never more of it than is allowed, nor for longer."""
    data = bytearray()
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for part in request.stream():
                data += part
                if len(data) > limits.picture_bytes:
                    raise InputError(too_large(title[:60] or "the picture", limits))
    except TimeoutError:
        raise InputError(f"the picture took longer than {limits.upload_seconds:g} s to arrive: try again") from None
    return bytes(data)
