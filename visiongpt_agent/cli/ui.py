"""``visiongpt ui``: the page in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visiongpt_agent.errors import InputError
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    import socket


def ui(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 7860,
    host: Annotated[
        str, typer.Option("--host", help="The address; others than this machine's need a password.")
    ] = "127.0.0.1",
    auth_file: Annotated[
        Path | None, typer.Option("--auth-file", help="A file that holds name:password; or set VISIONGPT_UI_AUTH.")
    ] = None,
) -> None:
    """Open the page: pictures and requests in the browser, served to this machine alone unless told otherwise."""
    try:
        from visiongpt_agent.web.server import check_reach, opened_app, read_auth
    except ModuleNotFoundError as fault:
        if (fault.name or "").split(".")[0] not in ("gradio", "fastapi", "uvicorn"):
            raise
        raise InputError("the page needs gradio: pip install 'visiongpt-agent[ui]'") from None
    import uvicorn

    from visiongpt_agent.hosting.patience import ImpatientProtocol

    told = _auth_text(auth_file)
    auth = read_auth(told) if told else None
    check_reach(host, auth)
    door = _bound(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{door.getsockname()[1]} (Ctrl-C ends it)", flush=True)
    with quiet(), opened_app(host, auth=auth) as app:
        uvicorn.Server(
            uvicorn.Config(
                app, http=ImpatientProtocol, log_level="warning", access_log=False, timeout_graceful_shutdown=1
            )
        ).run(sockets=[door])


def _auth_text(file: Path | None) -> str:
    if file is None:
        return os.environ.get("VISIONGPT_UI_AUTH", "")
    try:
        return file.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _bound(host: str, port: int) -> socket.socket:
    """A socket at the address, before anything is loaded: that the port is taken is told at once."""
    import socket

    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, proto)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(128)  # who opens the address at once waits rather than being turned away
    except OSError as error:
        raise InputError(f"{host}:{port} cannot be opened ({error.strerror or error}): name another --port") from None
    return door
