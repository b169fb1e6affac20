"""What is told of models that are loaded while a request waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from PIL import Image

from tests.graphs.harness import asking, graph_of, logging_tool
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings


class Slow(Model):
    card: ClassVar[ModelCard] = ModelCard("slow", "The slow one", ("work",), "MIT", "", 2_000_000)
    seconds: ClassVar[float]

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        time.sleep(cls.seconds)
        return cls()


@pytest.mark.parametrize(("seconds", "told"), [(1.5, ["loading", "loaded"]), (0.2, [])])
def test_a_model_that_takes_long_to_load_is_told(
    seconds: float,
    told: list[str],
    store: ImageStore,
    photo: Callable[[str], Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Slow, "seconds", seconds, raising=False)
    pool = ModelPool(Registry(Settings(home=tmp_path, device="cpu"), models=[Slow]))

    def use() -> None:
        with pool.use("work", object):
            pass

    tool = logging_tool("work", tmp_path / "log", use)
    graph = graph_of("#1 = work(image=$1)", pool=pool, store=store, tools=[tool])
    events: list[Any] = list(graph.stream(asking(store, photo("rocket")), stream_mode="custom"))

    assert [key for event in events for key in event if key.startswith("load")] == told
    assert [key for event in events for key in event if key != "retried"] == ["plan", "started", *told, "finished"]
    for event in events:
        if "loading" in event:
            named = {key: value for key, value in event["loading"].items() if key != "seconds"}
            assert named == {"model": "slow", "title": "The slow one", "device": "cpu", "bytes": 2_000_000}
            assert 1 <= event["loading"]["seconds"] <= seconds
