"""The order in which a person reads the lines of a page: column by column, in each from top to bottom.

A page is cut where nothing is written, after the recursive X-Y cut (Nagy and Seth, 1984): first between columns, if a
gap runs down through several lines, else between blocks that lie one under the other. What cannot be cut is read row by
row, in a row from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from math import atan2, hypot, pi
from statistics import median
from typing import Final, NamedTuple, TypeVar

Corners = Sequence[Sequence[float]]
T = TypeVar("T")

_GUTTER: Final = 1.0
"""Width of the gap between two columns at least, in heights of a line: more than between two words."""
_COLUMN_LINES: Final = 2
"""Lines that a column has at least, each beside a line of the other: else a gap only parts the words of one row."""
_OVERLAP: Final = 0.5
"""Share of the lower of two lines that lies beside the other where both are in one row."""
_LEADERS: Final = 0.75
"""Share of the lines of both sides that stand in one row with one of the other side, from which the sides are the two
halves of a table's rows (a price list) and are read across; of columns of prose fewer do, or both sides are long."""
_PROSE: Final = 8.0
"""Median width of a column of prose at least, in heights of a line; what is narrower is a list's or a table's."""


class _Line(NamedTuple):
    place: int
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def in_reading_order(entries: Sequence[T], corners: Callable[[T], Corners]) -> list[T]:
    """The entries in the order of reading.

    Args:
        entries: Lines of one page, in any order.
        corners: Gives the corners ``(x, y)`` of one in pixels, clockwise from where its text begins: a page that is
            upside down or on its side is read the way that most of its text runs.
    """
    places = [corners(entry) for entry in entries]
    turn = _quarter_turns(places)
    lines = [_Line(place, *_box([_turned(point, turn) for point in own])) for place, own in enumerate(places)]
    return [entries[line.place] for line in _ordered(lines)]


def _ordered(lines: list[_Line]) -> list[_Line]:
    if len(lines) < 2:
        return lines
    for parts in (_columns(lines), _blocks(lines)):
        if len(parts) > 1:
            return [line for part in parts for line in _ordered(part)]
    return [line for row in _rows(lines) for line in row]


def _columns(lines: list[_Line]) -> list[list[_Line]]:
    """The lines left and right of the widest gap that runs down them; all of them where that parts no columns."""
    gap = _GUTTER * median(line.height for line in lines)
    by_left = sorted(lines, key=lambda line: line.left)
    reach, cuts = by_left[0].right, list[tuple[float, int]]()
    for place, line in enumerate(by_left):
        if line.left - reach >= gap:
            cuts.append((line.left - reach, place))
        reach = max(reach, line.right)
    for _, place in sorted(cuts, reverse=True):
        sides = [by_left[:place], by_left[place:]]
        if _are_columns(*sides):
            return sides
    return [lines]


def _are_columns(left: list[_Line], right: list[_Line]) -> bool:
    """Whether two sides are read one after the other, rather than across."""
    if min(len(left), len(right)) < _COLUMN_LINES:
        return False
    if not _beside(left, right):
        return False
    narrow = min(median((line.right - line.left) / line.height for line in side) for side in (left, right))
    in_rows = [any(_same_row(line, other) for other in right) for line in left]
    in_rows += [any(_same_row(line, other) for other in left) for line in right]
    return narrow >= _PROSE or sum(in_rows) < _LEADERS * len(in_rows)


def _beside(left: list[_Line], right: list[_Line]) -> bool:
    """Whether the sides lie beside each other for the height of two lines, not one under the other."""
    shared = min(max(line.bottom for line in side) for side in (left, right)) - max(
        min(line.top for line in side) for side in (left, right)
    )
    return shared >= _COLUMN_LINES * median(line.height for line in (*left, *right))


def _blocks(lines: list[_Line]) -> list[list[_Line]]:
    """The stretches between lines that reach across columns (headings, footers), and those lines; else all of them."""
    rows = _rows(lines)
    gaps = [(one.right + other.left) / 2 for row in rows for one, other in pairwise(row) if one.right < other.left]
    if not gaps:
        return [lines]
    gutter = min(gaps, key=lambda x: sum(line.left < x < line.right for line in lines))
    by_top = sorted(lines, key=lambda line: line.middle)
    blocks = [list(group) for _, group in groupby(by_top, lambda line: line.left < gutter < line.right)]
    return blocks if any(len(_columns(block)) > 1 for block in blocks) else [lines]


def _rows(lines: list[_Line]) -> list[list[_Line]]:
    """Rows from top to bottom, each from left to right; a line belongs to the row in whose first line its middle is."""
    rows: list[list[_Line]] = []
    for line in sorted(lines, key=lambda line: line.middle):
        row = next((row for row in rows if row[0].top <= line.middle <= row[0].bottom), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    return [sorted(row, key=lambda line: line.left) for row in rows]


def _quarter_turns(places: Sequence[Corners]) -> int:
    """The quarter turns clockwise, 0 to 3, by which most of the text is turned, weighted by its length."""
    lengths = [0.0] * 4
    for (x1, y1), (x2, y2), *_ in places:
        lengths[round(atan2(y2 - y1, x2 - x1) / (pi / 2)) % 4] += hypot(x2 - x1, y2 - y1)
    return lengths.index(max(lengths))


def _turned(point: Sequence[float], turns: int) -> tuple[float, float]:
    """A point on the page turned back by quarter turns, round the origin."""
    x, y = point
    return ((x, y), (y, -x), (-x, -y), (-y, x))[turns]


def _same_row(one: _Line, other: _Line) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared >= _OVERLAP * min(one.height, other.height)


def _box(corners: Corners) -> tuple[float, float, float, float]:
    across, down = zip(*corners, strict=True)
    return min(across), min(down), max(across), max(down)
