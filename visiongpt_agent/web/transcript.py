"""A conversation as HTML: what was asked, the steps as they are ticked off, the answer, the pictures, what is doubtful.

Everything that comes from a person, a picture or a model is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from visiongpt_agent.hosting.readings import readings_html
from visiongpt_agent.request import Pointed
from visiongpt_agent.result import ResultImage, VisionResult
from visiongpt_agent.web.as_python import as_python
from visiongpt_agent.web.conversations import StepShown, Turn

_MARKS: Final = {
    "": ("○", "to do"),
    "running": ("◐", "at work"),
    "accepted": ("✓", "accepted"),
    "uncertain": ("✓", "accepted, with a doubt"),
    "rejected": ("✕", "did not pass its check"),
    "failed": ("✕", "failed"),
    "skipped": ("–", "not run"),
}
"""How a step stands: its mark, and what that says in words."""

_STATUS: Final = {"partial": "Done in part", "declined": "Not done", "failed": "Failed"}


def start_html(requests: Sequence[str]) -> str:
    """What stands where the turns will be: requests to pick."""
    picks = "".join(f'<button type="button" class="vg-say">{escape(request)}</button>' for request in requests)
    return f'<div class="vg-start"><h2>For example</h2>{picks}</div>'


def full_html(reason: str) -> str:
    """What a newcomer sees where no conversation can begin."""
    return (
        f'<div class="vg-start"><h2>This page is full</h2><p class="vg-fault" role="alert">{escape(reason)}</p></div>'
    )


def conversation_html(key: str, turns: Sequence[Turn]) -> str:
    """All turns of the conversation with this key."""
    return "".join(turn_html(key, turns[: number + 1]) for number in range(len(turns)))


def turn_html(key: str, turns: Sequence[Turn]) -> str:
    """The last of the turns; those before it are needed to write it as Python."""
    turn = turns[-1]
    parts = [_asked(turn), _steps(turn.steps, turn.result.answer if turn.result else "")]
    if turn.result is not None:
        parts += [_answer(turn.result), _figures(key, turn.result), readings_html(turn.result)]
        parts += [_warnings(turn.result), _footer(key, turns)]
    elif turn.fault:
        parts.append(f'<p class="vg-fault" role="alert">{escape(turn.fault)}</p>')
    elif turn.stopped:
        parts.append('<p class="vg-note">Stopped.</p>')
    elif turn.waiting:
        parts.append('<p class="vg-note">Waiting for other requests to end …</p>')
    elif turn.loading:
        parts.append(f'<p class="vg-note vg-busy">Loading {escape(", ".join(turn.loading))} …</p>')
    elif not turn.plan:
        parts.append('<p class="vg-note vg-busy">Planning …</p>')
    return f'<article class="vg-turn" data-turn="{turn.number}">{"".join(parts)}</article>'


def _asked(turn: Turn) -> str:
    chips = [f"+ {escape(title)}" for title in turn.added] + [_pointed(entry) for entry in turn.pointed]
    told = "".join(f'<span class="vg-chip">{chip}</span>' for chip in chips)
    return f'<div class="vg-asked"><p>{escape(turn.request)}</p>{f"<div>{told}</div>" if told else ""}</div>'


def _pointed(entry: Pointed) -> str:
    what = entry.get("label") or "region"
    return escape(f"▢ {what} in ${entry.get('image', 1)}")


def _steps(steps: Sequence[StepShown], answer: str) -> str:
    if not steps:
        return ""
    return f'<ol class="vg-steps" aria-label="Steps">{"".join(_step(step, answer) for step in steps)}</ol>'


def _step(step: StepShown, answer: str) -> str:
    mark, words = _MARKS.get(step.verdict, ("·", step.verdict))
    time = (
        f'<span class="vg-time">{step.seconds:.1f} s</span>' if step.verdict not in ("", "running", "skipped") else ""
    )
    told = f'<div class="vg-told">{escape(step.told)}</div>' if step.told not in answer else ""
    return (
        f'<li class="vg-{step.verdict or "todo"}">'
        f'<span class="vg-mark" role="img" aria-label="{words}" title="{words}">{mark}</span>'
        f'<div class="vg-step"><code>{_call(step)}</code>{told}</div>{time}</li>'
    )


def _call(step: StepShown) -> str:
    tool, bracket, rest = step.call.partition("(")
    return f"<b>{escape(tool)}</b>{escape(bracket + rest)}"


def _answer(result: VisionResult) -> str:
    status = _STATUS.get(result.status, "")
    label = f'<span class="vg-status vg-{result.status}">{status}</span> ' if status else ""
    paragraphs = [escape(part) for part in result.answer.split("\n") if part.strip()]
    return f'<div class="vg-answer">{label}{"<br>".join(paragraphs)}</div>'


def _figures(key: str, result: VisionResult) -> str:
    if not result.images:
        return ""
    return f'<div class="vg-figures">{"".join(_figure(key, image, result) for image in result.images)}</div>'


def _figure(key: str, image: ResultImage, result: VisionResult) -> str:
    source = f"conversations/{quote(key)}/pictures/{image.id}.png"
    file = re.sub(r"[^\w.-]+", "_", image.title) + ".png"
    # A picture with regions drawn on it is shown as the original: there the regions can be clicked.
    shows = image.name or next((found.of for found in result.regions), "")
    title = escape(f"{image.name} {image.title}".strip())
    return (
        f'<figure><button type="button" class="vg-show" data-show="{escape(shows)}" title="Show it large">'
        f'<img src="{source}" alt="{title}" width="{image.width}" height="{image.height}" loading="lazy"></button>'
        f'<figcaption><span>{title}</span> <a href="{source}" download="{escape(file)}">Download</a></figcaption>'
        "</figure>"
    )


def _warnings(result: VisionResult) -> str:
    doubts = [warning for warning in result.warnings if warning not in result.answer]
    if not doubts:
        return ""
    return (
        f'<ul class="vg-warnings" aria-label="Doubts">{"".join(f"<li>{escape(doubt)}</li>" for doubt in doubts)}</ul>'
    )


def _footer(key: str, turns: Sequence[Turn]) -> str:
    turn = turns[-1]
    assert turn.result is not None
    seconds = sum(step.seconds for step in turn.result.steps)
    steps = "1 step" if len(turn.result.steps) == 1 else f"{len(turn.result.steps)} steps"
    time = f"<span>{steps}, {seconds:.1f} s</span>" if turn.result.steps else ""
    json = f"conversations/{quote(key)}/turns/{turn.number}.json"
    return (
        f'<div class="vg-footer">{time}<a href="{json}" download="visiongpt-{turn.number}.json">JSON</a>'
        '<details class="vg-code"><summary>Copy as Python</summary><button type="button" class="vg-copy">Copy</button>'
        f"<pre><code>{escape(as_python(turns))}</code></pre></details></div>"
    )
