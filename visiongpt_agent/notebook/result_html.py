"""A result as HTML: answer, pictures, regions that can be switched on and off, before and after, and the steps.

All of it is in the text itself: no style, script or picture is fetched from anywhere. The regions are switched by
style sheets alone; the slider between before and after has one line of script, and shows half of each where scripts
are barred.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Final

from visiongpt_agent.errors import InputError
from visiongpt_agent.hosting.readings import readings_html

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.regions import Regions
    from visiongpt_agent.result import ResultImage, StepReport, VisionResult

_SIDE: Final = 480
"""Longest side of a picture as shown, in pixels."""

_LAYERS: Final[tuple[tuple[str, str], ...]] = (("boxes", "vg-b"), ("masks", "vg-m"), ("labels", "vg-l"))
_STYLE: Final = (
    "<style>"
    ".vg{font-family:system-ui,sans-serif;max-width:62em}.vg figure{display:inline-block;margin:6px 12px 6px 0;"
    "vertical-align:top}.vg figcaption{font-size:.85em;opacity:.8}.vg .vg-p{position:relative;line-height:0;"
    "background:repeating-conic-gradient(#ddd 0 25%,#fff 0 50%) 0/16px 16px}.vg .vg-p img{display:block;"
    "width:100%;height:auto;margin:0}.vg .vg-o{position:absolute;inset:0;width:100%;height:100%}"
    ".vg .vg-read td{white-space:pre-wrap;text-align:left}"
    ".vg label{font-size:.85em;margin-right:.8em}.vg td{white-space:normal}"
    ".vg input.vg-b:not(:checked)~.vg-p .vg-b,.vg input.vg-m:not(:checked)~.vg-p .vg-m,"
    ".vg input.vg-l:not(:checked)~.vg-p .vg-l{display:none}.vg input[type=range]{width:100%}"
    ".vg .vg-uncertain{color:#b26a00}.vg .vg-rejected,.vg .vg-failed{color:#b00020}.vg .vg-skipped{opacity:.6}"
    "</style>"
)


def result_html(result: VisionResult) -> str:
    """The result as Jupyter shows it."""
    doubts = "".join(f"<li>{escape(told)}</li>" for told in result.warnings if told not in result.answer)
    return (
        f"<div class='vg'>{_STYLE}<p><b>{escape(result.answer)}</b></p>"
        + "".join(_figures(result))
        + readings_html(result)
        + (f"<ul>{doubts}</ul>" if doubts else "")
        + (_steps(result.steps) if result.steps else "")
        + "</div>"
    )


def _figures(result: VisionResult) -> Iterator[str]:
    if result.store is None:
        return
    for image in result.images:
        caption = escape(f"{image.name} {image.title}".strip())
        width = round(image.width * min(1.0, _SIDE / max(image.width, image.height)))
        yield f"<figure style='width:{width}px'>{_shown(result, image)}<figcaption>{caption}</figcaption></figure>"


def _shown(result: VisionResult, image: ResultImage) -> str:
    """The picture with its regions over it, or with what it was before beside it, or by itself."""
    assert result.store is not None
    try:
        before = result.store.open(image.before) if image.before else None
    except InputError:  # an earlier picture may have been forgotten since
        before = None
    if image.role == "annotated" and before is not None:
        found = [r for r in result.regions if r.image == image.before and not r.outlined]
        return _overlay(before, [result.store.regions(r.id) for r in found])
    picture = result.store.open(image.id)
    if before is not None and before.width * image.height == before.height * image.width:
        return _slider(before, picture)
    return f"<div class='vg-p'>{_img(picture, image.title)}</div>"


# ---------------------------------------------------------------------------------------------------------- overlays


def _overlay(picture: Image.Image, found: Iterable[Regions]) -> str:
    from visiongpt_agent.pictures.drawing import PALETTE

    regions = [r for r in found if len(r)]
    names = sorted({label for r in regions for label in r.labels})
    colours = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}
    shapes = "".join(_region(r, index, colours[r.labels[index]]) for r in regions for index in range(len(r)))
    kinds = [k for k in _LAYERS if k[0] != "masks" or any(r.masks is not None for r in regions)]
    boxes = "".join(f"<input type='checkbox' class='{css}' checked><label>{name}</label>" for name, css in kinds)
    svg = f"<svg class='vg-o' viewBox='0 0 {picture.width} {picture.height}'>{shapes}</svg>"
    return f"{boxes}<div class='vg-p'>{_img(picture, 'original')}{svg}</div>"


def _region(regions: Regions, index: int, colour: str) -> str:
    x1, y1, x2, y2 = regions.boxes[index].tolist()
    label = f"{regions.labels[index] or 'region'} {regions.confidence[index]:.0%}"
    size = max(regions.size) / 36
    parts = [
        f"<rect class='vg-b' x='{x1:.1f}' y='{y1:.1f}' width='{x2 - x1:.1f}' height='{y2 - y1:.1f}' fill='none' "
        f"stroke='{colour}' stroke-width='{size / 8:.1f}'><title>{escape(label)}</title></rect>",
        f"<text class='vg-l' x='{x1 + size / 4:.1f}' y='{max(y1 - size / 4, size):.1f}' font-size='{size:.1f}' "
        f"fill='white' stroke='black' stroke-width='{size / 6:.1f}' paint-order='stroke'>{escape(label)}</text>",
    ]
    mask = regions.mask(index)
    if mask is not None:
        from visiongpt_agent.pictures import outlines

        rings = [ring for part in outlines.parts(mask) for ring in (part.outline, *part.holes)]
        path = " ".join("M" + " ".join(f"{x:g},{y:g}" for x, y in ring) + "Z" for ring in rings)
        shape = f"fill='{colour}' fill-opacity='.45' fill-rule='evenodd' stroke='{colour}'"
        parts.insert(0, f"<path class='vg-m' d='{path}' {shape}/>")
    return "".join(parts)


# ------------------------------------------------------------------------------------------------------------- slider


def _slider(before: Image.Image, after: Image.Image) -> str:
    """Both pictures on top of each other: left of the slider the one before, right of it the one after."""
    move = "this.nextElementSibling.lastElementChild.style.clipPath='inset(0 '+(100-this.value)+'% 0 0)'"
    return (
        f"<input type='range' min='0' max='100' value='50' aria-label='before and after' oninput=\"{move}\">"
        f"<div class='vg-p'>{_img(after, 'after')}"
        f"<div class='vg-o' style='clip-path:inset(0 50% 0 0)'><div class='vg-p'>{_img(before, 'before')}</div></div>"
        "</div>"
    )


def _img(picture: Image.Image, title: str) -> str:
    small, buffer = picture.copy(), io.BytesIO()
    small.thumbnail((_SIDE, _SIDE))
    form = "png" if small.mode == "RGBA" else "jpeg"
    small.save(buffer, form.upper(), **({"quality": 88} if form == "jpeg" else {}))
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(title)}" src="data:image/{form};base64,{data}">'


# -------------------------------------------------------------------------------------------------------------- steps


def _steps(steps: tuple[StepReport, ...]) -> str:
    rows = "".join(
        f"<tr><td>#{step.id}</td><td style='text-align:left'><code>{escape(_call(step))}</code></td>"
        f"<td>{escape(step.model)}</td><td>{step.seconds:.1f} s</td>"
        f"<td class='vg-{escape(step.verdict)}'>{escape(step.verdict)}</td>"
        f"<td style='text-align:left'>{escape(step.told)}</td></tr>"
        for step in steps
    )
    head = "".join(f"<th>{title}</th>" for title in ("", "step", "model", "time", "verdict", "told"))
    count = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
    return f"<details><summary>{count}</summary><table><tr>{head}</tr>{rows}</table></details>"


def _call(step: StepReport) -> str:
    return f"{step.tool}({', '.join(f'{name}={value}' for name, value in step.args.items())})"
