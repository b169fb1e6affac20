"""The agent: a request in words and some pictures in, one comprehensive answer out."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from visiongpt_agent.errors import InputError, WeightsError
from visiongpt_agent.graphs.build import build_graph
from visiongpt_agent.graphs.resources import LanguageModel, Limits, Resources
from visiongpt_agent.graphs.state import AgentState, ImageEntry, fresh_turn
from visiongpt_agent.images import ImageStore, Provenance, StoredImage
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.report import build_result
from visiongpt_agent.settings import Settings
from visiongpt_agent.sources import Sources
from visiongpt_agent.tools import catalog
from visiongpt_agent.web_pictures import is_web_address, shown

if TYPE_CHECKING:
    from visiongpt_agent.result import VisionResult
    from visiongpt_agent.tools.base import ToolSpec

MAX_REQUEST_CHARACTERS: Final = 4000
MAX_IMAGES: Final = 50


class Request(TypedDict, total=False):
    """What :meth:`VisionGPT.invoke` takes: the words, and pictures in any form that ``images.decode`` reads."""

    request: str
    images: Sequence[Any]


class Event(TypedDict, total=False):
    """What :meth:`VisionGPT.stream` yields: one of these keys an event, ``result`` the last.

    ``plan`` is the plan's text; ``started`` has ``id``, ``tool``, ``call``; ``finished`` has ``id``, ``tool``,
    ``seconds``, ``verdict``, ``told``.
    """

    plan: str
    started: Mapping[str, Any]
    finished: Mapping[str, Any]
    result: VisionResult


@dataclass(frozen=True)
class _GivenModel:
    """A chat model that the caller handed in: it plans, and it writes."""

    chat: BaseChatModel
    writes: bool = True


class VisionGPT(Runnable[Request, "VisionResult"]):
    """A vision-language agent after VisionGPT (arXiv 2403.09027), as a LangChain ``Runnable``.

    Args:
        llm: A chat model that calls tools. By default the model that ``VISIONGPT_LLM`` names, else the small planner
            that comes with the package.
        settings: Where weights are, which device, how much memory; by default from the environment.
        store: Keeps pictures; by default in a temporary folder that goes with the agent.
        pool: Owns the loaded models; share one between agents to load each model once.
        checkpointer: A LangGraph checkpointer that keeps conversations; by default in memory.
        tools: Further tools beside those of the package.
        limits: Bounds of the loop.

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
    ) -> None:
        self.settings = settings or Settings.load()
        self.store = store or ImageStore()
        self.pool = pool or ModelPool(settings=self.settings)
        self._owns_pool = pool is None
        self._checkpointer = checkpointer or InMemorySaver()
        self._given = _GivenModel(llm) if llm is not None else None
        known = {**catalog(), **{spec.name: spec for spec in tools}}
        self.resources = Resources(self.store, self.pool, known, self._lease_llm, limits or Limits())
        self.graph = build_graph(self.resources, self._checkpointer)

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
        thread = _Thread.of(config)
        state = self.graph.invoke(self._turn(input, thread), thread.config)
        return self._result(state, thread)

    async def ainvoke(self, input: Request, config: RunnableConfig | None = None, **kwargs: Any) -> VisionResult:
        """:meth:`invoke`, off the event loop."""
        thread = _Thread.of(config)
        state = await self.graph.ainvoke(self._turn(input, thread), thread.config)
        return self._result(state, thread)

    def stream(  # type: ignore[override]  # events on the way, not pieces of a result
        self, input: Request, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Event]:
        """Carry out a request and tell how it goes: events as in :class:`Event`, the last has the result."""
        thread = _Thread.of(config)
        state: Any = {}
        for mode, chunk in self.graph.stream(
            self._turn(input, thread), thread.config, stream_mode=["custom", "values"]
        ):
            if mode == "custom":
                yield cast("Event", chunk)
            else:
                state = chunk
        yield Event(result=self._result(state, thread))

    async def astream(  # type: ignore[override]
        self, input: Request, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Event]:
        """:meth:`stream`, off the event loop."""
        thread = _Thread.of(config)
        state: Any = {}
        async for mode, chunk in self.graph.astream(
            self._turn(input, thread), thread.config, stream_mode=["custom", "values"]
        ):
            if mode == "custom":
                yield cast("Event", chunk)
            else:
                state = chunk
        yield Event(result=self._result(state, thread))

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
        """Free the models, unless the pool was handed in, and a temporary store."""
        if self._owns_pool:
            self.pool.close()
        self.store.close()

    def _lease_llm(self) -> AbstractContextManager[LanguageModel]:
        return nullcontext(self._given) if self._given else self.pool.use(jobs.LLM, LanguageModel)

    def _turn(self, input: Request, thread: _Thread) -> AgentState:
        request = _checked_request(input)
        before = self.graph.get_state(thread.config).values
        known: list[ImageEntry] = before.get("images", [])
        turn = before.get("turn", 0) + 1
        sources = list(input.get("images") or ())
        if len(known) + len(sources) > MAX_IMAGES:
            raise InputError(f"a conversation holds {MAX_IMAGES} images at most: begin a new one")
        images = [self._entry(source, turn) for source in sources]
        _check_mentioned(request, len(known) + len(images))
        if self._given is None and not self.pool.has(jobs.LLM):
            raise WeightsError(f"there is no language model to plan with: {self.pool.remedy(jobs.LLM)}")
        return fresh_turn(request, turn, images)

    def _entry(self, source: Any, turn: int) -> ImageEntry:
        if isinstance(source, StoredImage):
            return self._entry_of_stored(source, turn)
        title = _title(source)
        taken = Sources(self.settings.image_roots, self.settings.web_images).take(source)
        kept = self.store.add(taken, Provenance("user", title), name="" if taken is source else title)
        return ImageEntry(id=kept.id, origin="user", title=title, width=kept.width, height=kept.height, turn=turn)

    def _entry_of_stored(self, kept: StoredImage, turn: int) -> ImageEntry:
        """A picture of the store again: the result of a tool stays one, so that "the result" in a request finds it."""
        made = self.store.provenance(kept.id)
        origin = made.origin if made and made.origin in self.resources.tools else "user"
        title = origin if origin != "user" else _title(made.title if made else "")
        return ImageEntry(id=kept.id, origin=origin, title=title, width=kept.width, height=kept.height, turn=turn)

    def _result(self, state: Any, thread: _Thread) -> VisionResult:
        result = build_result(state, self.store, thread.id)
        if thread.passing:
            self._checkpointer.delete_thread(thread.id)
        return result


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
        merged: Any = {**given, "configurable": {**configurable, "thread_id": thread_id}}
        return cls(thread_id, merged, named is None)


def _checked_request(input: Request) -> str:
    if not isinstance(input, Mapping) or not isinstance(input.get("request"), str):
        raise InputError('a request is given as {"request": "...", "images": [...]}')
    request = input["request"].strip()
    if not request:
        raise InputError("the request is empty: say what you want done")
    if len(request) > MAX_REQUEST_CHARACTERS:
        raise InputError(
            f"the request has {len(request)} characters, {MAX_REQUEST_CHARACTERS} are allowed: say it shorter"
        )
    return request


def _check_mentioned(request: str, count: int) -> None:
    for mentioned in re.findall(r"(?<![\w$])\$(\d{1,2})(?![\d.,]*\d)(?!\w)", request):
        if not 1 <= int(mentioned) <= count:
            have = "there is none" if count == 0 else "the only one is $1" if count == 1 else f"they are $1 to ${count}"
            raise InputError(f"there is no image ${mentioned}: of the images in this conversation {have}")


def _title(source: Any) -> str:
    if isinstance(source, (str, Path)) and not str(source).startswith("data:"):
        # The title goes into the planner's prompt: a file name must not be able to write a line of its own there.
        # Of a web address only the path counts: the rest may hold secrets.
        name = Path(shown(source) if isinstance(source, str) and is_web_address(source) else source).name
        return re.sub(r"[^\w.()+-]+", "_", name)[:60] or "image"
    return "image"
