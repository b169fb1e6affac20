"""The process: a socket, a clean end, and one line that says where it is."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from visiongpt_agent.errors import InputError
from visiongpt_agent.hosting.patience import ImpatientProtocol

if TYPE_CHECKING:
    from fastapi import FastAPI

    from visiongpt_agent.serve.service import Service

_CONNECTIONS: Final = 512
_CLOSING: Final = 5.0


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any that is free.

    Raises:
        InputError: If the address cannot be had; says why.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on {host} port {port} ({reason}): choose another with --host, --port"
        ) from None


def run_app(app: Any, where: socket.socket, path: str = "", server: type[uvicorn.Server] = uvicorn.Server) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        app: An ASGI application.
        where: What :func:`listen` returned.
        path: Shown behind the address.
        server: The kind of server.
    """
    host, port = where.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        http=ImpatientProtocol,
        timeout_graceful_shutdown=int(_CLOSING),
    )
    print(f"VisionGPT answers at http://{shown}:{port}{path}", file=sys.stderr, flush=True)
    with suppress(KeyboardInterrupt):  # which uvicorn raises anew once it has shut down
        server(config).run(sockets=[where])


def serve(app: FastAPI, where: socket.socket) -> None:
    """Serve the HTTP interface; on SIGTERM nothing new is taken, and what runs has its time to finish in."""
    service: Service = app.state.service

    class Draining(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            service.stop()
            for listening in self.servers:
                listening.close()
            deadline = time.monotonic() + service.limits.grace_seconds
            while service.running and time.monotonic() < deadline and not self.force_exit:
                await asyncio.sleep(0.05)
            service.cancel_all()
            await super().shutdown(sockets)

    run_app(app, where, server=Draining)
    if not getattr(app.state, "clean", True):
        # A step is deep in native code: leaving the ordinary way would wait for its thread.
        sys.stderr.flush()
        os._exit(0)
