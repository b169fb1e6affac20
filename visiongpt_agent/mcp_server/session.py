"""What one client of the MCP server has to itself: its pictures, its conversations, and the tools that work on them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from langgraph.checkpoint.memory import InMemorySaver

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import InputError
from visiongpt_agent.langchain.pictures import Pictures
from visiongpt_agent.langchain.toolkit import NamingTool, visiongpt_tools
from visiongpt_agent.pictures.images import ImageStore

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from visiongpt_agent.pool import ModelPool
    from visiongpt_agent.settings import Settings
    from visiongpt_agent.tools.base import ToolSpec

_THREADS: Final = 32
"""Conversations that a client keeps; the one longest not gone on with goes first."""


class ClientSession:
    """The store of one client, and the agent and the tools over it. Nothing is made before the client calls a tool.

    Args:
        llm: The chat model that plans for ``visiongpt``; by default the settings' or the package's own.
        settings: Where models run.
        pool: The models, shared by all clients.
        folder: A folder whose own files may be named as pictures; None where there is none.
        tools: Further tools beside those of the package.
    """

    def __init__(
        self,
        llm: BaseChatModel | None,
        settings: Settings,
        pool: ModelPool,
        folder: Path | None,
        tools: Sequence[ToolSpec],
    ) -> None:
        self._llm = llm
        self._settings = settings
        self._pool = pool
        self._folder = folder
        self._more_tools = tools
        self._checkpointer = InMemorySaver()
        self._threads: OrderedDict[str, None] = OrderedDict()
        self._making = threading.Lock()

    @cached_property
    def store(self) -> ImageStore:
        """The client's pictures and regions."""
        return ImageStore()

    @cached_property
    def agent(self) -> VisionGPT:
        """Carries out the client's whole requests."""
        return VisionGPT(
            self._llm,
            settings=self._settings,
            store=self.store,
            pool=self._pool,
            checkpointer=self._checkpointer,
            tools=self._more_tools,
        )

    @cached_property
    def pictures(self) -> Pictures:
        """What the client may name as a picture."""
        return Pictures(self.store, folder=self._folder)

    @cached_property
    def tools(self) -> dict[str, NamingTool]:
        """The single tools over the client's pictures, by name."""
        with self._making:
            made = visiongpt_tools(folder=self._folder, tools=self._more_tools, store=self.store, pool=self._pool)
            return {tool.name: tool for tool in made}

    @property
    def picture_bytes(self) -> int:
        """Disk space of the client's pictures."""
        if "store" not in self.__dict__:
            return 0
        with suppress(FileNotFoundError):  # a file is removed while it is looked at
            return sum(file.stat().st_size for file in self.store.folder.glob("*-*"))
        return self.picture_bytes

    def drop_oldest_pictures(self, size: int) -> None:
        """Remove the oldest pictures until ``size`` bytes are free; who names one is told to hand it in again."""
        for file in sorted(self.store.folder.glob("*-*"), key=lambda file: file.stat().st_mtime):
            if size <= 0:
                break
            size -= file.stat().st_size
            file.unlink(missing_ok=True)

    def check_thread(self, thread: str | None) -> None:
        """Refuse to go on with a conversation that the client does not have.

        Raises:
            InputError: If there is none of this name.
        """
        if thread is not None and thread not in self._threads:
            raise InputError("there is no such thread here, or it was too long ago: begin a new one without it")

    def keep_thread(self, thread: str) -> None:
        """Keep a conversation to be gone on with, in place of the one longest left alone."""
        self._threads[thread] = None
        self._threads.move_to_end(thread)
        while len(self._threads) > _THREADS:
            self._checkpointer.delete_thread(self._threads.popitem(last=False)[0])

    def close(self) -> None:
        """Remove the pictures."""
        if "agent" in self.__dict__:
            self.agent.close()
        if "store" in self.__dict__:
            self.store.close()
