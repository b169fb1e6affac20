"""``visiongpt serve`` as a process of its own, over real sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.test_requests import as_json, events_of
from visiongpt_agent import sample_photo

TOKEN = "correct-horse-battery-staple"


@dataclass
class Server:
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def address(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.said:
                if found := re.search(r"http://\S+", line):
                    return found[0]
            time.sleep(0.05)
        raise AssertionError(f"the server did not start: {self.said}")

    def listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def stop(self, sent: int = signal.SIGTERM) -> int:
        self.process.send_signal(sent)
        return self.process.wait(timeout=60)


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """``with start("--port", "0") as server``: a server process, and what it says on stderr."""

    @contextmanager
    def started(*arguments: str, **environment: str) -> Iterator[Server]:
        command = [sys.executable, "-m", "visiongpt_agent", "serve", "--port", "0", *arguments]
        env = {**os.environ, "TMPDIR": str(tmp_path), **environment}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env) as process:
            server = Server(process)
            threading.Thread(target=server.listen, daemon=True).start()
            try:
                yield server
            finally:
                with suppress(ProcessLookupError):
                    process.kill()

    return started


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_says_where_it_is_and_ends_cleanly(start: Start, sent: int, tmp_path: Path) -> None:
    with start() as server:
        url = server.address()
        alive = httpx.get(f"{url}/healthz")
        code = server.stop(sent)

    assert alive.status_code == 200
    assert "server" not in alive.headers
    assert code == 0
    assert not list(tmp_path.iterdir())


def test_beyond_the_machine_it_does_not_start_without_a_token(start: Start) -> None:
    with start("--host", "0.0.0.0") as server:
        code = server.process.wait(timeout=60)

    assert code == 2
    assert "VISIONGPT_TOKEN" in "".join(server.said)


def test_a_port_that_is_taken_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, start("--port", str(taken.getsockname()[1])) as server:
        code = server.process.wait(timeout=60)

    assert code == 2
    assert "choose another" in "".join(server.said)


def test_the_token_is_asked_for_and_never_shown(start: Start) -> None:
    with start("--host", "0.0.0.0", VISIONGPT_TOKEN=TOKEN) as server:
        url = server.address().replace("0.0.0.0", "127.0.0.1")
        refused = httpx.get(f"{url}/v1/tools", headers={"Authorization": "Bearer wrong"})
        told = httpx.get(f"{url}/v1/tools", headers={"Authorization": f"Bearer {TOKEN}"})
        command_line = Path(f"/proc/{server.process.pid}/cmdline")
        shown = command_line.read_text() if command_line.exists() else ""
        server.stop()

    assert (refused.status_code, told.status_code) == (401, 200)
    assert TOKEN not in "".join(server.said) + shown + refused.text + told.text


@pytest.mark.slow
def test_with_the_real_planner_it_answers_and_told_to_stop_it_finishes_what_runs(
    start: Start, needs: Callable[[str], None]
) -> None:
    needs("llm")
    later: list[httpx.Response] = []
    with start("--grace", "120") as server, httpx.Client(base_url=server.address(), timeout=240) as client:
        assert client.get("/readyz").status_code == 200
        first = client.post(
            "/v1/requests",
            data={"request": "how many cups are there?"},
            files=[("images", sample_photo("coffee").open("rb"))],
        ).json()
        events = events_of(client.get(f"/v1/requests/{first['id']}/events").text)
        picture = client.get(first["result"]["images"][-1]["url"])
        body = {"request": "make it black and white", "thread": first["thread"]}
        asking = threading.Thread(
            target=lambda: later.append(httpx.post(f"{server.address()}/v1/requests", json=body, timeout=240))
        )
        asking.start()
        while "visiongpt_running_requests 1.0" not in (metrics := client.get("/metrics").text):
            assert asking.is_alive()
            time.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(timeout=180)
        asking.join(timeout=60)

    assert "one cup" in first["result"]["answer"]
    assert [region["label"] for found in first["result"]["regions"] for region in found["items"]] == ["cup"]
    assert events[-1]["event"] == "result"
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert "visiongpt_resident_model_bytes{" in metrics
    assert later[0].json()["result"]["status"] == "done"
    assert code == 0


@pytest.mark.slow
def test_hanging_up_cancels(start: Start, needs: Callable[[str], None]) -> None:
    needs("llm")
    request = {"request": "upscale it four times", **as_json(sample_photo("astronaut").read_bytes())["json"]}
    with start() as server, httpx.Client(base_url=server.address(), timeout=180) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/requests", json=request, timeout=1.0)
        deadline = time.monotonic() + 90
        while 'status="cancelled"' not in client.get("/metrics").text and time.monotonic() < deadline:
            time.sleep(0.2)
        metrics = client.get("/metrics").text

    assert 'visiongpt_requests_total{status="cancelled"} 1.0' in metrics


@pytest.mark.slow
def test_told_to_stop_it_does_not_wait_for_ever(start: Start, needs: Callable[[str], None]) -> None:
    needs("llm")
    body = as_json(sample_photo("astronaut").read_bytes())
    body["json"]["request"] = "upscale it four times"
    with start("--grace", "0") as server:
        url = server.address()
        accepted = httpx.post(f"{url}/v1/requests?wait=false", timeout=60, **body)
        begun = time.monotonic()
        code = server.stop()

    assert accepted.status_code == 202
    assert code == 0
    assert time.monotonic() - begun < 30
