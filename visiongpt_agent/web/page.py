"""The page itself: the pictures on one side, the conversation on the other, the request below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import gradio as gr

from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.language.english import place_of
from visiongpt_agent.web.conversations import Conversation, Conversations, FullError, Picture
from visiongpt_agent.web.transcript import conversation_html, full_html, start_html

EXAMPLES: Final = {
    "coffee": "how many cups are there? then remove the background",
    "astronaut": "blur the background around the person",
    "chelsea": "find the cat and crop to it",
    "rocket": "make it black and white",
}
"""A request for each sample photo."""

REQUESTS: Final = (
    "find the faces and blur them",
    "what does it say?",
    "cut out the dog",
    "read the QR code",
    "paint it like a watercolour",
    "enlarge it twice",
)
"""What could be asked of a person's own pictures."""

_HEADER: Final = (
    '<header class="vg-header"><h1>VisionGPT</h1><p>Say what you want done with your pictures.</p></header>'
)
_FONT: Final = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO: Final = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def build_page(conversations: Conversations) -> gr.Blocks:
    """The page over these conversations."""
    page: gr.Blocks
    with gr.Blocks(title="VisionGPT", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_HEADER)
        with gr.Row(elem_id="vg-main"):
            with gr.Column(scale=6, elem_id="vg-left"):
                stage = gr.HTML(
                    {},
                    html_template='<div class="vg-stage"></div>',
                    js_on_load=asset("stage.js"),
                    apply_default_css=False,
                )
            with gr.Column(scale=5, elem_id="vg-right"):
                turns = gr.HTML("", js_on_load=asset("transcript.js"), apply_default_css=False, elem_id="vg-turns")
                with gr.Column(elem_id="vg-composer"):
                    request = gr.Textbox(
                        label="Request",
                        placeholder="What do you want done?",
                        lines=1,
                        max_lines=6,
                        max_length=4000,
                        container=False,
                        submit_btn=True,
                        stop_btn=False,
                        elem_id="vg-request",
                    )
                    again = gr.Button("New conversation", elem_id="vg-again", size="sm")
        _wire(page, conversations, stage, turns, request, again)
    return page


def theme() -> gr.themes.Base:
    """Plain, in the system's own fonts: nothing is fetched from anywhere."""
    return gr.themes.Base(primary_hue="teal", neutral_hue="stone", font=_FONT, font_mono=_MONO)


def stage_value(conversation: Conversation, current: str = "") -> dict[str, Any]:
    """What the side of the pictures shows; see ``stage.js``."""
    pictures = conversation.pictures()
    return {
        "key": conversation.key,
        "pictures": [_picture(conversation.key, picture) for picture in pictures],
        "current": current or (pictures[-1].name if pictures else ""),
        "selected": [],
        "limits": {"bytes": conversation.limits.picture_bytes},
        "samples": [{"name": n, "url": f"samples/{n}.jpg", "request": r} for n, r in EXAMPLES.items()],
    }


@cache
def asset(name: str) -> str:
    """The text of a file beside this module."""
    return files("visiongpt_agent.web").joinpath(name).read_text("utf-8")


def _picture(key: str, picture: Picture) -> dict[str, Any]:
    return {
        "name": picture.name,
        "title": picture.title,
        "url": f"conversations/{key}/pictures/{picture.id}.png",
        "width": picture.width,
        "height": picture.height,
        "regions": [
            {**region, "name": name} for region, name in zip(picture.regions, region_names(picture), strict=True)
        ],
    }


def region_names(picture: Picture) -> list[str]:
    """What each region of a picture is called: ``cup``, or ``person 2, at the left`` where there are several."""
    labels = [str(region["label"]) or "region" for region in picture.regions]
    size = (picture.width, picture.height)
    return [
        label
        if labels.count(label) == 1
        else f"{label} {labels[: number + 1].count(label)}, {place_of(picture.regions[number]['box'], size)}"
        for number, label in enumerate(labels)
    ]


def _wire(
    page: gr.Blocks, conversations: Conversations, stage: gr.HTML, turns: gr.HTML, request: gr.Textbox, again: gr.Button
) -> None:
    def begin(tab: gr.Request) -> tuple[Any, str]:
        try:
            conversation = conversations.begin(tab.session_hash or "")
        except FullError as fault:
            return gr.skip(), full_html(str(fault))
        return stage_value(conversation), start_html(REQUESTS)

    def anew(shown: Mapping[str, Any] | None, tab: gr.Request) -> tuple[Any, str]:
        conversations.end(str((shown or {}).get("key", "")))
        return begin(tab)

    def ask(words: str, shown: Mapping[str, Any] | None) -> Iterator[Any]:
        try:
            conversation = conversations.get(str((shown or {}).get("key", "")))
        except VisionGPTError as fault:
            raise gr.Error(str(fault), print_exception=False) from None
        if not words.strip():
            yield gr.skip(), gr.skip(), gr.skip()
            return
        before = len(conversation.pictures())
        yield gr.skip(), gr.skip(), gr.update(value="", submit_btn=False, stop_btn=True)
        for _ in conversation.ask(words, (shown or {}).get("selected") or ()):
            yield conversation_html(conversation.key, conversation.turns), gr.skip(), gr.skip()
        grew = len(conversation.pictures()) > before
        value = stage_value(
            conversation, "" if grew else conversation.looked_at() or str((shown or {}).get("current", ""))
        )
        yield conversation_html(conversation.key, conversation.turns), value, gr.update(submit_btn=True, stop_btn=False)

    def stop(shown: Mapping[str, Any] | None) -> None:
        try:
            conversations.get(str((shown or {}).get("key", ""))).stop()
        except InputError:
            return

    def closed(tab: gr.Request) -> None:
        conversations.tab_closed(tab.session_hash or "")

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.load(begin, None, [stage, turns], **quiet)
    again.click(anew, [stage], [stage, turns], **quiet)
    request.submit(ask, [request, stage], [turns, stage, request], concurrency_limit=None, **quiet)
    request.stop(stop, [stage], None, concurrency_limit=None, **quiet)
    page.unload(closed)
