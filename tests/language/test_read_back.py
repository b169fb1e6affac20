"""Numbers and places are read back from sentences that were written for people."""

from __future__ import annotations

import pytest

from visiongpt_agent.language.english import (
    count_phrase,
    join,
    number_word,
    place_of,
    read_counts,
    read_number,
    read_places,
)


@pytest.mark.parametrize(
    "counts", [{"dog": 1}, {"person": 4, "bus": 1}, {"St. Bernard": 2, "dog": 30}, {"cup": 1200}, {}]
)
def test_what_is_counted_is_read_back(counts: dict[str, int]) -> None:
    listed = join([count_phrase(count, noun) for noun, count in counts.items()])
    assert read_counts(f"There are {listed}. I found no cat." if counts else "I found no cat.", counts) == counts


def test_a_number_of_something_else_is_noticed() -> None:
    assert read_counts("There are two dogs and three cats.", ["dog"]) == {"dog": 2, "": 3}
    assert read_counts("There are two red cups and a saucer.", ["cup", "red cup"]) == {"red cup": 2}


@pytest.mark.parametrize("number", [0, 1, 12, 13, 1234])
def test_numbers(number: int) -> None:
    assert read_number(number_word(number)) == number


def test_every_place_is_read_back() -> None:
    places = [place_of((x, y, x, y), (9, 9)) for x in (1, 4, 7) for y in (1, 4, 7)]
    assert len(set(places)) == 9
    assert (
        read_places(f"There are nine cups, one {', one '.join(places[:-1])} and one {places[-1]} of the picture.")
        == places
    )
