"""What was read in pictures, as HTML for the page and for notebooks; it is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visiongpt_agent.result import VisionResult


def readings_html(result: VisionResult) -> str:
    """The lines, codes and labels of a result, whole, as a table to be unfolded; ``""`` where there are none."""
    rows = [
        *((line.of, "text" if line.sure else "text, unsure", line.text, f"{line.score:.0%}") for line in result.lines),
        *((code.of, code.format, code.text, "") for code in result.codes),
        *((label.of, "label", label.name, f"{label.score:.0%}") for label in result.labels),
    ]
    if not rows:
        return ""
    cells = "".join(f"<tr>{''.join(f'<td>{escape(value)}</td>' for value in row)}</tr>" for row in rows)
    return f'<details class="vg-read"><summary>{_counted(result)}</summary><table>{cells}</table></details>'


def _counted(result: VisionResult) -> str:
    counts = (("line", len(result.lines)), ("code", len(result.codes)), ("label", len(result.labels)))
    return ", ".join(f"{count} {noun}{'s' if count > 1 else ''}" for noun, count in counts if count)
