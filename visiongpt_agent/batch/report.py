"""A page about a batch that a person can look through: counts, outliers, and thumbnails of a part of the pictures."""

from __future__ import annotations

import base64
import heapq
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from visiongpt_agent.batch.table import ERRORS, Row
from visiongpt_agent.errors import InputError
from visiongpt_agent.files import write_atomically
from visiongpt_agent.pictures.decoding import decode
from visiongpt_agent.pictures.transparency import flatten

if TYPE_CHECKING:
    from visiongpt_agent.batch.batch import Batch

REPORT: Final = "report.html"
_GALLERY: Final = 60
_OUTLIERS: Final = 6
_ERRORS: Final = 200
_THUMBNAIL: Final = 200
_LABELS: Final = 20

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2327; --dim: #626b73; --line: #d9dee2; --ground: #fff; --accent: #2f6f8f;
        --bad: #b3402f }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9eb; --dim: #9aa4ab; --line: #3a4247; --ground: #16191b;
        --accent: #7dbbd6; --bad: #ef8b7a } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 1080px;
       margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem }
pre { background: color-mix(in srgb, var(--line) 40%, transparent); padding: .6rem .8rem; border-radius: 6px;
      overflow-x: auto; margin: .75rem 0 }
.dim { color: var(--dim) } .bad { color: var(--bad) }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0 }
.figures b { display: block; font-size: 1.6rem; line-height: 1.2 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .6rem .3rem 0;
      border-bottom: 1px solid var(--line); vertical-align: top } td.n { text-align: right; width: 5rem }
.bar { background: var(--accent); height: .7rem; border-radius: 2px; min-width: 2px; margin-top: .4rem }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 1.25rem }
figure { margin: 0 } figcaption { font-size: .85rem; margin-top: .35rem; overflow-wrap: anywhere }
.pair { display: flex; gap: 4px; height: 150px } .pair img { object-fit: contain; flex: 1; min-width: 0; height: 150px;
      background: color-mix(in srgb, var(--line) 40%, transparent); border-radius: 4px }
a { color: inherit }
"""


def write_report(batch: Batch) -> Path:
    """Write ``report.html``; it holds its thumbnails itself and links the results.

    Returns:
        The file.
    """
    summary = _Summary.of(batch)
    paths = {picture.name: picture.path for picture in batch.pictures}

    def card(row: Row) -> str:
        return _card(row, paths.get(row.path), batch.out)

    body = [
        f"<h1>{escape(batch.request)}</h1>",
        f"<pre>{escape(batch.plan)}</pre>",
        _figures(summary),
        _bars("Regions by label", summary.labels.most_common(_LABELS)),
        _bars("Pictures by number of regions", _in_steps(summary.sizes) if summary.labels else []),
        _errors(summary.errors, summary.statuses),
        _cards("Outliers: most regions", summary.most, card, lambda row: f"{len(row.regions)} regions"),
        _cards("Outliers: slowest", summary.slowest, card, lambda row: f"{row.seconds:.1f} s"),
        _cards("With doubts", summary.doubts, card, lambda row: ""),
        _cards(f"Pictures ({len(summary.gallery)} of {summary.total})", summary.gallery, card, lambda row: ""),
    ]
    page = f"<title>{escape(batch.request)}</title><style>{_STYLE}</style>{''.join(body)}"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    write_atomically(batch.out / REPORT, f"{head}{page}</html>".encode(errors="replace"))
    return batch.out / REPORT


@dataclass
class _Summary:
    """What one pass over the rows gathers; it grows with what is shown, not with the rows."""

    total: int = 0
    seconds: float = 0.0
    equal: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    errors: list[Row] = field(default_factory=list)
    most: list[Row] = field(default_factory=list)
    slowest: list[Row] = field(default_factory=list)
    doubts: list[Row] = field(default_factory=list)
    gallery: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, batch: Batch) -> _Summary:
        summary, every = cls(), max(1, -(-len(batch.table.names) // _GALLERY))
        for number, row in enumerate(batch.table.rows()):
            summary._take(row)
            if number % every == 0 and row.width:
                summary.gallery.append(row)
        summary.most = [row for row in summary.most if len(row.regions) > summary._usual(3)]
        summary.slowest = [row for row in summary.slowest if row.seconds > 2 * summary.seconds / max(1, summary.worked)]
        return summary

    @property
    def worked(self) -> int:
        return self.total - self.equal

    def _usual(self, times: int) -> float:
        """So many times the mean number of regions."""
        return times * sum(self.labels.values()) / max(1, self.total)

    def _take(self, row: Row) -> None:
        self.total += 1
        self.seconds += row.seconds
        self.equal += bool(row.same_as)
        self.statuses[row.status] += 1
        self.labels.update(row.counts)
        if row.width:
            self.sizes[len(row.regions)] += 1
        if row.status in ERRORS and len(self.errors) < _ERRORS:
            self.errors.append(row)
        if row.warnings and row.width and not row.same_as and len(self.doubts) < _OUTLIERS:
            self.doubts.append(row)
        if row.width and not row.same_as:
            self.most = heapq.nlargest(_OUTLIERS, [*self.most, row], key=lambda one: len(one.regions))
            self.slowest = heapq.nlargest(_OUTLIERS, [*self.slowest, row], key=lambda one: one.seconds)


def _figures(summary: _Summary) -> str:
    figures = [(f"{summary.total:,}", "pictures"), *((f"{n:,}", name) for name, n in summary.statuses.most_common())]
    if summary.equal:
        figures.append((f"{summary.equal:,}", "the same as another"))
    figures.append((f"{summary.seconds / max(1, summary.worked):.2f} s", "of work a picture"))
    if summary.labels:
        figures.append((f"{summary.labels.total():,}", "regions"))
    cells = "".join(
        f'<div><b>{escape(value)}</b><span class="dim">{escape(name)}</span></div>' for value, name in figures
    )
    return f'<div class="figures">{cells}</div>'


def _bars(title: str, counts: Sequence[tuple[str, int]]) -> str:
    if not counts:
        return ""
    most = max(count for _, count in counts)
    rows = "".join(
        f"<tr><td>{escape(str(name)) or 'region'}</td><td class=n>{count:,}</td>"
        f'<td style="width:60%"><div class="bar" style="width:{100 * count / most:.1f}%"></div></td></tr>'
        for name, count in counts
    )
    return f"<h2>{escape(title)}</h2><table>{rows}</table>"


def _in_steps(sizes: Counter[int]) -> list[tuple[str, int]]:
    """Pictures by how many regions they have: one by one up to 4, then by powers of two."""
    steps: Counter[tuple[int, int]] = Counter()
    for size, count in sizes.items():
        low = size if size < 5 else 5
        high = size if size < 5 else 8
        while size > high:
            low, high = high + 1, 2 * high
        steps[low, high] += count
    return [(str(low) if low == high else f"{low} to {high}", count) for (low, high), count in sorted(steps.items())]


def _errors(rows: Sequence[Row], statuses: Counter[str]) -> str:
    if not rows:
        return ""
    total = sum(statuses[status] for status in ERRORS)
    shown = f"{len(rows)} of {total:,}" if len(rows) < total else f"{total:,}"
    lines = "".join(
        f'<tr><td>{escape(row.path)}</td><td class="bad">{escape(row.error or row.answer)}</td></tr>' for row in rows
    )
    return f"<h2>Errors ({shown})</h2><table>{lines}</table>"


def _cards(title: str, rows: Iterable[Row], card: Callable[[Row], str], note: Callable[[Row], str]) -> str:
    cells = [
        f"<figure>{card(row)}<figcaption><b>{escape(row.path)}</b> {escape(note(row))}<br>"
        f'<span class="dim">{escape(_brief(row.answer))}</span></figcaption></figure>'
        for row in rows
    ]
    return f'<h2>{escape(title)}</h2><div class="grid">{"".join(cells)}</div>' if cells else ""


def _card(row: Row, path: Path | None, out: Path) -> str:
    """The picture as it came and the first one that was made of it."""
    before = _thumbnail(path) if path else ""
    made = [(name, _thumbnail(out / name)) for name in row.pictures[:1]]
    images = [f'<img alt="as it came" src="{before}">'] if before else []
    images += [f'<a href="{escape(name)}"><img alt="the result" src="{uri}"></a>' for name, uri in made if uri]
    return f'<div class="pair">{"".join(images)}</div>'


def _thumbnail(path: Path) -> str:
    """A small JPEG as a data URL; ``""`` where the file cannot be read any more."""
    try:
        picture = decode(path)
    except InputError:
        return ""
    picture.thumbnail((_THUMBNAIL * 2, _THUMBNAIL * 2))
    buffer = io.BytesIO()
    flatten(picture).save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _brief(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}..."
