"""Stop sequences in streamed text."""

from __future__ import annotations

import pytest

from visiongpt_agent.llm.prose import until


@pytest.mark.parametrize(
    ("pieces", "stop", "text"),
    [
        (["Hello", " you"], [], "Hello you"),
        (["Hello ", "you there"], ["you"], "Hello "),
        (["Hello y", "o", "u"], ["you"], "Hello "),
        (["Hello y", "o"], ["you"], "Hello yo"),
        (["you"], ["you"], ""),
        (["a END b STOP"], ["STOP", "END"], "a "),
        (["aab"], ["ab"], "a"),
        (["a", "a", "b"], ["ab"], "a"),
        ([], ["x"], ""),
    ],
)
def test_text_ends_before_a_stop_sequence(pieces: list[str], stop: list[str], text: str) -> None:
    assert "".join(until(pieces, stop)) == text


def test_what_cannot_be_a_stop_sequence_is_not_held_back() -> None:
    assert list(until(["one ", "two ", "EN", "try"], ["END"])) == ["one ", "two ", "ENtry"]
