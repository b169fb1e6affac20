"""Columns before rows, headings and footers around them; tables are read across."""

from __future__ import annotations

import random

import pytest

from visiongpt_agent.tools._reading_order import in_reading_order

Place = tuple[str, float, float, float]
"""Name, left, top, width; all lines are 20 high."""


def line(name: str, left: float, top: float, width: float) -> Place:
    return name, left, top, width


def corners(place: Place) -> list[tuple[float, float]]:
    _, left, top, width = place
    return [(left, top), (left + width, top), (left + width, top + 20), (left, top + 20)]


def column(names: str, left: float, top: float = 0, width: float = 300, step: float = 30) -> list[Place]:
    return [line(name, left, top + step * row, width) for row, name in enumerate(names)]


PAGES: dict[str, tuple[list[Place], str]] = {
    "two columns": ([*column("abcd", 0), *column("efgh", 400)], "abcdefgh"),
    "three columns": ([*column("abc", 0), *column("def", 400), *column("ghi", 800)], "abcdefghi"),
    "columns of unequal length": ([*column("abcde", 0), *column("fg", 400)], "abcdefg"),
    "columns whose lines do not meet": ([*column("abc", 0, width=90), *column("def", 150, 15, 90)], "abcdef"),
    "a heading over columns": ([line("h", 100, 0, 500), *column("abc", 0, 60), *column("def", 400, 60)], "habcdef"),
    "a heading, a rule and a footer": (
        [
            line("h", 100, 0, 500),
            *column("ab", 0, 60),
            *column("cd", 400, 60),
            line("r", 0, 140, 700),
            *column("ef", 0, 200),
            *column("gh", 400, 200),
            line("f", 200, 300, 400),
        ],
        "habcdrefghf",
    ),
    "a price list": ([*column("ace", 0), *column("bdf", 600, width=60)], "abcdef"),
    "a form": ([*column("ace", 0, width=80), *column("bdf", 120, width=400)], "abcdef"),
    "rows of single words": (
        [*column("ad", 0, width=60), *column("be", 90, width=60), *column("cf", 180, width=60)],
        "abcdef",
    ),
    "slightly slanted rows": (
        [line("a", 0, 0, 50), line("b", 100, 6, 50), line("c", 0, 40, 50), line("d", 100, 48, 50)],
        "abcd",
    ),
    "one line": ([line("a", 0, 0, 50)], "a"),
    "none": ([], ""),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_in_order(name: str) -> None:
    places, expected = PAGES[name]
    for seed in range(3):
        shuffled = random.Random(seed).sample(places, len(places))
        assert "".join(place[0] for place in in_reading_order(shuffled, corners)) == expected


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_page_is_read_the_way_that_its_text_runs(quarters: int) -> None:
    upright = {"one": (0, 0, 90, 10), "two": (0, 20, 80, 30), "three": (0, 40, 85, 50)}
    page = {}
    for text, (x1, y1, x2, y2) in upright.items():
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        for _ in range(quarters):
            corners = [(100 - y, x) for x, y in corners]  # clockwise
        page[text] = corners
    assert in_reading_order(sorted(page), lambda text: page[text]) == ["one", "two", "three"]
