"""Word lists, and the regular expressions made of them."""

from __future__ import annotations

import re

import pytest

from visiongpt_agent.language import lexicon
from visiongpt_agent.language.lexicon import CARDINALS, ORDINALS, PICTURE, REMOVE, TENS, one_of


def test_the_longest_word_that_fits_is_matched() -> None:
    found = re.match(one_of(("pic", "picture", "photo", "photograph")), "photograph of a cat")

    assert found is not None
    assert found[0] == "photograph"


@pytest.mark.parametrize("words", ["picture", "pictures", "photos", "images"])
def test_plurals_match_where_they_are_asked_for(words: str) -> None:
    assert re.fullmatch(one_of(PICTURE, plural=True), words)
    assert bool(re.fullmatch(one_of(PICTURE), words)) == (not words.endswith("s"))


def test_what_has_a_meaning_in_regular_expressions_is_taken_as_it_is_written() -> None:
    assert re.fullmatch(one_of(("a.b", "get rid of")), "get rid of")
    assert not re.fullmatch(one_of(("a.b",)), "axb")


def test_a_group_goes_on_with_what_stands_behind_it() -> None:
    assert re.fullmatch(rf"{one_of(REMOVE)} the (\w+)", "get rid of the cup")


def test_numbers_stand_at_their_places() -> None:
    assert (CARDINALS[0], CARDINALS[11], CARDINALS[-1]) == ("one", "twelve", "twenty")
    assert len(CARDINALS) == 20
    assert (ORDINALS[2], TENS[0]) == ("third", "twenty")


@pytest.mark.parametrize("name", [name for name in dir(lexicon) if name.isupper() and name != "NUMBER_WORDS"])
def test_a_list_holds_each_word_once_in_lower_case(name: str) -> None:
    words = getattr(lexicon, name)

    assert len(set(words)) == len(words)
    assert all(word == word.lower().strip() and word for word in words)
