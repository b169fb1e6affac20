"""Traces tell proposals, tools, models, seconds and verdicts: never pixels, never secrets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver
from langsmith import Client
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import Request, VisionGPT, sample_photo
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput, vision_tool
from visiongpt_agent.tracing import MAX_TEXT, OpenTelemetryHandler

pytest.importorskip("opentelemetry.sdk", reason="traces need OpenTelemetry: pip install 'visiongpt-agent[tracing]'")
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PLAN = "#1 = adjust_image(image=$1, saturation=0)\n#2 = transform_image(image=#1, rotate=90)"
SECRETS = ("correct-horse-battery", "me:pw-of-mine@", "signature-of-mine")


@vision_tool("fetch a style", returns=Kind.IMAGE)
def fetch_style(image: Image.Image) -> ToolOutput:
    """Fail as a hosted model's client does, with its key in the error."""
    raise ConnectionError(f"401 for https://{SECRETS[1]}a.example/?sig={SECRETS[2]} with {SECRETS[0]}")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def handler(exporter: InMemorySpanExporter) -> OpenTelemetryHandler:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetryHandler(provider)


def tree(spans: tuple[ReadableSpan, ...]) -> list[str]:
    """The spans in the order in which they began, each under its parent."""
    known = {span.context.span_id: span for span in spans if span.context}

    def depth(span: ReadableSpan) -> int:
        return 1 + depth(known[span.parent.span_id]) if span.parent else 0

    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    return [f"{'  ' * depth(span)}{span.name}" for span in ordered]


def asked(request: str, handler: OpenTelemetryHandler) -> RunnableConfig:
    return RunnableConfig(callbacks=[handler], configurable={"thread_id": request})


def test_the_spans_of_a_request_with_two_steps(
    pool: ModelPool, handler: OpenTelemetryHandler, exporter: InMemorySpanExporter
) -> None:
    chat = ScriptedChat(script=[PLAN, "It is grey."], metadata={"ls_model_name": "/home/me/weights/llama"})
    agent = VisionGPT(chat, pool=pool, checkpointer=InMemorySaver())

    result = agent.invoke(Request(request="grey, turned", images=[sample_photo("chelsea")]), asked("cat", handler))

    assert result.status == "done"
    spans = exporter.get_finished_spans()
    assert tree(spans) == [
        "invoke_agent visiongpt",
        "  planner",
        "    chat llama",
        "  executor",
        "    execute_tool adjust_image",
        "  verifier",
        "  executor",
        "    execute_tool transform_image",
        "  verifier",
        "  responder",
        "    chat llama",
    ]
    request = next(dict(span.attributes or {}) for span in spans if span.parent is None)
    assert request["visiongpt.plan"] == PLAN
    assert request["visiongpt.status"] == "done"
    assert request["gen_ai.conversation.id"] == "cat"
    steps = [span for span in spans if span.name.startswith("execute_tool")]
    for step, span in zip(result.steps, steps, strict=True):
        told = dict(span.attributes or {})
        assert (told["visiongpt.tool"], told["visiongpt.verdict"]) == (step.tool, step.verdict)
        assert told["visiongpt.seconds"] == pytest.approx(step.seconds)
        assert told["gen_ai.tool.name"] == step.tool
        assert span.start_time is not None
        assert span.end_time is not None
        assert 0 <= (span.end_time - span.start_time) / 1e9 <= step.seconds + 0.05, "it ends with the tool"


def test_a_refused_step_tells_its_error(
    pool: ModelPool, handler: OpenTelemetryHandler, exporter: InMemorySpanExporter
) -> None:
    agent = VisionGPT(ScriptedChat(script=["#1 = transform_image(image=$1)", "never"]), pool=pool)

    agent.invoke(Request(request="turn it", images=[sample_photo("chelsea")]), {"callbacks": [handler]})

    step = next(span for span in exporter.get_finished_spans() if span.name == "execute_tool transform_image")
    assert not step.status.is_ok
    assert "nothing to do" in str(step.status.description)
    assert (step.attributes or {})["visiongpt.verdict"] == "failed"
    assert not handler._runs, "nothing stays open"


def test_a_step_that_waits_is_no_error(
    pool: ModelPool, handler: OpenTelemetryHandler, exporter: InMemorySpanExporter
) -> None:
    chat = ScriptedChat(script=[PLAN, "Done."])
    agent = VisionGPT(chat, pool=pool, checkpointer=InMemorySaver(), ask_before=["transform_image"])

    waiting = agent.invoke(Request(request="turn", images=[sample_photo("chelsea")]), asked("waits", handler))

    assert waiting.status == "waiting"
    spans = exporter.get_finished_spans()
    assert all(span.status.is_ok or span.status.is_unset for span in spans)
    assert next(span.attributes or {} for span in spans if span.parent is None)["visiongpt.status"] == "waiting"
    assert "  execute_tool transform_image" not in tree(spans)
    assert not handler._runs


def test_no_pixels_and_no_secrets(
    pool: ModelPool,
    handler: OpenTelemetryHandler,
    exporter: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRETS[0])
    query = f"{SECRETS[0]} https://{SECRETS[1]}a.example/x?sig={SECRETS[2]} {'long ' * 500}"
    plan = f'#1 = detect_objects(image=$1, query="{query[:3000]}")'
    plan += "\n#2 = fetch_style(image=$1)"
    chat = ScriptedChat(script=[plan, f"api_key={SECRETS[2]}"])
    agent = VisionGPT(chat, pool=pool, tools=[fetch_style], checkpointer=InMemorySaver())
    agent.invoke(Request(request=query[:3000], images=[sample_photo("chelsea")]), {"callbacks": [handler]})

    spans = exporter.get_finished_spans()
    told = [str(value) for span in spans for value in [*(span.attributes or {}).values(), span.status.description]]
    assert len(spans) >= 5
    assert any("401" in text for text in told), "the tool's error is told"
    assert any("a.example" in text for text in told), "the proposal itself is told"
    assert not [text for text in told for secret in SECRETS if secret in text]
    assert max(map(len, told)) <= MAX_TEXT
    assert not [text for text in told if "base64" in text or "\x89PNG" in text]
    assert not [event for span in spans for event in span.events], "no tracebacks"


class _LangSmith(BaseHTTPRequestHandler):
    """Takes runs in as LangSmith does."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)  # type: ignore[attr-defined]
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b"{}")

    do_PATCH = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def langsmith() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _LangSmith)
    server.bodies = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_langsmith_is_sent_ids_in_place_of_pictures(
    pool: ModelPool, langsmith: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRETS[0])
    client = Client(
        f"http://127.0.0.1:{langsmith.server_port}", api_key="key-of-nobody", auto_batch_tracing=False, info={}
    )
    agent = VisionGPT(ScriptedChat(script=[PLAN, "It is grey."]), pool=pool)

    tracer = LangChainTracer(client=client)
    agent.invoke(Request(request="grey, turned", images=[sample_photo("chelsea")]), {"callbacks": [tracer]})
    tracer.wait_for_futures()

    bodies = [json.loads(body) for body in langsmith.bodies]  # type: ignore[attr-defined]
    tools = [body for body in bodies if body.get("run_type") == "tool" and body.get("outputs")]
    assert {body["name"] for body in tools} >= {"adjust_image", "transform_image"}
    assert all("img-" in json.dumps(body["inputs"]) for body in tools)
    sent = json.dumps(bodies)
    assert len(sent) < 400_000
    assert not [text for text in ("base64", "iVBORw0KGgo", "PIL.", SECRETS[0]) if text in sent]
