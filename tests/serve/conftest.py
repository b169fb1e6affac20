"""A server within this process, a client that speaks to it, and a tool that takes as long as a test wants."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.serve.app import create_app
from visiongpt_agent.serve.limits import ServeLimits
from visiongpt_agent.tools.base import ToolOutput, ToolSpec, vision_tool

TURN = "#1 = transform_image(image=$1, rotate=90)"
HOLD = "#1 = hold_still(image=$1)\n#2 = transform_image(image=#1, rotate=90)"
WORDED = "I turned the picture 90 degrees clockwise."


def png(size: tuple[int, int] = (64, 48), color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Holding:
    """A tool that holds its picture until it is let go; what it waits for is bounded, so that no test hangs."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Event = field(default_factory=threading.Event)

    def tool(self) -> ToolSpec:
        @vision_tool("hold the picture for a while", returns=Kind.IMAGE)
        def hold_still(image: Image.Image) -> ToolOutput:
            """Hold a picture."""
            self.begun.release()
            assert self.let_go.wait(30)
            return ToolOutput(image, "I held it.")

        return hold_still


@pytest.fixture
def holding() -> Iterator[Holding]:
    held = Holding()
    yield held
    held.let_go.set()


Serve = Callable[..., Any]


@pytest.fixture
def serve(pool: ModelPool, holding: Holding) -> Serve:
    """``async with serve(plan) as (client, app)``: a server whose language model answers with that plan."""

    @asynccontextmanager
    async def started(
        plan: str = TURN, *, token: str | None = None, limits: ServeLimits | None = None
    ) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
        chat = ScriptedChat(script=[plan])  # it words nothing, so the answer is the tools' own account
        app = create_app(chat, pool=pool, tools=[holding.tool()], limits=limits, token=token)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", timeout=60) as client:
            try:
                yield client, app
            finally:
                holding.let_go.set()
                app.state.service.close()

    return started
