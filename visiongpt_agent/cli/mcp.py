"""``visiongpt mcp``: the agent and its tools for MCP clients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from visiongpt_agent.cli.serve import Host, Port, TokenFile
from visiongpt_agent.errors import InputError


def mcp(
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Its pictures may be named; no other file may.")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP instead of stdin and stdout.")] = False,
    host: Host = "127.0.0.1",
    port: Port = 8001,
    token_file: TokenFile = None,
) -> None:
    """Serve the agent and its tools over the Model Context Protocol.

    With --http, beyond this machine, a token is required: VISIONGPT_TOKEN or --token-file.
    """
    try:
        from visiongpt_agent.mcp_server import server, transports
    except ImportError as error:
        raise InputError(f"visiongpt mcp needs {error.name}: pip install 'visiongpt-agent[mcp]'") from None
    from visiongpt_agent.hosting import guard

    if not http:
        transports.serve_stdio(server.VisionServer(folder=folder))
        return
    from visiongpt_agent.hosting.server import listen, run_app

    token = guard.read_token(token_file)
    guard.check_exposure(host, token)
    where = listen(host, port)
    app = transports.http_app(server.VisionServer(folder=folder), token=token, loopback=guard.is_loopback(host))
    run_app(app, where, transports.PATH)
