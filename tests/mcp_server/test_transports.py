"""Real clients over the real transports: a process on stdin and stdout, and streamable HTTP over a socket."""

from __future__ import annotations

import base64
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl

from tests.scripted import ScriptedChat
from tests.serve.conftest import TURN, WORDED, png
from visiongpt_agent import sample_photo
from visiongpt_agent.hosting.server import listen
from visiongpt_agent.mcp_server.server import VisionServer
from visiongpt_agent.mcp_server.transports import http_app
from visiongpt_agent.pool import ModelPool

TOKEN = "correct-horse-battery-staple"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": types.LATEST_PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def process(folder: Path) -> StdioServerParameters:
    arguments = ["-m", "visiongpt_agent", "mcp", "--folder", str(folder)]
    return StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))


async def test_over_stdio_a_client_lists_and_calls(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((64, 48)))
    async with stdio_client(process(tmp_path)) as (read, write), ClientSession(read, write) as session:
        hello = await session.initialize()
        names = {tool.name for tool in (await session.list_tools()).tools}
        turned = await session.call_tool("transform_image", {"image": "a.png", "rotate": 90})
        wrong = await session.call_tool("transform_image", {"image": "b.png"})

    assert hello.serverInfo.name == "visiongpt"
    assert {"visiongpt", "transform_image", "recolor_regions"} <= names
    assert [block.type for block in turned.content] == ["text", "image", "resource_link"]
    assert wrong.isError


@pytest.mark.slow
async def test_over_stdio_models_run_and_nothing_else_reaches_stdout(
    tmp_path: Path, needs: Callable[[str], None]
) -> None:
    """A stray line on stdout would be a message that cannot be read, which the client hands on as an exception."""
    needs("llm")
    strays: list[Exception] = []

    async def heed(message: Any) -> None:
        if isinstance(message, Exception):
            strays.append(message)

    photo = base64.b64encode(sample_photo("coffee").read_bytes()).decode()
    async with (
        stdio_client(process(tmp_path)) as (read, write),
        ClientSession(read, write, message_handler=heed) as session,
    ):
        await session.initialize()
        asked = await session.call_tool("visiongpt", {"request": "how many cups are there?", "images": [photo]})
        found = await session.call_tool("detect_objects", {"image": photo, "query": "cup"})
        assert found.structuredContent
        cropped = await session.call_tool(
            "crop_regions", {"image": photo, "regions": found.structuredContent["regions"]}
        )

    assert asked.structuredContent
    assert "one cup" in asked.structuredContent["answer"]
    assert [item["label"] for item in found.structuredContent["items"]] == ["cup"]
    assert cropped.structuredContent
    assert 0 < cropped.structuredContent["width"] < 600
    assert strays == []


@contextmanager
def served(pool: ModelPool, token: str | None = None) -> Iterator[str]:
    app = http_app(VisionServer(ScriptedChat(script=[TURN]), pool=pool), token=token, loopback=True)
    where = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [where]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{where.getsockname()[1]}/mcp"
    server.should_exit = True
    thread.join(timeout=30)


async def test_over_http_a_client_calls_the_agent(pool: ModelPool) -> None:
    photo = base64.b64encode(png((64, 48))).decode()
    authorized = httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    with served(pool, TOKEN) as url:
        async with (
            authorized,
            streamable_http_client(url, http_client=authorized) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            result = await session.call_tool("visiongpt", {"request": "turn it", "images": [photo]})

    assert not result.isError
    assert [block.type for block in result.content] == ["text", "image", "resource_link"]
    assert isinstance(result.content[0], types.TextContent)
    assert result.content[0].text.startswith(WORDED)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong-horse-battery-staple"}, 401),
        ({"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}, 421),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}, 403),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_over_http_only_those_who_may_get_in(pool: ModelPool, headers: dict[str, str], status: int) -> None:
    accept = {"Accept": "application/json, text/event-stream", **headers}
    with served(pool, TOKEN) as url:
        assert httpx.post(url, json=INITIALIZE, headers=accept).status_code == status


@asynccontextmanager
async def client(url: str) -> AsyncIterator[ClientSession]:
    async with (
        httpx.AsyncClient(timeout=60) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def test_over_http_no_client_sees_what_is_anothers(pool: ModelPool) -> None:
    photo = base64.b64encode(png((64, 48))).decode()
    with served(pool) as url:
        async with client(url) as owner, client(url) as other:
            turned = (await owner.call_tool("transform_image", {"image": photo, "width": 32})).structuredContent
            asked = (await owner.call_tool("visiongpt", {"request": "turn it", "images": [photo]})).structuredContent
            assert turned
            assert asked
            owned = [str(resource.uri) for resource in (await owner.list_resources()).resources]
            foreign = (await other.list_resources()).resources
            with pytest.raises(McpError, match="there is no picture"):
                await other.read_resource(AnyUrl(owned[0]))
            stolen = await other.call_tool("transform_image", {"image": turned["image"], "rotate": 90})
            followed = await other.call_tool("visiongpt", {"request": "turn it", "thread": asked["thread"]})
            own = await owner.call_tool("transform_image", {"image": turned["image"], "rotate": 90})

    assert len(owned) == 2
    assert foreign == []
    assert stolen.isError
    assert followed.isError
    assert not own.isError


async def test_over_http_nobody_is_shut_out_by_a_crowd_that_does_nothing(pool: ModelPool) -> None:
    photo = base64.b64encode(png((64, 48))).decode()
    accept = {"Accept": "application/json, text/event-stream"}
    with served(pool) as url:
        async with client(url) as early:
            assert not (await early.call_tool("transform_image", {"image": photo, "rotate": 90})).isError
            async with httpx.AsyncClient(timeout=60) as crowd:
                answers = [(await crowd.post(url, json=INITIALIZE, headers=accept)).status_code for _ in range(150)]
            async with client(url) as late:
                assert not (await late.call_tool("transform_image", {"image": photo, "rotate": 180})).isError
            assert not (await early.call_tool("transform_image", {"image": photo, "rotate": 270})).isError

    assert set(answers) == {200}
