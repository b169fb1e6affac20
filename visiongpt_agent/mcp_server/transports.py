"""How clients reach the MCP server: over stdin and stdout, or over streamable HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from io import TextIOWrapper
from typing import Any, Final

import anyio
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from visiongpt_agent.graphs.loop.execution import left_behind
from visiongpt_agent.hosting.guard import Guard
from visiongpt_agent.hosting.quiet import quiet
from visiongpt_agent.mcp_server.places import Places
from visiongpt_agent.mcp_server.server import VisionServer

PATH: Final = "/mcp"
_MAX_BODY: Final = 48 * 2**20
_MAX_SESSIONS: Final = 64
_IDLE_SECONDS: Final = 900.0
"""After this time without a request, and without a client that listens, a session ends."""


def serve_stdio(vision: VisionServer) -> None:
    """Serve one client on stdin and stdout until it hangs up; whatever libraries print goes to stderr."""
    # The protocol gets a descriptor of its own before stdout is turned away from everyone else, native code included.
    with os.fdopen(os.dup(1), "wb") as wire, quiet(), closing(vision):
        anyio.run(_talk, vision, wire)
        busy = vision.busy or bool(left_behind())
    if busy:
        # A call is deep in native code for a client that is gone: leaving the ordinary way would wait for its thread.
        os._exit(0)


async def _talk(vision: VisionServer, wire: Any) -> None:
    stdout = anyio.wrap_file(TextIOWrapper(wire, encoding="utf-8"))
    stdin = anyio.wrap_file(TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"))
    async with stdio_server(stdin, stdout) as (incoming, outgoing):
        await vision.protocol.run(incoming, outgoing, vision.protocol.create_initialization_options())


def http_app(vision: VisionServer, *, token: str | None, loopback: bool) -> Starlette:
    """The server as an ASGI application: streamable HTTP at ``/mcp``.

    Args:
        vision: The server.
        token: The bearer token that clients must send; None lets everyone in who reaches the server.
        loopback: Whether only this machine reaches the server; then a Host other than localhost is refused.
    """
    manager = StreamableHTTPSessionManager(
        vision.protocol,
        session_idle_timeout=_IDLE_SECONDS,
        max_request_body_size=_MAX_BODY,
        max_sessions=_MAX_SESSIONS + 1,  # one that begins is let in, and another ends for it
    )
    places = Places(manager.handle_request, _MAX_SESSIONS)

    class Endpoint:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await places(scope, receive, send)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with closing(vision):
            async with manager.run():
                yield

    app = Starlette(routes=[Route(PATH, Endpoint())], lifespan=lifespan)
    app.add_middleware(Guard, token=token, loopback=loopback)
    return app
