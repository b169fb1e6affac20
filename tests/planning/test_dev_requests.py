"""The requests that the planner is scored on, written by hand, each with the plans that are right for it.

``dev_requests.jsonl`` is looked at while the planner is made; ``fresh_requests.jsonl`` was written after the adapter
that was first scored on it, and before anybody looked at what fails. None of them, and no paraphrase, may be in the
planner's training data.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from visiongpt_agent.cli.plan import read_records, request_of
from visiongpt_agent.graphs.planning.prompt import trained_signatures
from visiongpt_agent.plan_scores import Gold, score_plan
from visiongpt_agent.tools import catalog

DEV_REQUESTS = Path(__file__).parent / "dev_requests.jsonl"
FRESH_REQUESTS = Path(__file__).parent / "fresh_requests.jsonl"


@pytest.mark.parametrize(("path", "least"), [(DEV_REQUESTS, 300), (FRESH_REQUESTS, 400)])
def test_every_record_is_whole_and_its_plans_check(path: Path, least: int) -> None:
    catalogue = {name: spec.signature for name, spec in catalog().items()}
    records = read_records(path)

    for record, where in records:
        request = request_of(record, where)
        gold = Gold.of(record, where)
        for plan in gold.plans:
            score = score_plan(str(plan), gold, catalogue, len(request.images))
            assert (score.valid, score.exact) == (True, True), where

    assert len(records) >= least
    assert len({record["id"] for record, _ in records}) == len(records)
    assert len({record["request"].casefold() for record, _ in records}) == len(records)


def test_every_tool_and_every_kind_of_request_occurs() -> None:
    records = [record for record, _ in read_records(DEV_REQUESTS)]
    kinds = Counter(record["kind"] for record in records)
    text = json.dumps(records)

    assert {kind for kind, count in kinds.items() if count >= 12} == {
        *("single", "chain", "multi-image", "follow-up", "hard", "reply", "decline")
    }
    assert [signature.tool for signature in trained_signatures() if f"{signature.tool}(" not in text] == []
