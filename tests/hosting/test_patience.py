"""Who opens a connection must say what it wants; who has said it may wait for the answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import uvicorn

from visiongpt_agent.hosting import patience
from visiongpt_agent.hosting.server import listen

PATIENCE = 0.4


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """An application that takes three times as long as a client has for its headers."""
    import asyncio

    await asyncio.sleep(3 * PATIENCE)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(patience, "HEADER_SECONDS", PATIENCE)
    where = listen("127.0.0.1", 0)
    config = uvicorn.Config(slow, http=patience.ImpatientProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [where]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield where.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-More:"], ids=["nothing", "half of the headers"]
)
def test_who_sends_no_whole_headers_is_hung_up_on(port: int, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        client.sendall(sent)
        begun = time.monotonic()
        assert client.recv(100) == b""
    assert PATIENCE / 2 < time.monotonic() - begun < 5


def test_half_of_a_second_request_ends_the_connection_too(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok"):
            answer += client.recv(1000)
        client.sendall(b"GET / HTTP/1.1\r\nHost:")
        begun = time.monotonic()
        assert client.recv(100) == b""
    assert time.monotonic() - begun < 4  # before the connection would have ended for idleness


def test_a_slow_answer_is_waited_for(port: int) -> None:
    with httpx.Client() as client:
        for _ in range(2):
            assert client.get(f"http://127.0.0.1:{port}/", timeout=10).text == "ok"
