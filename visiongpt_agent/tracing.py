"""Traces of requests for OpenTelemetry: what was proposed, which tools and models ran, how long, and the verdicts.

The spans of a request::

    invoke_agent visiongpt
      planner                      visiongpt.plan
        chat smollm2-135m          gen_ai.usage.input_tokens, ...
      executor                     visiongpt.proposal
        execute_tool inpaint       visiongpt.tool, .model, .verdict, .seconds
      verifier
      responder

They carry no pixels, no words that a model was told or wrote beside its plan, and no secrets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.errors import GraphBubbleUp

from visiongpt_agent.errors import InputError
from visiongpt_agent.redaction import redact

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult
    from opentelemetry.trace import Span, TracerProvider

MAX_TEXT: Final = 1000
"""Characters of the longest attribute."""

_REQUEST: Final = "visiongpt"
_NODES: Final = frozenset({"planner", "executor", "verifier", "responder"})


class OpenTelemetryHandler(BaseCallbackHandler):
    """Turns the runs of an agent into spans; give it in ``config={"callbacks": [OpenTelemetryHandler()]}``.

    One handler may serve many requests at a time. Of a larger chain around the agent, tools and chat models get spans.

    Args:
        provider: Where the spans go; by default the global provider.

    Raises:
        InputError: If OpenTelemetry is not installed.
    """

    run_inline = True  # in the order in which things happen, also under asyncio

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            raise InputError("traces need OpenTelemetry: pip install 'visiongpt-agent[tracing]'") from None
        self._trace = trace
        self._tracer = trace.get_tracer("visiongpt_agent", tracer_provider=provider)
        self._lock = threading.Lock()
        self._runs: dict[UUID, _TracedRun] = {}

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name, known = kwargs.get("name"), metadata or {}
        if name == _REQUEST and "visiongpt_state" in known:
            thread = {"gen_ai.conversation.id": known.get("thread_id", "")}
            self._open(run_id, parent_run_id, "invoke_agent", _REQUEST, {"gen_ai.agent.name": _REQUEST, **thread})
        elif name in _NODES and known.get("langgraph_node") == name:
            proposal = inputs.get("proposal") if isinstance(inputs, Mapping) else None
            self._open(run_id, parent_run_id, "", name, {"visiongpt.proposal": proposal})
        else:
            self._pass_through(run_id, parent_run_id)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run, told = self._runs.get(run_id), outputs if isinstance(outputs, Mapping) else {}
        if run is None:
            return
        if run.name in (_REQUEST, "planner"):
            _describe(run, {"visiongpt.plan": told.get("plan")})
        if run.name == _REQUEST:
            _describe(run, {"visiongpt.status": "waiting" if run.waits else told.get("status")})
        if run.name == "verifier":
            self._judge(run, told.get("steps") or ())
        self._close(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if isinstance(error, GraphBubbleUp):  # a step waits for a person: nothing went wrong
            run = self._runs.get(run_id)
            if run and run.root in self._runs:
                self._runs[run.root].waits = True
            self._close(run_id)
        else:
            self._close(run_id, error)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        name, call = str(serialized.get("name", "")), kwargs.get("tool_call_id")
        told = {"gen_ai.tool.name": name, "gen_ai.tool.call.id": call, "visiongpt.tool": name}
        self._open(run_id, parent_run_id, "execute_tool", name, told)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._hold(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if run := self._runs.get(run_id):
            self._fail(run, error)
        self._hold(run_id)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        model = _model_name((metadata or {}).get("ls_model_name"))
        self._open(run_id, parent_run_id, "chat", model, {"gen_ai.request.model": model})

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        if run := self._runs.get(run_id):
            message = getattr(response.generations[0][0], "message", None) if response.generations else None
            usage = getattr(message, "usage_metadata", None) or {}
            answered = _model_name((getattr(message, "response_metadata", None) or {}).get("model_name"))
            counts = {f"gen_ai.usage.{key}": usage.get(key) for key in ("input_tokens", "output_tokens")}
            _describe(run, {"gen_ai.response.model": answered, **counts})
        self._close(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._close(run_id, error)

    def _open(self, run_id: UUID, parent_id: UUID | None, operation: str, name: str, told: Mapping[str, Any]) -> None:
        parent = self._runs.get(parent_id) if parent_id else None
        within = self._trace.set_span_in_context(parent.span) if parent and parent.span else None
        span = self._tracer.start_span(f"{operation} {name}".strip(), context=within)
        root = parent.root if parent and parent.root and operation != "invoke_agent" else run_id
        run = _TracedRun(name, span, root, call=told.get("gen_ai.tool.call.id"))
        _describe(run, {"gen_ai.operation.name": operation or None, **told})
        with self._lock:
            self._runs[run_id] = run

    def _pass_through(self, run_id: UUID, parent_id: UUID | None) -> None:
        """A run without a span of its own: what is within it belongs to the span around it."""
        parent = self._runs.get(parent_id) if parent_id else None
        with self._lock:
            self._runs[run_id] = _TracedRun(
                "", parent.span if parent else None, parent.root if parent else None, own=False
            )

    def _close(self, run_id: UUID, error: BaseException | None = None) -> None:
        with self._lock:
            run = self._runs.pop(run_id, None)
            # Of a request that is over nothing stays open, such as a tool that was given up.
            left = [key for key, other in self._runs.items() if other.root == run_id]
            rest = [self._runs.pop(key) for key in left]
        for other in rest:
            other.end()
        if run is not None:
            if error is not None and run.own:
                self._fail(run, error)
            run.end()

    def _hold(self, run_id: UUID) -> None:
        """A tool has ended, but its verdict is still to come: the span is ended then, with the time of now."""
        with self._lock:
            run = self._runs.get(run_id)
            if run is not None:
                run.ended = time.time_ns()
        if run is not None and run.root == run_id:  # called by somebody else than the agent: nobody judges it
            self._close(run_id)

    def _judge(self, verifier: _TracedRun, steps: Sequence[Mapping[str, Any]]) -> None:
        judged = {str(step["id"]): step for step in steps}
        with self._lock:
            held = {
                key: run
                for key, run in self._runs.items()
                if run.root == verifier.root and run.ended is not None and run.call in judged
            }
            for key in held:
                del self._runs[key]
        for run in held.values():
            step = judged[str(run.call)]
            seconds = step["attempts"][-1]["seconds"] if step["attempts"] else step["seconds"]
            told = {"model": step["model"], "verdict": step["verdict"], "seconds": seconds, "error": step["error"]}
            _describe(run, {f"visiongpt.{key}": value for key, value in told.items()})
            run.end()

    def _fail(self, run: _TracedRun, error: BaseException) -> None:
        from opentelemetry.trace import Status, StatusCode

        if run.span is not None:
            # Not record_exception: a traceback may hold what nobody has looked through.
            run.span.set_attribute("error.type", type(error).__qualname__)
            run.span.set_status(Status(StatusCode.ERROR, redact(str(error))[:200]))


@dataclass
class _TracedRun:
    """A run of LangChain's that has not ended.

    ``root`` is the run of the request that it belongs to, ``call`` the id of a tool's call, ``ended`` when a tool that
    awaits its verdict ended, in nanoseconds; ``waits`` is of a request that a person has to approve.
    """

    name: str
    span: Span | None
    root: UUID | None
    own: bool = True
    call: str | None = None
    ended: int | None = None
    waits: bool = False

    def end(self) -> None:
        if self.own and self.span is not None:
            self.span.end(self.ended)


def _model_name(name: object) -> str:
    """A model's name; of a folder with its weights the folder's: where that lies is nobody's business."""
    text = str(name or "")
    return Path(text).name if Path(text).is_absolute() else text


def _describe(run: _TracedRun, told: Mapping[str, Any]) -> None:
    if not run.own or run.span is None:
        return
    for key, value in told.items():
        if isinstance(value, str) and value:
            text = redact(value)
            run.span.set_attribute(key, text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}...")
        elif isinstance(value, bool | int | float):
            run.span.set_attribute(key, value)
