"""``visiongpt eval calls``: files in the formats of BFCL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from visiongpt_agent.models import jobs

CASES = Path(__file__).parents[1] / "planning" / "bfcl"


def test_questions_without_answers_are_refused(visiongpt: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text((CASES / "multiple.json").read_text())

    ran = visiongpt("eval", "calls", "in.json")

    assert (ran.code, ran.out) == (2, "")
    assert "in.json line 1: there is no answer to multiple_0: name the file of answers with --answers" in ran.err


def test_answers_that_are_none_are_refused(visiongpt: Callable[..., Ran]) -> None:
    ran = visiongpt("eval", "calls", str(CASES / "multiple.json"), "--answers", str(CASES / "irrelevance.json"))

    assert ran.code == 2
    assert 'irrelevance.json line 1 must be an object with "id" and "ground_truth"' in ran.err


@pytest.mark.slow
def test_calls_are_made_and_scored(visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path) -> None:
    needs(jobs.LLM)
    lines = [line for file in sorted(CASES.glob("*.json")) for line in file.read_text().splitlines()]
    answers = [
        line for file in sorted((CASES / "possible_answer").glob("*.json")) for line in file.read_text().splitlines()
    ]
    (tmp_path / "all.json").write_text("\n".join(lines))
    (tmp_path / "possible_answer").mkdir()
    (tmp_path / "possible_answer" / "all.json").write_text("\n".join(answers))

    ran = visiongpt("eval", "calls", "all.json", "--details", "out.jsonl", "--json")

    scores = json.loads(ran.out)
    assert (scores["requests"], scores["refused"]) == (11, 0)
    assert {kind: total for kind, (_, _, total) in scores["kinds"].items()} == {
        "single": 5,
        "parallel": 2,
        "none fits": 3,
        "one fits": 1,
    }
    assert scores["kinds"]["single"][0] >= 3
    assert scores["kinds"]["none fits"][0] >= 2
    kept = [json.loads(one) for one in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sum(one["met"] for one in kept) == sum(met for met, _, _ in scores["kinds"].values())
    assert not [one for one in kept if one["calls"] is None]
