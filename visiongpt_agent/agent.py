"""The agent: a request in words and some pictures in, one comprehensive answer out."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from visiongpt_agent.approval import Approval, answers
from visiongpt_agent.errors import InputError, WeightsError
from visiongpt_agent.graphs.answering.report import build_result
from visiongpt_agent.graphs.build import SUPERSTEPS, Graph, build_graph
from visiongpt_agent.graphs.loop.reopening import reopening
from visiongpt_agent.graphs.resources import GivenModel, LanguageModel, Limits, Resources
from visiongpt_agent.graphs.state import AgentState, ImageEntry, fresh_turn
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.decoding import pages_of
from visiongpt_agent.pictures.images import ImageStore, Provenance, StoredImage
from visiongpt_agent.pictures.sources import Sources
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.request import (
    MAX_PAGES,
    Request,
    check_mentioned,
    checked_pages,
    checked_pointed,
    checked_request,
    chosen_pages,
    left_out,
    page_title,
    path_of,
    title_of,
)
from visiongpt_agent.settings import Settings
from visiongpt_agent.state import ConversationStore
from visiongpt_agent.state.snapshots import (
    STATE_VERSION,
    VERSION_KEY,
    Conversation,
    existing_snapshot,
    newest_snapshot,
    snapshot_after,
    summary,
    unknown_conversation,
)
from visiongpt_agent.tools import catalog

if TYPE_CHECKING:
    from visiongpt_agent.plan import Proposal
    from visiongpt_agent.result import VisionResult
    from visiongpt_agent.tools.base import ToolSpec

MAX_IMAGES: Final = 50
_ASK_KEY: Final = "visiongpt_ask_before"
"""Where a checkpoint's metadata has the names of the tools that wait for approval."""


class Event(TypedDict, total=False):
    """What :meth:`VisionGPT.stream` yields: one of these keys an event, ``result`` the last.

    ``plan`` is the plan's text; ``started`` has ``id``, ``tool``, ``call``; ``finished`` has ``id``, ``tool``,
    ``seconds``, ``verdict``, ``model``, ``told`` and ``attempts`` (their number); ``retried`` has the same of a step
    whose result did not hold and which is tried in another way. A model that takes over a second to load is told of as
    ``loading`` and, once it is there, ``loaded``: ``model``, ``title``, ``device``, ``bytes`` and ``seconds`` so far.
    """

    plan: str
    started: Mapping[str, Any]
    retried: Mapping[str, Any]
    finished: Mapping[str, Any]
    loading: Mapping[str, Any]
    loaded: Mapping[str, Any]
    result: VisionResult


@dataclass(frozen=True)
class _Workspace:
    """Kept conversations, and the graph that works on them."""

    conversations: ConversationStore
    graph: Graph


@dataclass(frozen=True)
class _Resumption:
    """Going on with a conversation's last request, with what a person answered to the steps that wait."""

    approval: Approval


class VisionGPT(Runnable[Request, "VisionResult"]):
    """A vision-language agent after VisionGPT (arXiv 2403.09027), as a LangChain ``Runnable``.

    Args:
        llm: A chat model that calls tools. By default the model that ``VISIONGPT_LLM`` names, else the small planner
            that comes with the package.
        settings: Where weights and conversations are, which device, how much memory; by default from the environment.
        store: Keeps pictures; by default those of conversations with a name are in the state folder, all others in a
            temporary folder that goes with the agent.
        pool: Owns the loaded models; share one between agents to load each model once.
        checkpointer: A LangGraph checkpointer that keeps conversations with a name; by default a SQLite file in
            the state folder, or the Postgres server that the settings name; with ``InMemorySaver()`` they end with the
            agent.
        tools: Further tools beside those of the package.
        limits: Bounds of the loop.
        ask_before: Which steps wait for a person's approval: names of tools, or a function of the proposal. The result
            is then ``waiting``, and :meth:`resume` goes on.

    Example:
        >>> from visiongpt_agent import VisionGPT, sample_photo
        >>> agent = VisionGPT()
        >>> result = agent.run("make it black and white", sample_photo("chelsea"))
        >>> result.status
        'done'
    """

    def __init__(
        self,
        llm: BaseChatModel | None = None,
        *,
        settings: Settings | None = None,
        store: ImageStore | None = None,
        pool: ModelPool | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        tools: Sequence[ToolSpec] = (),
        limits: Limits | None = None,
        ask_before: Collection[str] | Callable[[Proposal], bool] = (),
    ) -> None:
        self.settings = settings or Settings.load()
        self.pool = pool or ModelPool(settings=self.settings)
        self._owns_pool = pool is None
        self._checkpointer = checkpointer
        self._images = store
        self._llm = GivenModel(llm) if llm is not None else None
        self._opening = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        """The requests under way by their conversations; the event calls one off."""
        self._waiting: set[str] = set()
        """Requests without a name that wait for approval: they end with the agent."""
        all_tools = {**catalog(offered=False), **{spec.name: spec for spec in tools}}
        _check_tool_names(ask_before, all_tools)
        self._temporary = ConversationStore.in_memory(store)
        self.resources = Resources(
            self._temporary.images,
            self.pool,
            all_tools,
            self._lease_llm,
            limits or Limits(),
            cancelled=self._is_cancelled,
            ask_before=ask_before,
        )

    @property
    def store(self) -> ImageStore:
        """The pictures of requests without a name; those of a conversation are in its results' store."""
        return self.resources.store

    @property
    def graph(self) -> Graph:
        """The graph that works on the conversations with a name."""
        return self._lasting.graph

    def run(
        self,
        request: str,
        *images: Any,
        thread_id: str | None = None,
        pages: str | int | Sequence[int] = (),
    ) -> VisionResult:
        """Carry out a request.

        Args:
            request: What is wanted, in words; at most 4,000 characters.
            *images: Paths, bytes, data URLs, PIL images, numpy arrays or ``StoredImage`` of this agent's store; ``$1``,
                ``$2``, ... in the request.
            thread_id: Names a conversation: later requests under the same name can refer to earlier pictures.
            pages: Which pages or frames to take of files that have several: ``"all"``, a number from 1, several, or a
                text as ``"1,3-5"``. By default the first, and of a document whose text is asked for all.

        Raises:
            InputError: If the request is empty or too long, or a picture cannot be used; nothing is kept then.
            WeightsError: If there is no language model here; says which weights to pull.
        """
        config = RunnableConfig(configurable={"thread_id": thread_id}) if thread_id else None
        return self.invoke(Request(request=request, images=images, pages=pages), config)

    def invoke(self, input: Request, config: RunnableConfig | None = None, **kwargs: Any) -> VisionResult:
        """Carry out a request; see :meth:`run`. ``config["configurable"]["thread_id"]`` names a conversation."""
        events = self.stream(input, config)
        return [event["result"] for event in events if "result" in event][-1]

    async def ainvoke(self, input: Request, config: RunnableConfig | None = None, **kwargs: Any) -> VisionResult:
        """:meth:`invoke`, off the event loop; cancelling the asyncio task cancels the request."""
        async with aclosing(self._events_off_loop(_Thread.of(config), input)) as events:
            return [event["result"] async for event in events if "result" in event][-1]

    def stream(  # type: ignore[override]  # events on the way, not pieces of a result
        self, input: Request, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Event]:
        """Carry out a request and tell how it goes: events as in :class:`Event`, the last has the result."""
        return self._events(_Thread.of(config), input)

    async def astream(  # type: ignore[override]
        self, input: Request, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Event]:
        """:meth:`stream`, off the event loop; cancelling the asyncio task cancels the request."""
        async with aclosing(self._events_off_loop(_Thread.of(config), input)) as events:
            async for event in events:
                yield event

    def resume(self, thread_id: str, approve: Approval = None, config: RunnableConfig | None = None) -> VisionResult:
        """Go on with the last request of a conversation after a crash or a pause; finished steps are not done again.

        Of a request that has ended, the steps are tried anew that a cause from outside kept from a result: a full disk,
        too little memory, a time limit, a cancellation.

        Args:
            thread_id: The conversation.
            approve: Whether the steps that wait may run; None leaves them waiting. Or a decision for each of them, in
                the order of the result's ``pending``: ``{"type": "approve"}``, ``{"type": "reject", "message": why}``
                or ``{"type": "edit", "edited_action": {"name": tool, "args": {...}}}`` with all its arguments.
            config: LangChain's, for callbacks.

        Returns:
            The result; of a request that has ended with nothing to try anew, the same again.

        Raises:
            StateError: If there is no such conversation, it cannot be read, or a request of it is going on.
            InputError: If the decisions do not fit what waits; it waits on then.
        """
        return [event["result"] for event in self.stream_resumed(thread_id, approve, config) if "result" in event][-1]

    def stream_resumed(
        self, thread_id: str, approve: Approval = None, config: RunnableConfig | None = None
    ) -> Iterator[Event]:
        """:meth:`resume`, telling how it goes as :meth:`stream` does."""
        thread = _Thread.of({**(config or {}), "configurable": {"thread_id": thread_id}})
        return self._events(replace(thread, temporary=thread_id in self._waiting), _Resumption(approve))

    def cancel(self, thread_id: str) -> bool:
        """Call off the request that this agent has under way in a conversation; its result tells what was achieved.

        Returns:
            Whether there was one.
        """
        cancelled = self._running.get(thread_id)
        if cancelled is None:
            return False
        cancelled.set()
        return True

    def undo(self, thread_id: str) -> list[StoredImage]:
        """Take back the last request of a conversation: it goes on as it was before.

        Returns:
            The pictures that came with that request, in this agent's store, so that another one can be made of them.

        Raises:
            StateError: If there is no such conversation, it cannot be read, or a request of it is going on.
        """
        graph, conversations = self._lasting.graph, self._lasting.conversations
        with conversations.claim(thread_id):
            state = existing_snapshot(graph, thread_id).values
            turn = state["turn"]
            entries = [entry for entry in state["images"] if entry["turn"] == turn and entry["origin"] == "user"]
            pictures = [
                self.store.add(conversations.images.open(entry["id"]), Provenance("user", entry["title"]))
                for entry in entries
            ]
            if turn == 1:
                conversations.checkpointer.delete_thread(thread_id)
            else:
                before = snapshot_after(turn - 1, graph, thread_id)
                graph.update_state(before.config, None, as_node="__copy__")
        return pictures

    def threads(self) -> list[Conversation]:
        """The conversations that are kept, the one last worked on first."""
        return [summary(self.graph, thread_id) for thread_id in self._lasting.conversations.thread_ids()]

    def forget(self, thread_id: str) -> None:
        """Delete a conversation and the pictures that no other one uses.

        Raises:
            StateError: If there is no such conversation, or a request of it is going on.
        """
        conversations = self._lasting.conversations
        if thread_id not in conversations.thread_ids():
            raise unknown_conversation(thread_id)
        conversations.forget(thread_id)

    def as_tool(  # type: ignore[override]
        self,
        images: Mapping[str, Any] | None = None,
        *,
        folder: str | Path | None = None,
        name: str = "visiongpt",
        description: str = "Understands and edits pictures: say in words what is wanted and name the pictures.",
        previews: bool = True,
    ) -> BaseTool:
        """The agent as one LangChain tool for a larger agent.

        The larger agent's LLM names pictures; it can reach only those given here, those that a person sent in the
        conversation's messages (``$1``, ``$2``, ...) and those made since, so that its words never become a path.

        Args:
            images: Pictures by the name that the LLM may use.
            folder: A folder whose picture files the LLM may use by their names.
            name: The tool's name.
            description: What the LLM reads of it.
            previews: Whether the LLM is shown the pictures made; for one that reads text only, False.

        Returns:
            A tool with arguments ``request`` and ``images`` (names); its content is the answer and the pictures made,
            its artifact ``VisionResult.to_dict()``. What cannot be done comes back as an error message to the LLM.
        """
        from visiongpt_agent.langchain.agent_tool import agent_tool
        from visiongpt_agent.langchain.pictures import Pictures

        pictures = Pictures(self.store, images or {}, Path(folder) if folder else None)
        return agent_tool(self, pictures, name=name, description=description, previews=previews)

    def close(self) -> None:
        """Free the models, unless the pool was handed in, and what is temporary; conversations with a name stay."""
        if self._owns_pool:
            self.pool.close()
        if "_lasting" in self.__dict__:
            self._lasting.conversations.close()
        self._temporary.close()

    @cached_property
    def _passing(self) -> _Workspace:
        """Where requests without a name are worked on."""
        return _Workspace(self._temporary, build_graph(self.resources, self._temporary.checkpointer))

    @cached_property
    def _lasting(self) -> _Workspace:
        """Where conversations with a name are worked on."""
        if self._checkpointer is not None:
            conversations = ConversationStore.around(self._checkpointer, self.settings, self._images)
        else:
            conversations = ConversationStore.on_disk(self.settings, self._images)
        resources = replace(self.resources, store=conversations.images)
        return _Workspace(conversations, build_graph(resources, conversations.checkpointer))

    def _is_cancelled(self, thread_id: str) -> bool:
        cancelled = self._running.get(thread_id)
        return cancelled is not None and cancelled.is_set()

    def _workspace(self, thread: _Thread) -> _Workspace:
        with self._opening:
            return self._passing if thread.temporary else self._lasting

    def _events(
        self, thread: _Thread, request: Request | _Resumption, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Carry out a request; or go on with the last one, given what a person answered."""
        workspace = self._workspace(thread)
        with workspace.conversations.claim(thread.id):
            self._running[thread.id] = cancelled or threading.Event()
            try:
                if isinstance(request, _Resumption):
                    yield from self._resumed_events(workspace, thread, request.approval)
                else:
                    turn = self._new_turn(request, workspace, thread)
                    yield from _graph_events(workspace.graph, turn, self._config(thread))
            finally:
                del self._running[thread.id]
            result = self._result(workspace, thread)
        yield Event(result=result)

    def _resumed_events(self, workspace: _Workspace, thread: _Thread, approval: Approval) -> Iterator[Event]:
        snapshot = existing_snapshot(workspace.graph, thread.id)
        # Tasks, not ``next``: that leaves out those that have ended, while the wave that they belong to has not.
        if snapshot.interrupts and approval is None:
            return
        if not snapshot.tasks and not self._reopen(workspace, thread, cast("AgentState", snapshot.values)):
            return
        # What is asked before was said when the request was made, perhaps to an agent in another process.
        names = set(str((snapshot.metadata or {}).get(_ASK_KEY, "")).split())
        calls = {str(interrupt.value["call"]) for interrupt in snapshot.interrupts}
        own = self.resources
        resources = replace(
            own,
            store=workspace.conversations.images,
            ask_before=lambda proposal: own.must_ask(proposal) or proposal.tool in names or str(proposal) in calls,
        )
        signatures = {name: spec.signature for name, spec in own.tools.items()}
        told: Any = answers(approval, snapshot.interrupts, cast("AgentState", snapshot.values), signatures)
        graph = build_graph(resources, workspace.conversations.checkpointer)
        yield from _graph_events(graph, Command(resume=told) if told else None, self._config(thread, names))

    def _reopen(self, workspace: _Workspace, thread: _Thread, state: AgentState) -> bool:
        """Have an ended request go on where a cause from outside kept steps from a result; whether one did."""
        update = reopening(state)
        if update:
            workspace.graph.update_state(self._config(thread), update.values, as_node=update.node)
        return update is not None

    def _config(self, thread: _Thread, asked_before: Collection[str] = ()) -> RunnableConfig:
        """The run's config; its metadata stays with the conversation."""
        own = self.resources.ask_before
        names = {*asked_before, *(own if isinstance(own, Collection) else ())}
        metadata = {VERSION_KEY: STATE_VERSION, _ASK_KEY: " ".join(sorted(names))}
        return {**thread.config, "metadata": {**(thread.config.get("metadata") or {}), **metadata}}

    async def _events_off_loop(self, thread: _Thread, request: Request) -> AsyncGenerator[Event]:
        """:meth:`_events` from a thread of its own, so that the event loop is never held up."""
        loop, events, cancelled = asyncio.get_running_loop(), asyncio.Queue[Event | _Ended](), threading.Event()

        def put(event: Event | _Ended) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        def work() -> None:
            try:
                for event in self._events(thread, request, cancelled):
                    put(event)
            except BaseException as fault:
                put(_Ended(fault))
            else:
                put(_Ended(None))

        working = loop.run_in_executor(None, copy_context().run, work)
        try:
            while not isinstance(event := await events.get(), _Ended):
                yield event
            if event.fault:
                raise event.fault
        finally:
            cancelled.set()
            working.cancel()

    def _lease_llm(self) -> AbstractContextManager[LanguageModel]:
        return nullcontext(self._llm) if self._llm else self.pool.use(jobs.LLM, LanguageModel)

    def _new_turn(self, request: Request, workspace: _Workspace, thread: _Thread) -> AgentState:
        """The graph's input for a request, checked; its pictures are in the store then."""
        words = checked_request(request)
        before = newest_snapshot(workspace.graph, thread.id).values
        earlier: list[ImageEntry] = before.get("images", [])
        turn = before.get("turn", 0) + 1
        sources, asked = list(request.get("images") or ()), checked_pages(request.get("pages"))
        if len(earlier) + len(sources) > MAX_IMAGES:
            raise InputError(f"a conversation holds {MAX_IMAGES} images at most: begin a new one")
        images, notes = list[ImageEntry](), list[str]()
        for number, source in enumerate(sources, 1):
            room = MAX_IMAGES - len(earlier) - len(images) - (len(sources) - number)
            if isinstance(source, StoredImage):
                images.append(self._entry_of_stored(source, turn, workspace.conversations.images))
                continue
            entries, note = self._image_entries(source, words, asked, turn, room, workspace.conversations.images)
            images += entries
            notes += [note] if note else []
        check_mentioned(words, len(earlier) + len(images))
        if self._llm is None and not self.pool.has(jobs.LLM):
            raise WeightsError(f"there is no language model to plan with: {self.pool.remedy(jobs.LLM)}")
        sizes = [(entry["width"], entry["height"]) for entry in (*earlier, *images)]
        return fresh_turn(words, turn, images, checked_pointed(request.get("pointed"), sizes), notes)

    def _image_entries(
        self, source: Any, request: str, asked: Sequence[int], turn: int, room: int, store: ImageStore
    ) -> tuple[list[ImageEntry], str]:
        """The pages to take of a picture of a request, at most ``room``, and a sentence for what is left out of it."""
        title = title_of(source)
        content = Sources(self.settings.image_roots, self.settings.web_images).take(source)
        pages, name = pages_of(content), "" if content is source else title
        chosen = chosen_pages(pages, asked, request)
        taken = chosen[: room if asked else min(room, MAX_PAGES)]
        entries = list[ImageEntry]()
        for page in taken:
            called = title if pages.count == 1 or taken == (1,) else page_title(title, page)
            image = store.add(content, Provenance("user", called, path=path_of(source)), name=name, page=page)
            entries.append(
                ImageEntry(id=image.id, origin="user", title=called, width=image.width, height=image.height, turn=turn)
            )
            if pages.count > 1:
                entries[-1]["page"] = page
        for entry in entries if len(taken) > 1 else ():
            entry["document"] = entries[0]["id"]
        return entries, "" if asked and taken == chosen else left_out(title, pages, len(taken))

    def _entry_of_stored(self, image: StoredImage, turn: int, store: ImageStore) -> ImageEntry:
        """A picture of the store again: the result of a tool stays one, so that "the result" in a request finds it."""
        if image.id not in store:
            store.add(self.store.open(image.id), self.store.provenance(image.id))
        provenance = store.provenance(image.id)
        origin = provenance.origin if provenance and provenance.origin in self.resources.tools else "user"
        title = origin if origin != "user" else title_of(provenance.title if provenance else "")
        return ImageEntry(id=image.id, origin=origin, title=title, width=image.width, height=image.height, turn=turn)

    def _result(self, workspace: _Workspace, thread: _Thread) -> VisionResult:
        snapshot = newest_snapshot(workspace.graph, thread.id)
        result = build_result(cast("AgentState", snapshot.values), workspace.conversations.images, thread.id)
        self._waiting.discard(thread.id)
        if snapshot.interrupts:
            if thread.temporary:
                self._waiting.add(thread.id)
            calls = tuple(str(interrupt.value["call"]) for interrupt in snapshot.interrupts)
            answer = f"This waits for your approval: {'; '.join(calls)}"
            return replace(result, status="waiting", answer=answer, pending=calls)
        if thread.temporary:
            workspace.conversations.checkpointer.delete_thread(thread.id)
        return result


class _Ended(NamedTuple):
    """The last of the events that cross from a thread to the event loop."""

    fault: BaseException | None


def _graph_events(graph: Graph, graph_input: Any, config: RunnableConfig) -> Iterator[Event]:
    for event in graph.stream(graph_input, config, stream_mode="custom", durability="sync"):
        yield cast("Event", event)


@dataclass(frozen=True)
class _Thread:
    """A conversation: its id, the config that names it, and whether it ends with its request."""

    id: str
    config: RunnableConfig
    temporary: bool

    @classmethod
    def of(cls, config: RunnableConfig | None) -> _Thread:
        options: dict[str, Any] = {**(config or {})}
        configurable = dict(options.get("configurable", {}) or {})
        name = configurable.get("thread_id")
        thread_id = str(name or uuid.uuid4())
        merged: Any = {
            **options,
            "recursion_limit": SUPERSTEPS,  # a chain that the agent is part of passes on LangChain's own, 25
            "configurable": {**configurable, "thread_id": thread_id},
        }
        return cls(thread_id, merged, name is None)


def _check_tool_names(ask_before: object, tools: Collection[str]) -> None:
    unknown = [name for name in ask_before if name not in tools] if isinstance(ask_before, Collection) else []
    if unknown:
        raise InputError(f"there is no tool {unknown[0]!r} to ask before: visiongpt tools lists them")
