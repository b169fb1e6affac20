"""The MCP server: its tools, and the pictures made as resources. How it is reached is in ``transports``."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from langchain_core.messages import ToolMessage
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from pydantic import AnyUrl

from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.hosting.runs import Run
from visiongpt_agent.langchain.nested import content_blocks
from visiongpt_agent.mcp_server import contents
from visiongpt_agent.mcp_server.session import ClientSession
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Kind, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.request import MAX_REQUEST_CHARACTERS
from visiongpt_agent.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from visiongpt_agent.hosting.runs import RunEvent
    from visiongpt_agent.langchain.toolkit import NamingTool
    from visiongpt_agent.tools.base import ToolSpec

logger = logging.getLogger(__name__)

_SHOWN_RESOURCES: Final = 50

_INSTRUCTIONS: Final = (
    "Understands and edits pictures with vision models on this machine. `visiongpt` takes a whole request in words and "
    "plans by itself; the other tools do one thing each and take the ids (img-..., reg-...) that results name."
)


class VisionServer:
    """The tools over one pool of models; each client has a store of its own and sees nothing of another's.

    Args:
        llm: The chat model that plans for ``visiongpt``; by default the settings' or the package's own.
        folder: A folder whose own files may be named as pictures; no other file can be reached.
        pool: Owns the models; the server's own where None.
        tools: Further tools beside those of the package.
        running: How many calls are carried out side by side.
        keep_bytes: Disk space of all clients' pictures; beyond it the oldest go of the client who has most.
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
        self._settings = Settings.load()
        self._pool, self._owns_pool = pool or ModelPool(settings=self._settings), pool is None
        self._llm = llm
        self._folder = folder
        self._more_tools = tools
        self._sessions: set[ClientSession] = set()
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
        for session in list(self._sessions):
            self._end(session)
        if self._owns_pool and not self.busy:
            self._pool.close()

    def _protocol(self) -> Server[Any, Any]:
        server: Server[Any, Any] = Server(
            "visiongpt", version("visiongpt-agent"), _INSTRUCTIONS, lifespan=self._client_session
        )
        server.list_tools()(self._list_tools)  # type: ignore[no-untyped-call]
        server.call_tool()(self._call)
        server.list_resources()(self._list_resources)  # type: ignore[no-untyped-call]
        server.list_resource_templates()(self._list_templates)  # type: ignore[no-untyped-call]
        server.read_resource()(self._read_resource)  # type: ignore[no-untyped-call]
        return server

    # ------------------------------------------------------------------------------------------------------- sessions

    @asynccontextmanager
    async def _client_session(self, _: Server[Any, Any]) -> AsyncIterator[ClientSession]:
        """What a client has to itself from when it comes until it goes."""
        session = ClientSession(self._llm, self._settings, self._pool, self._folder, self._more_tools)
        self._sessions.add(session)
        try:
            yield session
        finally:
            self._end(session)

    def _end(self, session: ClientSession) -> None:
        self._sessions.discard(session)
        session.close()

    @property
    def _session(self) -> ClientSession:
        """That of the request being handled."""
        session: ClientSession = self.protocol.request_context.lifespan_context
        return session

    # ---------------------------------------------------------------------------------------------------------- tools

    async def _list_tools(self) -> list[types.Tool]:
        return [self._agent_tool(), *(self._single(tool) for tool in self._session.tools.values())]

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
        if name != "visiongpt" and name not in self._session.tools:
            return contents.failure(f"there is no tool {name[:60]!r}: list the tools for those that there are")
        try:
            return await (self._request(arguments) if name == "visiongpt" else self._use(name, arguments))
        except VisionGPTError as error:
            return contents.failure(str(error))
        except Exception as error:
            logger.exception("%s failed", name)
            return contents.failure(f"a bug, {type(error).__name__}: the server's log has the traceback")

    async def _use(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        tool = self._session.tools[name]
        call = {"name": name, "args": contents.with_data_urls(tool, arguments), "id": name, "type": "tool_call"}
        message: ToolMessage = await self._in_thread(partial(tool.invoke, call))
        if message.status == "error":
            return contents.failure(str(message.content))
        artifact: dict[str, Any] = message.artifact
        pictures = [*([artifact] if "image" in artifact else []), *artifact.get("further", ())]
        links = [contents.link(picture["image"], name) for picture in pictures]
        blocks: Any = message.content
        return types.CallToolResult(content=contents.content_of(blocks, links), structuredContent=artifact)

    async def _request(self, arguments: dict[str, Any]) -> types.CallToolResult:
        session, thread = self._session, arguments.get("thread")
        session.check_thread(thread)
        images = [session.pictures.source(contents.as_data_url(given)) for given in arguments.get("images", ())]
        run = Run(arguments["request"], images, thread)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._in_thread, partial(run.carry_out, session.agent))
                await self._tell_progress(run)
        finally:
            run.cancel()  # where the client has called it off
        session.keep_thread(run.thread)
        if run.fault:
            raise run.fault
        if run.result is None:
            raise InputError("the request came to no result: say it in another way")
        links = [contents.link(image.id, image.title) for image in run.result.images]
        blocks = await self._in_thread(partial(content_blocks, session.agent, run.result, previews=True))
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

    def _trim(self) -> None:
        """Remove pictures where all together take too much."""
        sizes = {session: session.picture_bytes for session in list(self._sessions)}
        excess = sum(sizes.values()) - self._keep_bytes
        if excess > 0:
            with suppress(FileNotFoundError):  # another thread is at it
                max(sizes, key=lambda session: sizes[session]).drop_oldest_pictures(excess)

    # ------------------------------------------------------------------------------------------------------ resources

    async def _list_resources(self) -> list[types.Resource]:
        """The pictures made, the newest first."""
        store = self._session.store
        files = sorted(store.folder.glob("img-*.png"), key=lambda file: -file.stat().st_mtime)
        made = [(file.stem, store.provenance(file.stem)) for file in files[: 4 * _SHOWN_RESOURCES]]
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
        store = self._session.store
        if match is None or match[1] not in store:
            raise InputError(f"there is no picture at {str(uri)[:80]}: name one as {contents.PICTURES}img-...")
        data = await self._in_thread(partial(_png, store, match[1]))
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
