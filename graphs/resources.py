"""What the nodes of the graph share: the store, the models, the tools, the LLM, and the bounds of the loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from langchain_core.language_models import BaseChatModel

from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Proposal, Signature
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolSpec

T = TypeVar("T")


class LanguageModel(Protocol):
    """The chat model that plans, and whether it can also write.

    A model that was fine-tuned to plan (such as the one that comes with the package) writes no prose: the answer is
    then composed from the results alone.
    """

    @property
    def chat(self) -> BaseChatModel: ...

    @property
    def writes(self) -> bool: ...

    def call(self, work: Callable[[BaseChatModel], T]) -> T:
        """Do some work with the chat model, more than once where its memory runs out."""
        ...


@dataclass(frozen=True)
class GivenModel:
    """A chat model that the caller handed in: no pool owns it."""

    chat: BaseChatModel
    writes: bool = True

    def call(self, work: Callable[[BaseChatModel], T]) -> T:
        return work(self.chat)


@dataclass(frozen=True)
class Limits:
    """Bounds of the loop.

    Attributes:
        rounds: How often a request may be planned, the first time included.
        retries: How often a step that did not hold may be tried in another way.
        seconds: After this time nothing goes on and what was achieved is told. A request that is taken up again, after
            a question to a person or a crash, has this time anew.
        step_seconds: After this time a step is given up, each attempt by itself.
        workers: How many independent steps run side by side.
    """

    rounds: int = 2
    retries: int = 2
    seconds: float = 600.0
    step_seconds: float = 300.0
    workers: int = 2


@dataclass(frozen=True)
class Resources:
    """Shared by the nodes; holds no state of a conversation.

    Attributes:
        store: Pictures and regions by content.
        models: The pool as tools see it.
        tools: All tools by name, runnable or not, offered or not.
        llm: Leases the chat model; the lease is held for one call.
        limits: Bounds of the loop.
        cancelled: Whether the request under way in a conversation (its thread id) has been called off; asked several
            times a second.
        ask_before: Which steps wait for a person's approval: names of tools, or a function of the proposal.
    """

    store: ImageStore
    models: ModelPool
    tools: Mapping[str, ToolSpec]
    llm: Callable[[], AbstractContextManager[LanguageModel]]
    limits: Limits = field(default_factory=Limits)
    cancelled: Callable[[str], bool] = lambda _: False
    ask_before: Collection[str] | Callable[[Proposal], bool] = ()

    def must_ask(self, proposal: Proposal) -> bool:
        """Whether a step waits for a person's approval."""
        if callable(self.ask_before):
            return self.ask_before(proposal)
        return proposal.tool in self.ask_before

    def offered(self) -> dict[str, ToolSpec]:
        """The tools that planners and people are shown."""
        return {name: spec for name, spec in self.tools.items() if spec.offered}

    def runnable(self) -> dict[str, ToolSpec]:
        """The offered tools whose models are usable here."""
        return {name: spec for name, spec in self.offered().items() if spec.usable(self.models)}

    def signatures(self) -> dict[str, Signature]:
        """The catalogue of the tools that can run here."""
        return {name: spec.signature for name, spec in self.runnable().items()}
