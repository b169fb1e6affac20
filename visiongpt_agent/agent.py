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

from visiongpt_agent.errors import InputError, StateError, WeightsError
from visiongpt_agent.graphs.answering.report import build_result
from visiongpt_agent.graphs.build import SUPERSTEPS, Graph, build_graph
from visiongpt_agent.graphs.resources import GivenModel, LanguageModel, Limits, Resources
from visiongpt_agent.graphs.state import AgentState, ImageEntry, fresh_turn
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.images import ImageStore, Provenance, StoredImage
from visiongpt_agent.pictures.sources import Sources
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.request import Request, check_mentioned, checked_pointed, checked_request, title_of
from visiongpt_agent.settings import Settings
from visiongpt_agent.state import Home
from visiongpt_agent.tools import catalog

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot

    from visiongpt_agent.plan import Proposal
    from visiongpt_agent.result import VisionResult
    from visiongpt_agent.tools.base import ToolSpec

MAX_IMAGES: Final = 50
STATE_VERSION: Final = 1
"""Of what the graph keeps of a conversation; one more where an older version could not go on with it."""

_VERSION_KEY: Final = "visiongpt_state"
_ASK_KEY: Final = "visiongpt_ask_before"


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
class Conversation:
    """A conversation that is kept.

    Attributes:
        thread_id: Its name.
        request: The last request.
        status: How that went: one of :class:`VisionResult`'s, ``unfinished`` where it was interrupted or is still going
            on, ``unreadable`` where it is damaged or of another version.
        requests: How many there were.
        images: How many pictures it has.
        updated: When it was last worked on, as ISO 8601 in UTC.
    """

    thread_id: str
    request: str = ""
    status: str = "unreadable"
    requests: int = 0
    images: int = 0
    updated: str = ""


@dataclass(frozen=True)
class _Workplace:
    """A home with the graph that works on its conversations."""

    home: Home
    graph: Graph


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
        self._given_store = store
        self._given = GivenModel(llm) if llm is not None else None
        self._opening = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        """The requests under way by their conversations; the event calls one off."""
        self._paused: set[str] = set()
        """Requests without a name that wait for approval: they end with the agent."""
        known = {**catalog(offered=False), **{spec.name: spec for spec in tools}}
        _check_known(ask_before, known)
        self._passing = Home.in_memory(store)
        self.resources = Resources(
            self._passing.store,
            self.pool,
            known,
            self._lease_llm,
            limits or Limits(),
            cancelled=self._is_called_off,
            ask_before=ask_before,
        )

    @property
    def store(self) -> ImageStore:
        """The pictures of requests without a name; those of a conversation are in its results' store."""
        return self.resources.store

    @property
    def graph(self) -> Graph:
        """The graph that works on the conversations with a name."""
        return self._lasting_place.graph

    def run(self, request: str, *images: Any, thread_id: str | None = None) -> VisionResult:
        """Carry out a request.

        Args:
            request: What is wanted, in words; at most 4,000 characters.
            *images: Paths, bytes, data URLs, PIL images, numpy arrays or ``StoredImage`` of this agent's store; ``$1``,
                ``$2``, ... in the request.
            thread_id: Names a conversation: later requests under the same name can refer to earlier pictures.

        Raises:
            InputError: If the request is empty or too long, or a picture cannot be used; nothing is kept then.
            WeightsError: If there is no language model here; says which weights to pull.
        """
        config = RunnableConfig(configurable={"thread_id": thread_id}) if thread_id else None
        return self.invoke(Request(request=request, images=images), config)

    def invoke(self, input: Request, config: RunnableConfig | None = None, **kwargs: Any) -> VisionResult:
        """Carry out a request; see :meth:`run`. ``config["configurable"]["thread_id"]`` names a conversation."""
        events = self.stream(input, config)
        return [event["result"] for event in events if "result" in event][-1]

    async def ainvoke(self, input: Request, config: RunnableConfig | None = None, **kwargs: Any) -> VisionResult:
        """:meth:`invoke`, off the event loop; cancelling the asyncio task cancels the request."""
        async with aclosing(self._off_loop(_Thread.of(config), input)) as events:
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
        async with aclosing(self._off_loop(_Thread.of(config), input)) as events:
            async for event in events:
                yield event

    def resume(self, thread_id: str, approve: bool | None = None, config: RunnableConfig | None = None) -> VisionResult:
        """Go on with the last request of a conversation after a crash or a pause; finished steps are not done again.

        Args:
            thread_id: The conversation.
            approve: Whether the steps that wait may run; None leaves them waiting.
            config: LangChain's, for callbacks.

        Returns:
            The result; of a request that was finished already, the same again.

        Raises:
            StateError: If there is no such conversation, it cannot be read, or a request of it is going on.
        """
        return [event["result"] for event in self.stream_resumed(thread_id, approve, config) if "result" in event][-1]

    def stream_resumed(
        self, thread_id: str, approve: bool | None = None, config: RunnableConfig | None = None
    ) -> Iterator[Event]:
        """:meth:`resume`, telling how it goes as :meth:`stream` does."""
        thread = _Thread.of({**(config or {}), "configurable": {"thread_id": thread_id}})
        return self._events(replace(thread, passing=thread_id in self._paused), approve)

    def cancel(self, thread_id: str) -> bool:
        """Call off the request that this agent has under way in a conversation; its result tells what was achieved.

        Returns:
            Whether there was one.
        """
        called_off = self._running.get(thread_id)
        if called_off is None:
            return False
        called_off.set()
        return True

    def undo(self, thread_id: str) -> list[StoredImage]:
        """Take back the last request of a conversation: it goes on as it was before.

        Returns:
            The pictures that came with that request, in this agent's store, so that another one can be made of them.

        Raises:
            StateError: If there is no such conversation, it cannot be read, or a request of it is going on.
        """
        place = self._lasting_place
        with place.home.claim(thread_id):
            kept = _kept(place.graph, thread_id)
            if not kept.values:
                raise _unknown(thread_id)
            turn = kept.values["turn"]
            entries = [one for one in kept.values["images"] if one["turn"] == turn and one["origin"] == "user"]
            given = [
                self.store.add(place.home.store.open(one["id"]), Provenance("user", one["title"])) for one in entries
            ]
            if turn == 1:
                place.home.checkpointer.delete_thread(thread_id)
            else:
                before = _end_of(turn - 1, place.graph, thread_id)
                place.graph.update_state(before.config, None, as_node="__copy__")
        return given

    def threads(self) -> list[Conversation]:
        """The conversations that are kept, the one last worked on first."""
        return [self._conversation(thread_id) for thread_id in self._lasting_place.home.thread_ids()]

    def forget(self, thread_id: str) -> None:
        """Delete a conversation and the pictures that no other one uses.

        Raises:
            StateError: If there is no such conversation, or a request of it is going on.
        """
        home = self._lasting_place.home
        if thread_id not in home.thread_ids():
            raise _unknown(thread_id)
        home.forget(thread_id)

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
        if "_lasting_place" in self.__dict__:
            self._lasting_place.home.close()
        self._passing.close()

    @cached_property
    def _passing_place(self) -> _Workplace:
        return _Workplace(self._passing, build_graph(self.resources, self._passing.checkpointer))

    @cached_property
    def _lasting_place(self) -> _Workplace:
        if self._checkpointer is not None:
            home = Home.given(self._checkpointer, self.settings, self._given_store)
        else:
            home = Home.on_disk(self.settings, self._given_store)
        return _Workplace(home, build_graph(replace(self.resources, store=home.store), home.checkpointer))

    def _is_called_off(self, thread_id: str) -> bool:
        called_off = self._running.get(thread_id)
        return called_off is not None and called_off.is_set()

    def _place(self, thread: _Thread) -> _Workplace:
        with self._opening:
            return self._passing_place if thread.passing else self._lasting_place

    def _events(
        self, thread: _Thread, wanted: Request | bool | None, called_off: threading.Event | None = None
    ) -> Iterator[Event]:
        """Carry out a request, or go on with the last one where ``wanted`` is an approval or None."""
        place = self._place(thread)
        with place.home.claim(thread.id):
            self._running[thread.id] = called_off or threading.Event()
            try:
                if isinstance(wanted, Mapping):
                    yield from _told(place.graph, self._turn(wanted, place, thread), self._config(thread))
                else:
                    yield from self._go_on(place, thread, wanted)
            finally:
                del self._running[thread.id]
            result = self._result(place, thread)
        yield Event(result=result)

    def _go_on(self, place: _Workplace, thread: _Thread, approve: bool | None) -> Iterator[Event]:
        kept = _kept(place.graph, thread.id)
        if not kept.values:
            raise _unknown(thread.id)
        # Tasks, not ``next``: that leaves out those that have ended, while the wave that they belong to has not.
        if not kept.tasks or (kept.interrupts and approve is None):
            return
        # What is asked before was said when the request was made, perhaps to an agent in another process.
        names = set(str((kept.metadata or {}).get(_ASK_KEY, "")).split())
        calls = {str(asked.value["call"]) for asked in kept.interrupts}
        own = self.resources
        resources = replace(
            own,
            store=place.home.store,
            ask_before=lambda proposal: own.must_ask(proposal) or proposal.tool in names or str(proposal) in calls,
        )
        answers: Any = {asked.id: approve for asked in kept.interrupts}
        graph = build_graph(resources, place.home.checkpointer)
        yield from _told(graph, Command(resume=answers) if answers else None, self._config(thread, names))

    def _config(self, thread: _Thread, asked: Collection[str] = ()) -> RunnableConfig:
        """The run's config; what it is told here stays with the conversation."""
        own = self.resources.ask_before
        names = {*asked, *(own if isinstance(own, Collection) else ())}
        kept = {_VERSION_KEY: STATE_VERSION, _ASK_KEY: " ".join(sorted(names))}
        return {**thread.config, "metadata": {**(thread.config.get("metadata") or {}), **kept}}

    async def _off_loop(self, thread: _Thread, wanted: Request) -> AsyncGenerator[Event]:
        loop, events, called_off = asyncio.get_running_loop(), asyncio.Queue[Event | _Ended](), threading.Event()

        def tell(event: Event | _Ended) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        def work() -> None:
            try:
                for event in self._events(thread, wanted, called_off):
                    tell(event)
            except BaseException as fault:
                tell(_Ended(fault))
            else:
                tell(_Ended(None))

        working = loop.run_in_executor(None, copy_context().run, work)
        try:
            while not isinstance(event := await events.get(), _Ended):
                yield event
            if event.fault:
                raise event.fault
        finally:
            called_off.set()
            working.cancel()

    def _lease_llm(self) -> AbstractContextManager[LanguageModel]:
        return nullcontext(self._given) if self._given else self.pool.use(jobs.LLM, LanguageModel)

    def _turn(self, input: Request, place: _Workplace, thread: _Thread) -> AgentState:
        request = checked_request(input)
        before = _kept(place.graph, thread.id).values
        known: list[ImageEntry] = before.get("images", [])
        turn = before.get("turn", 0) + 1
        sources = list(input.get("images") or ())
        if len(known) + len(sources) > MAX_IMAGES:
            raise InputError(f"a conversation holds {MAX_IMAGES} images at most: begin a new one")
        images = [self._entry(source, turn, place.home.store) for source in sources]
        check_mentioned(request, len(known) + len(images))
        if self._given is None and not self.pool.has(jobs.LLM):
            raise WeightsError(f"there is no language model to plan with: {self.pool.remedy(jobs.LLM)}")
        sizes = [(entry["width"], entry["height"]) for entry in (*known, *images)]
        return fresh_turn(request, turn, images, checked_pointed(input.get("pointed"), sizes))

    def _entry(self, source: Any, turn: int, store: ImageStore) -> ImageEntry:
        if isinstance(source, StoredImage):
            return self._entry_of_stored(source, turn, store)
        title = title_of(source)
        taken = Sources(self.settings.image_roots, self.settings.web_images).take(source)
        kept = store.add(taken, Provenance("user", title), name="" if taken is source else title)
        return ImageEntry(id=kept.id, origin="user", title=title, width=kept.width, height=kept.height, turn=turn)

    def _entry_of_stored(self, kept: StoredImage, turn: int, store: ImageStore) -> ImageEntry:
        """A picture of the store again: the result of a tool stays one, so that "the result" in a request finds it."""
        if kept.id not in store:
            store.add(self.store.open(kept.id), self.store.provenance(kept.id))
        made = store.provenance(kept.id)
        origin = made.origin if made and made.origin in self.resources.tools else "user"
        title = origin if origin != "user" else title_of(made.title if made else "")
        return ImageEntry(id=kept.id, origin=origin, title=title, width=kept.width, height=kept.height, turn=turn)

    def _result(self, place: _Workplace, thread: _Thread) -> VisionResult:
        kept = _kept(place.graph, thread.id)
        result = build_result(cast("AgentState", kept.values), place.home.store, thread.id)
        self._paused.discard(thread.id)
        if kept.interrupts:
            if thread.passing:
                self._paused.add(thread.id)
            calls = tuple(str(asked.value["call"]) for asked in kept.interrupts)
            answer = f"This waits for your approval: {'; '.join(calls)}"
            return replace(result, status="waiting", answer=answer, pending=calls)
        if thread.passing:
            place.home.checkpointer.delete_thread(thread.id)
        return result

    def _conversation(self, thread_id: str) -> Conversation:
        try:
            kept = _kept(self.graph, thread_id)
            values = kept.values
            status = "waiting" if kept.interrupts else "unfinished" if kept.tasks else values["status"]
            return Conversation(
                thread_id, values["request"], status, values["turn"], len(values["images"]), kept.created_at or ""
            )
        except (StateError, KeyError):
            return Conversation(thread_id)


class _Ended(NamedTuple):
    fault: BaseException | None


def _kept(graph: Graph, thread_id: str) -> StateSnapshot:
    """What is kept of a conversation.

    Raises:
        StateError: If it cannot be read, or another version wrote it.
    """
    kept = graph.get_state({"configurable": {"thread_id": thread_id}})
    version = (kept.metadata or {}).get(_VERSION_KEY, STATE_VERSION)
    if version != STATE_VERSION:
        raise StateError(
            f"the conversation {thread_id!r} was written by another version of visiongpt-agent (state {version}, this "
            f"one reads {STATE_VERSION}): use that version, or remove it with visiongpt threads forget {thread_id}"
        )
    return kept


def _end_of(turn: int, graph: Graph, thread_id: str) -> StateSnapshot:
    for past in graph.get_state_history({"configurable": {"thread_id": thread_id}}):
        if past.values.get("turn") == turn and not past.next:
            return past
    raise StateError(f"what the conversation {thread_id!r} was before its last request is not kept any more")


def _told(graph: Graph, given: Any, config: RunnableConfig) -> Iterator[Event]:
    for event in graph.stream(given, config, stream_mode="custom", durability="sync"):
        yield cast("Event", event)


def _unknown(thread_id: str) -> StateError:
    return StateError(f"there is no conversation {thread_id!r}: visiongpt threads list shows those that are kept")


@dataclass(frozen=True)
class _Thread:
    """A conversation: its id, the config that names it, and whether it ends with the request."""

    id: str
    config: RunnableConfig
    passing: bool

    @classmethod
    def of(cls, config: RunnableConfig | None) -> _Thread:
        given: dict[str, Any] = {**(config or {})}
        configurable = dict(given.get("configurable", {}) or {})
        named = configurable.get("thread_id")
        thread_id = str(named or uuid.uuid4())
        merged: Any = {
            **given,
            "recursion_limit": SUPERSTEPS,  # a chain that the agent is part of passes on LangChain's own, 25
            "configurable": {**configurable, "thread_id": thread_id},
        }
        return cls(thread_id, merged, named is None)


def _check_known(ask_before: object, tools: Collection[str]) -> None:
    unknown = [name for name in ask_before if name not in tools] if isinstance(ask_before, Collection) else []
    if unknown:
        raise InputError(f"there is no tool {unknown[0]!r} to ask before: visiongpt tools lists them")
