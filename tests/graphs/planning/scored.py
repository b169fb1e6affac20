"""Every request that has a plan written for it: the examples of the training, and those that planners are scored on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from visiongpt_agent.plan import Plan, parse_plan
from visiongpt_agent.training.examples import written_examples

PLANNING = Path(__file__).parents[2] / "planning"


def requests_with_plans() -> Iterator[tuple[str, Sequence[str], Plan]]:
    """Each request with its images and a plan that is right for it."""
    yield from ((example.request, example.images, example.plan) for example in written_examples())
    for path in sorted(PLANNING.glob("*_requests.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            yield record["request"], record["images"], parse_plan(record["plan"])
