"""``visiongpt serve``: the agent over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from visiongpt_agent.errors import InputError

Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes any that is free.")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Holds the token that clients must send (or VISIONGPT_TOKEN)."),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    running: Annotated[int, typer.Option("--running", min=1, help="Requests carried out side by side.")] = 2,
    queue: Annotated[int, typer.Option("--queue", min=1, help="Requests that may wait.")] = 16,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that a request may take.")] = 600.0,
    keep: Annotated[float, typer.Option("--keep", min=1, help="Seconds that results are kept.")] = 3600.0,
    max_body: Annotated[str, typer.Option("--max-body", metavar="SIZE", help="Largest body of a request.")] = "32MiB",
    grace: Annotated[float, typer.Option("--grace", min=0, help="Seconds to finish in when told to stop.")] = 20.0,
) -> None:
    """Serve the agent over HTTP; the interface is described at /openapi.json.

    Beyond this machine a token is required: VISIONGPT_TOKEN or --token-file.
    """
    try:
        from visiongpt_agent.hosting import guard, server
        from visiongpt_agent.serve import app
    except ImportError as error:
        raise InputError(f"visiongpt serve needs {error.name}: pip install 'visiongpt-agent[serve]'") from None
    from visiongpt_agent.serve.limits import ServeLimits
    from visiongpt_agent.settings import parse_bytes

    token = guard.read_token(token_file)
    guard.check_exposure(host, token)
    limits = ServeLimits(
        body_bytes=parse_bytes(max_body),
        running=running,
        queue=queue,
        seconds=timeout,
        keep_seconds=keep,
        grace_seconds=grace,
    )
    where = server.listen(host, port)
    server.serve(app.create_app(limits=limits, token=token, loopback=guard.is_loopback(host)), where)
