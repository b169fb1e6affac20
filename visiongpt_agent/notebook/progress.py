"""A request as it goes: the proposals appear in the cell and are ticked off."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from visiongpt_agent.errors import InputError
from visiongpt_agent.plan import parse_plan

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event, VisionGPT
    from visiongpt_agent.result import VisionResult

_MARKS = {"accepted": "✓", "uncertain": "✓?", "rejected": "✗", "failed": "✗", "skipped": "–"}


def watch(agent: VisionGPT, request: str, *images: Any, thread_id: str | None = None) -> VisionResult:
    """Carry out a request and show under the cell how it goes; otherwise as ``agent.run``.

    Args:
        agent: The agent.
        request: What is wanted, in words.
        *images: Pictures in any form that the agent takes.
        thread_id: Names a conversation.

    Raises:
        InputError: If IPython is not installed, or the request or a picture cannot be used.
    """
    from visiongpt_agent.request import Request

    try:
        from IPython.display import HTML, display
    except ImportError:
        raise InputError("progress is shown in a notebook: pip install ipykernel, or use agent.stream") from None
    config: Any = {"configurable": {"thread_id": thread_id}} if thread_id else None
    shown: Any = display(HTML("planning ..."), display_id=True)  # type: ignore[no-untyped-call]
    events: list[Event] = []
    result: VisionResult | None = None
    for event in agent.stream(Request(request=request, images=images), config):
        events.append(event)
        shown.update(HTML(progress_html(events)))  # type: ignore[no-untyped-call]
        result = event.get("result", result)
    assert result is not None  # the last event has it
    return result


def progress_html(events: Iterable[Event]) -> str:
    """A bar for the whole, the proposals of the plan in force, each with how far it is, and models being loaded."""
    lines: dict[int, str] = {}
    marks: dict[int, str] = {}
    loading: dict[str, str] = {}
    over = False
    for event in events:
        if "plan" in event:
            lines = {proposal.id: str(proposal) for proposal in parse_plan(event["plan"])}
            marks = {}
        elif "started" in event:
            marks[event["started"]["id"]] = "▸"
        elif "finished" in event:
            done = event["finished"]
            marks[done["id"]] = f"{_MARKS.get(done['verdict'], '·')} {done['seconds']:.1f} s"
        elif "loading" in event:
            loading[event["loading"]["model"]] = f"loading {event['loading']['title']} ..."
        elif "loaded" in event:
            loading.pop(event["loaded"]["model"], None)
        over = over or "result" in event
    ended = sum(mark != "▸" for mark in marks.values())
    share = 1.0 if over else ended / max(1, len(lines))
    rows = "".join(
        f"<tr><td style='text-align:left'><code>{escape(line)}</code></td><td>{escape(marks.get(number, ''))}</td></tr>"
        for number, line in lines.items()
    )
    told = "".join(f"<div>{escape(line)}</div>" for line in loading.values())
    return f"<progress value='{share:.2f}' max='1' style='width:24em'></progress><table>{rows}</table>{told}"
