"""The page as it is served, and a browser that looks at it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from visiongpt_agent.web.conversations import Conversations, PageLimits

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
TURN = "#1 = transform_image(image=$1, rotate=90)"
WORDED = "I turned the picture 90 degrees clockwise."


@pytest.fixture
def scripted(pool: ModelPool) -> Callable[..., Callable[[], VisionGPT]]:
    """Makes agents that answer from a script; each conversation begins it anew."""

    def maker(*script: str) -> Callable[[], VisionGPT]:
        lines = list(script or (TURN, WORDED))

        def make() -> VisionGPT:
            chat = ScriptedChat(script=lines * 8)
            return VisionGPT(chat, pool=pool, store=ImageStore(), checkpointer=InMemorySaver())

        return make

    return maker


@dataclass(frozen=True)
class Served:
    url: str
    conversations: Conversations


@contextmanager
def serving(limits: PageLimits | None = None, **how: Any) -> Iterator[Served]:
    """The page on a free port of this machine."""
    import uvicorn

    from visiongpt_agent.web.server import opened_app

    with opened_app(limits=limits, **how) as app, socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        running = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        running.start()
        while not server.started and running.is_alive():
            time.sleep(0.02)
        try:
            yield Served(f"http://127.0.0.1:{door.getsockname()[1]}", app.state.conversations)
        finally:
            server.should_exit = True
            running.join(15)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    with ExitStack() as stack:
        yield lambda *args, **how: stack.enter_context(serving(*args, **how))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium here: install the system's package of that name")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


@dataclass(frozen=True)
class Tab:
    """A tab, what it said on its console, and the hosts that it asked for anything."""

    page: Page
    console: list[str]
    hosts: set[str]


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens the page in a tab of its own; at the end none of them may have complained or asked another host."""
    tabs: list[Tab] = []

    def opened(url: str, **options: Any) -> Tab:
        context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 860}), **options)
        context.set_default_timeout(120_000)
        tab = Tab(context.new_page(), [], set())
        tab.page.on(
            "console", lambda told: tab.console.append(told.text) if told.type in ("error", "warning") else None
        )
        tab.page.on("pageerror", lambda fault: tab.console.append(str(fault)))
        tab.page.on("request", lambda request: tab.hosts.add(request.url.split("/")[2]))
        tab.page.goto(url)
        tab.page.wait_for_selector(".vg-card")
        tabs.append(tab)
        return tab

    yield opened
    for tab in tabs:
        assert tab.console == []
        assert {host.split(":")[0] for host in tab.hosts} == {"127.0.0.1"}
        tab.page.context.close()
