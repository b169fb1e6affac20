"""Chains that are carried out to the letter are done: no step is refused, no doubt raised, no wish told as unmet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from langchain_core.runnables import RunnableConfig
from PIL import Image

from tests.bench.chains import CHAINS, Chain, chains, picture_of
from tests.graphs.harness import graph_of
from visiongpt_agent.graphs.state import ImageEntry, fresh_turn
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.pool import ModelPool

ALL = [
    pytest.param(chain, id=f"{k}-{chain.picture}", marks=[] if k % 6 in (0, 2) and k < 24 else [pytest.mark.slow])
    for k, chain in enumerate(chains())
]


def test_there_are_sixty_and_a_third_has_transparency() -> None:
    clear = [chain for chain in chains() if chain.picture in ("hard", "soft")]

    assert (len(chains()), len(clear)) == (CHAINS, CHAINS // 3)
    assert len({chain.plan for chain in chains()}) == CHAINS


@pytest.mark.parametrize("chain", ALL)
def test_a_clean_chain_raises_no_alarm(
    chain: Chain, pool: ModelPool, photo: Callable[[str], Image.Image], store: ImageStore
) -> None:
    kept = store.add(picture_of(chain.picture, photo), Provenance("user", "a.png"))
    entry = ImageEntry(id=kept.id, origin="user", title="a.png", width=kept.width, height=kept.height, turn=1)
    graph = graph_of(chain.plan, pool=pool, store=store, writes=False)

    state = graph.invoke(fresh_turn(chain.request, 1, [entry]), RunnableConfig(configurable={"thread_id": "chain"}))

    refused = [
        (step["tool"], step["error"]) for step in state["steps"] if step["verdict"] not in ("accepted", "uncertain")
    ]
    assert refused == []
    assert state["status"] == "done", state["answer"]
    assert "I did not" not in state["answer"]
    assert "second look" not in state["answer"]
