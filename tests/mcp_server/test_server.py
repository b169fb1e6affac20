"""The MCP server as a client meets it: tools, pictures both ways, progress, resources, refusals."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, McpError, types
from mcp.shared.memory import create_connected_server_and_client_session
from PIL import Image
from pydantic import AnyUrl

from tests.scripted import ScriptedChat
from tests.serve.conftest import HOLD, TURN, WORDED, Holding, png
from visiongpt_agent import InputError
from visiongpt_agent.mcp_server.server import VisionServer
from visiongpt_agent.pool import ModelPool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "a.png").write_bytes(png((64, 48)))
    (tmp_path / "secret.png").write_bytes(png())
    (shown / "link.png").symlink_to(tmp_path / "secret.png")
    return shown


@asynccontextmanager
async def connected(pool: ModelPool, plan: str = TURN, **more: Any) -> AsyncIterator[ClientSession]:
    server = VisionServer(ScriptedChat(script=[plan]), pool=pool, **more)
    async with create_connected_server_and_client_session(server.protocol) as session:
        yield session
    server.close()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def picture(result: types.CallToolResult) -> Image.Image:
    (shown,) = [block for block in result.content if isinstance(block, types.ImageContent)]
    return Image.open(io.BytesIO(base64.b64decode(shown.data)))


def text(result: types.CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))


async def test_tools_are_listed_with_schemas_and_hints(pool: ModelPool, folder: Path) -> None:
    async with connected(pool, folder=folder) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}

    turn, detect = tools["transform_image"], tools["visiongpt"]
    assert turn.inputSchema["required"] == ["image"]
    assert "base64" in turn.inputSchema["properties"]["image"]["description"]
    assert "messages" not in turn.inputSchema["properties"]
    assert turn.annotations
    assert (turn.annotations.readOnlyHint, turn.annotations.destructiveHint) == (False, False)
    assert tools["read_codes"].annotations
    assert tools["read_codes"].annotations.readOnlyHint
    assert detect.outputSchema
    assert "answer" in detect.outputSchema["required"]


@pytest.mark.parametrize(
    "given", ["a.png", base64_of(png((64, 48))), f"data:image/png;base64,{base64_of(png((64, 48)))}"]
)
async def test_pictures_go_both_ways(pool: ModelPool, folder: Path, given: str) -> None:
    async with connected(pool, folder=folder) as session:
        result = await session.call_tool("transform_image", {"image": given, "rotate": 90})

    assert not result.isError
    assert picture(result).size == (48, 64)
    assert text(result).startswith(WORDED)
    assert result.structuredContent
    assert (result.structuredContent["width"], result.structuredContent["height"]) == (48, 64)


async def test_ids_of_results_go_on_to_the_next_call_and_are_resources(pool: ModelPool) -> None:
    async with connected(pool) as session:
        first = await session.call_tool("transform_image", {"image": base64_of(png((64, 48))), "rotate": 90})
        assert first.structuredContent
        key = first.structuredContent["image"]
        second = await session.call_tool("transform_image", {"image": key, "rotate": 90})
        listed = [str(resource.uri) for resource in (await session.list_resources()).resources]
        (template,) = (await session.list_resource_templates()).resourceTemplates
        (whole,) = (await session.read_resource(AnyUrl(f"visiongpt://pictures/{key}"))).contents

    assert picture(second).size == (64, 48)
    (link,) = [block for block in first.content if isinstance(block, types.ResourceLink)]
    assert f"visiongpt://pictures/{key}" == str(link.uri)
    assert str(link.uri) in listed
    assert template.uriTemplate == "visiongpt://pictures/{id}"
    assert isinstance(whole, types.BlobResourceContents)
    assert Image.open(io.BytesIO(base64.b64decode(whole.blob))).size == (48, 64)


async def test_the_agent_answers_with_pictures_and_tells_progress(pool: ModelPool) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def heed(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with connected(pool) as session:
        arguments = {"request": "turn it", "images": [base64_of(png((64, 48)))]}
        first = await session.call_tool("visiongpt", arguments, progress_callback=heed)
        assert first.structuredContent
        thread = first.structuredContent["thread"]
        later = await session.call_tool("visiongpt", {"request": "turn $2", "thread": thread})

    assert text(first).startswith(WORDED)
    assert picture(first).size == (48, 64)
    assert first.structuredContent["status"] == "done"
    assert heard == [(0, 1, TURN), (0, 1, TURN), (1, 1, "transform_image: accepted")]
    assert not later.isError


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("visiongpt", {}, "request"),
        ("visiongpt", {"request": "  "}, "the request is empty"),
        ("visiongpt", {"request": "turn it", "images": ["/etc/passwd"]}, "no picture named"),
        ("visiongpt", {"request": "turn it", "images": ["../secret.png"]}, "no picture named"),
        ("visiongpt", {"request": "turn it", "images": ["link.png"]}, "no picture named"),
        ("visiongpt", {"request": "turn it", "images": ["http://127.0.0.1/a.png"]}, "no picture named"),
        ("visiongpt", {"request": "turn it", "images": ["$1"]}, "no picture named"),
        ("visiongpt", {"request": "turn it", "thread": "thread-1"}, "no such thread"),
        ("visiongpt", {"request": "turn $1"}, "no image $1"),
        ("transform_image", {}, "image"),
        ("transform_image", {"image": "a.png", "angle": 4}, "angle"),
        ("transform_image", {"image": "a.png", "rotate": "left"}, "left"),
        ("transform_image", {"image": "../secret.png"}, "no picture named"),
        ("transform_image", {"image": "img-0123456789abcdef"}, "no picture named"),
        ("transform_image", {"image": "data:image/png;base64,aGVsbG8="}, "not a picture"),
        ("transform_image", {"image": base64_of(b"x" * 100)}, "not a picture"),
        ("crop_regions", {"image": "a.png", "regions": "reg-0123456789abcdef"}, "no result here"),
        ("delete_everything", {}, "no tool"),
    ],
)
async def test_bad_input_is_an_error_that_a_model_can_act_on(
    pool: ModelPool, folder: Path, name: str, arguments: dict[str, Any], told: str
) -> None:
    async with connected(pool, folder=folder) as session:
        result = await session.call_tool(name, arguments)

    assert result.isError
    assert told in text(result)
    assert "Traceback" not in text(result)


@pytest.mark.parametrize(
    "uri", ["visiongpt://pictures/img-0123456789abcdef", "visiongpt://pictures/..%2Fa", "file:///etc/passwd"]
)
async def test_only_pictures_are_resources(pool: ModelPool, uri: str) -> None:
    async with connected(pool) as session:
        with pytest.raises(McpError, match="there is no picture"):
            await session.read_resource(AnyUrl(uri))


async def test_a_call_that_is_called_off_stops(pool: ModelPool) -> None:
    holding = Holding()
    server = VisionServer(ScriptedChat(script=[HOLD]), pool=pool, tools=[holding.tool()])
    async with (
        create_connected_server_and_client_session(server.protocol) as session,
        anyio.create_task_group() as calls,
    ):
        calls.start_soon(refused, session, {"request": "hold it", "images": [base64_of(png())]})
        assert await anyio.to_thread.run_sync(holding.begun.acquire, True, 20)
        assert server.busy
        params = types.CancelledNotificationParams(requestId=session._request_id - 1)
        await session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        with anyio.fail_after(5):
            while server.busy:
                await anyio.sleep(0.05)
    holding.let_go.set()
    server.close()


async def refused(session: ClientSession, arguments: dict[str, Any]) -> None:
    with pytest.raises(McpError, match="cancelled"):
        await session.call_tool("visiongpt", arguments)


async def test_old_pictures_go_where_there_are_too_many(pool: ModelPool) -> None:
    async with connected(pool, keep_bytes=1) as session:
        first = await session.call_tool("transform_image", {"image": base64_of(png()), "rotate": 90})
        listed = (await session.list_resources()).resources

    assert not first.isError
    assert listed == []


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        VisionServer(folder=tmp_path / "nowhere")
