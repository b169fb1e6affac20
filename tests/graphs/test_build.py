"""The state machine as it is drawn."""

from __future__ import annotations

import re

from tests.graphs.harness import graph_of
from visiongpt_agent.graphs import build
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool


def test_the_diagram_has_every_edge(pool: ModelPool, store: ImageStore) -> None:
    drawn = re.findall(r"^    (\w+) +-> (\w+)", build.__doc__ or "", re.MULTILINE)
    edges = graph_of(pool=pool, store=store).get_graph().edges

    assert sorted(drawn) == sorted((edge.source.strip("_"), edge.target.strip("_")) for edge in edges)
