"""The MCP server: its tools, and the pictures made as resources. How it is reached is in ``transports``."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from pydantic import AnyUrl

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.hosting.runs import Run
from visiongpt_agent.langchain.nested import told
from visiongpt_agent.langchain.pictures import Pictures
from visiongpt_agent.langchain.toolkit import NamingTool, visiongpt_tools
from visiongpt_agent.mcp_server import contents
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Kind, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.request import MAX_REQUEST_CHARACTERS
from visiongpt_agent.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from visiongpt_agent.hosting.runs import RunEvent
    from visiongpt_agent.tools.base import ToolSpec

logger = logging.getLogger(__name__)

_THREADS: Final = 32
"""Conversations that are kept; the one longest not gone on with goes first."""

_SHOWN_RESOURCES: Final = 50

_INSTRUCTIONS: Final = (
    "Understands and edits pictures with vision models on this machine. `visiongpt` takes a whole request in words and "
    "plans by itself; the other tools do one thing each and take the ids (img-..., reg-...) that results name."
)


class VisionServer:
    """The tools over one store and one pool of models.

    Args:
        llm: The chat model that plans for ``visiongpt``; by default the settings' or the package's own.
        folder: A folder whose own files may be named as pictures; no other file can be reached.
        pool: Owns the models; the server's own where None.
        tools: Further tools beside those of the package.
        running: How many calls are carried out side by side.
        keep_bytes: Disk space of the pictures that are kept; the oldest go first.
    """

    def __init__(
        self,
        llm: BaseChatModel | None = None,
        *,
        folder: Path | None = None,
        pool: ModelPool | None = None,
        tools: Sequence[ToolSpec] = (),
        running: int = 2,
        keep_bytes: int = 2 * 2**30,
    ) -> None:
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder} is no folder: name one that has the pictures in it")
        settings = Settings.load()
        self._store = ImageStore()
        self._pool, self._owns_pool = pool or ModelPool(settings=settings), pool is None
        self._checkpointer = InMemorySaver()
        self._agent = VisionGPT(
            llm, settings=settings, store=self._store, pool=self._pool, checkpointer=self._checkpointer, tools=tools
        )
        self._folder = folder
        self._pictures = Pictures(self._store, folder=folder)
        found = visiongpt_tools(folder=folder, tools=tools, store=self._store, pool=self._pool)
        self._tools: dict[str, NamingTool] = {tool.name: tool for tool in found}
        self._threads: OrderedDict[str, None] = OrderedDict()
        self._running = running
        self._limiter: anyio.CapacityLimiter | None = None
        self._counting, self._working = threading.Lock(), 0
        self._keep_bytes = keep_bytes
        self.protocol: Server[Any, Any] = self._protocol()

    @property
    def busy(self) -> bool:
        """Whether a thread is at work, for a client that has gone away perhaps."""
        return self._working > 0

    def close(self) -> None:
        """Remove all pictures, and free the models unless the pool was handed in."""
        self._agent.close()
        self._store.close()
        if self._owns_pool and not self.busy:
            self._pool.close()

    def _protocol(self) -> Server[Any, Any]:
        server: Server[Any, Any] = Server("visiongpt", version("visiongpt-agent"), _INSTRUCTIONS)
        server.list_tools()(self._list_tools)  # type: ignore[no-untyped-call]
        server.call_tool()(self._call)
        server.list_resources()(self._list_resources)  # type: ignore[no-untyped-call]
        server.list_resource_templates()(self._list_templates)  # type: ignore[no-untyped-call]
        server.read_resource()(self._read_resource)  # type: ignore[no-untyped-call]
        return server

    # ---------------------------------------------------------------------------------------------------------- tools

    async def _list_tools(self) -> list[types.Tool]:
        return [self._agent_tool(), *(self._single(tool) for tool in self._tools.values())]

    def _agent_tool(self) -> types.Tool:
        images = {
            "type": "array",
            "items": {"type": "string"},
            "description": f"The pictures; each is {contents.how_pictures_are_given(folder=bool(self._folder))}.",
        }
        return types.Tool(
            name="visiongpt",
            title="VisionGPT",
            description=(
                "Carries out a whole request about pictures: finds, counts, outlines, reads, removes, recolours, "
                "stylizes and more, verifies the results, and answers. Say in words what is wanted; $1, $2, ... are "
                "the pictures."
            ),
            inputSchema={
                "type": "object",
                "required": ["request"],
                "additionalProperties": False,
                "properties": {
                    "request": {"type": "string", "minLength": 1, "maxLength": MAX_REQUEST_CHARACTERS},
                    "images": images,
                    "thread": {"type": "string", "description": "The `thread` of an earlier answer, to follow up."},
                },
            },
            outputSchema=contents.AGENT_OUTPUT,
            annotations=_annotations("VisionGPT", read_only=False, repeatable=False),
        )

    def _single(self, tool: NamingTool) -> types.Tool:
        looks = tool.signature.returns is not Kind.IMAGE
        return types.Tool(
            name=tool.name,
            description=tool.description,
            inputSchema=contents.input_schema(tool, folder=bool(self._folder)),
            outputSchema=contents.TOOL_OUTPUT,
            annotations=_annotations(tool.name.replace("_", " ").capitalize(), read_only=looks, repeatable=True),
        )

    async def _call(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        if name != "visiongpt" and name not in self._tools:
            return contents.failure(f"there is no tool {name[:60]!r}: list the tools for those that there are")
        try:
            return await (self._request(arguments) if name == "visiongpt" else self._use(name, arguments))
        except VisionGPTError as error:
            return contents.failure(str(error))
        except Exception as error:
            logger.exception("%s failed", name)
            return contents.failure(f"a bug, {type(error).__name__}: the server's log has the traceback")

    async def _use(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        tool = self._tools[name]
        call = {"name": name, "args": contents.with_data_urls(tool, arguments), "id": name, "type": "tool_call"}
        message: ToolMessage = await self._in_thread(partial(tool.invoke, call))
        if message.status == "error":
            return contents.failure(str(message.content))
        artifact: dict[str, Any] = message.artifact
        links = [contents.link(artifact["image"], name)] if "image" in artifact else []
        blocks: Any = message.content
        return types.CallToolResult(content=contents.content_of(blocks, links), structuredContent=artifact)

    async def _request(self, arguments: dict[str, Any]) -> types.CallToolResult:
        thread = arguments.get("thread")
        if thread is not None and thread not in self._threads:
            raise InputError("there is no such thread here, or it was too long ago: begin a new one without it")
        images = [self._pictures.source(contents.as_data_url(given)) for given in arguments.get("images", ())]
        run = Run(arguments["request"], images, thread)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._in_thread, partial(run.carry_out, self._agent))
                await self._tell_progress(run)
        finally:
            run.cancel()  # where the client has called it off
        self._keep(run.thread)
        if run.fault:
            raise run.fault
        if run.result is None:
            raise InputError("the request came to no result: say it in another way")
        links = [contents.link(image.id, image.title) for image in run.result.images]
        blocks = await self._in_thread(partial(told, self._agent, run.result, previews=True))
        return types.CallToolResult(
            content=contents.content_of(blocks, links), structuredContent={**run.result.to_dict(), "thread": run.thread}
        )

    async def _tell_progress(self, run: Run) -> None:
        """Progress as steps that have ended, of those of the plan; silent where the client asked for none."""
        context = self.protocol.request_context
        token = context.meta.progressToken if context.meta else None
        ended, total = 0, None
        async for event in run.follow():
            if event is None or token is None:
                continue
            if event.name == "plan":
                total = ended + len(parse_plan(event.data))
            ended += event.name == "finished"
            await context.session.send_progress_notification(
                token, ended, total, _progress(event), related_request_id=str(context.request_id)
            )

    async def _in_thread(self, work: partial[Any]) -> Any:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._running)
        return await anyio.to_thread.run_sync(self._work, work, limiter=self._limiter, abandon_on_cancel=True)

    def _work(self, work: partial[Any]) -> Any:
        with self._counting:
            self._working += 1
        try:
            done = work()
            self._trim()
            return done
        finally:
            with self._counting:
                self._working -= 1

    def _keep(self, thread: str) -> None:
        self._threads[thread] = None
        self._threads.move_to_end(thread)
        while len(self._threads) > _THREADS:
            self._checkpointer.delete_thread(self._threads.popitem(last=False)[0])

    def _trim(self) -> None:
        """Remove the oldest pictures where all together take too much; who names one is told to hand it in again."""
        with suppress(FileNotFoundError):  # another thread is at it
            self._trim_to(self._keep_bytes)

    def _trim_to(self, limit: int) -> None:
        files = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self._store.folder.glob("*-*"))
        taken = sum(size for _, size, _ in files)
        for _, size, file in files:
            if taken <= limit:
                break
            file.unlink(missing_ok=True)
            taken -= size

    # ------------------------------------------------------------------------------------------------------ resources

    async def _list_resources(self) -> list[types.Resource]:
        """The pictures made, the newest first."""
        files = sorted(self._store.folder.glob("img-*.png"), key=lambda file: -file.stat().st_mtime)
        made = [(file.stem, self._store.provenance(file.stem)) for file in files[: 4 * _SHOWN_RESOURCES]]
        return [
            types.Resource(uri=AnyUrl(contents.PICTURES + key), name=key, title=origin.title, mimeType="image/png")
            for key, origin in made
            if origin is not None and origin.origin != "user"
        ][:_SHOWN_RESOURCES]

    async def _list_templates(self) -> list[types.ResourceTemplate]:
        return [
            types.ResourceTemplate(
                uriTemplate=f"{contents.PICTURES}{{id}}",
                name="picture",
                description="A picture of a result in full size, by its id img-...",
                mimeType="image/png",
            )
        ]

    async def _read_resource(self, uri: AnyUrl) -> list[ReadResourceContents]:
        match = re.fullmatch(rf"{contents.PICTURES}(img-[0-9a-f]{{16}})", str(uri))
        if match is None or match[1] not in self._store:
            raise InputError(f"there is no picture at {str(uri)[:80]}: name one as {contents.PICTURES}img-...")
        data = await self._in_thread(partial(_png, self._store, match[1]))
        return [ReadResourceContents(data, "image/png")]


def _annotations(title: str, *, read_only: bool, repeatable: bool) -> types.ToolAnnotations:
    """Nothing is ever overwritten, and nothing leaves this machine."""
    return types.ToolAnnotations(
        title=title, readOnlyHint=read_only, destructiveHint=False, idempotentHint=repeatable, openWorldHint=False
    )


def _progress(event: RunEvent) -> str:
    if event.name == "started":
        return str(event.data["call"])
    if event.name == "finished":
        return f"{event.data['tool']}: {event.data['verdict']}"
    if event.name in ("loading", "loaded"):
        return f"{event.name} {event.data['title']}"
    return str(event.data)


def _png(store: ImageStore, key: str) -> bytes:
    buffer = io.BytesIO()
    store.open(key).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
