"""``langgraph dev`` serves the agent from ``langgraph.json``, offline, and a client holds a conversation with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.langchain.conftest import Say
from visiongpt_agent.models import jobs

CONFIG = Path(__file__).parents[2] / "langgraph.json"


@pytest.fixture
def server(tmp_path: Path, needs: Callable[[str], None]) -> Iterator[str]:
    """The address of a server over a copy of the configuration: what it writes stays in the test's own folder."""
    needs(jobs.LLM)
    command = Path(sys.executable).with_name("langgraph")
    if not command.exists():
        pytest.skip("there is no langgraph command: pip install 'visiongpt-agent[studio]'")
    shutil.copy(CONFIG, tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false"}
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [command, "dev", "--no-browser", "--no-reload", "--port", port],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/ok", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=20) in (0, -signal.SIGINT, 130)
        finally:
            process.kill()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import httpx

    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.mark.slow
async def test_a_client_holds_a_conversation_with_the_server(server: str, say: Say) -> None:
    from langgraph_sdk import get_client

    client = get_client(url=server)
    thread = (await client.threads.create())["thread_id"]

    async def ask(message: Any) -> tuple[list[str], dict[str, Any]]:
        events, state = list[str](), dict[str, Any]()
        given: dict[str, Any] = {"messages": [{"role": "user", "content": message}]}
        async for part in client.runs.stream(thread, "visiongpt", input=given, stream_mode=["custom", "values"]):
            assert part.event != "error", part.data
            if part.event == "custom":
                events += part.data
            elif part.event == "values":
                state = dict(part.data)
        return events, state["messages"][-1]

    events, answer = await ask(say("remove the background", "coffee").content)
    assert next(event for event in events if not event.startswith("load")) == "plan"
    assert {"started", "finished", "preview"} <= set(events)
    assert answer["content"][0]["text"].startswith("I cut out the foreground")
    assert answer["content"][1]["type"] == "image"

    _, later = await ask("now make it black and white")
    assert later["response_metadata"]["plan"] == "#1 = adjust_image(image=$2, saturation=0)"


def test_the_configuration_names_a_graph_that_can_be_made() -> None:
    import importlib

    (path,) = json.loads(CONFIG.read_text(encoding="utf-8"))["graphs"].values()
    module, name = path.split(":")

    assert callable(getattr(importlib.import_module(module), name))
