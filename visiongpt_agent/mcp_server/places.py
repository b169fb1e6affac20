"""Room for new clients: where all places are taken, the session that is idlest ends for one that begins.

Protocol: an MCP session begins with a request without ``Mcp-Session-Id``, whose answer names one, and ends with a
``DELETE`` that names it (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

_SESSION: Final = "mcp-session-id"


@dataclass
class _Place:
    """One session: how many calls it has made, how many are under way, and when it was last heard of."""

    calls: int = 0
    under_way: int = 0
    heard: float = field(default_factory=time.monotonic)

    def idleness(self) -> tuple[bool, float]:
        """Sorts the idlest first: those that never called anything, then those longest not heard of."""
        return self.calls > 0, self.heard


class Places:
    """Hands requests on, and keeps count of the sessions that they belong to.

    A client that opens sessions and does nothing with them pushes out its own: none that has called something ends
    while there is one that has not, and none ends while a call of it is under way.

    Args:
        handler: Answers the requests; opens and ends sessions.
        most: How many sessions there are at most.
    """

    def __init__(self, handler: Handler, most: int) -> None:
        self._handler = handler
        self._most = most
        self._places: dict[str, _Place] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get(_SESSION)
        if name is None:
            await self._make_room(scope)
            await self._handler(scope, receive, self._noting(send))
        elif scope["method"] == "DELETE":
            self._places.pop(name, None)
            await self._handler(scope, receive, send)
        else:
            await self._handled(name, scope, receive, send)

    async def _handled(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        place = self._places.get(name)
        calls = scope["method"] == "POST"  # a GET only listens, perhaps for hours
        if place is None or not calls:
            await self._handler(scope, receive, send)
            return
        place.under_way += 1
        try:
            await self._handler(scope, receive, send)
        finally:
            place.under_way -= 1
            place.heard = time.monotonic()
            place.calls += 1

    def _noting(self, send: Send) -> Send:
        """Remembers the session that an answer opens."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                opened = MutableHeaders(raw=message["headers"]).get(_SESSION)
                if opened:
                    self._places[opened] = _Place()
            await send(message)

        return noted

    async def _make_room(self, scope: Scope) -> None:
        idle = [name for name, place in self._places.items() if not place.under_way]
        idle.sort(key=lambda name: self._places[name].idleness())
        for name in idle[: max(0, len(self._places) - self._most + 1)]:
            del self._places[name]
            await self._end(name, scope)

    async def _end(self, name: str, scope: Scope) -> None:
        """End a session as its client would."""
        headers = [(key, value) for key, value in scope["headers"] if key.lower() not in (b"content-length",)]
        request: dict[str, Any] = {
            **scope,
            "method": "DELETE",
            "headers": [*headers, (_SESSION.encode(), name.encode())],
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            """The answer is for nobody."""

        await self._handler(request, receive, send)
