"""What the nodes of the graph share: the store, the models, the tools, the LLM, and the bounds of the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from langchain_core.language_models import BaseChatModel

from visiongpt_agent.images import ImageStore
from visiongpt_agent.plan import Signature
from visiongpt_agent.tools.base import Models, ToolSpec


class LanguageModel(Protocol):
    """The chat model that plans, and whether it can also write.

    A model that was fine-tuned to plan (such as the one that comes with the package) writes no prose: the answer is
    then composed from the results alone.
    """

    @property
    def chat(self) -> BaseChatModel: ...

    @property
    def writes(self) -> bool: ...


@dataclass(frozen=True)
class Limits:
    """Bounds of the loop.

    Attributes:
        rounds: How often a request may be planned, the first time included.
        seconds: After this time no further step is begun and what was achieved is told.
        workers: How many independent steps run side by side.
    """

    rounds: int = 2
    seconds: float = 600.0
    workers: int = 2


@dataclass(frozen=True)
class Resources:
    """Shared by the nodes; holds no state of a conversation.

    Attributes:
        store: Pictures and regions by content.
        models: The pool as tools see it.
        tools: All tools by name, runnable or not.
        llm: Leases the chat model; the lease is held for one call.
        limits: Bounds of the loop.
    """

    store: ImageStore
    models: Models
    tools: Mapping[str, ToolSpec]
    llm: Callable[[], AbstractContextManager[LanguageModel]]
    limits: Limits = field(default_factory=Limits)

    def runnable(self) -> dict[str, ToolSpec]:
        """The tools whose models are usable here."""
        return {name: spec for name, spec in self.tools.items() if spec.usable(self.models)}

    def signatures(self) -> dict[str, Signature]:
        """The catalogue of the tools that can run here."""
        return {name: spec.signature for name, spec in self.runnable().items()}
