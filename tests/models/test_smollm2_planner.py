"""The planner that comes with the package."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from visiongpt_agent.models.smollm2_planner import ADAPTER_SHA256, SmolLM2Planner
from visiongpt_agent.weights import Wheel
from visiongpt_agent.weights.store import MANIFEST, WeightStore


def test_the_adapter_is_the_one_that_is_named() -> None:
    adapter = files("visiongpt_agent") / "data" / "planner_adapter" / "adapter_model.safetensors"

    assert hashlib.sha256(adapter.read_bytes()).hexdigest() == ADAPTER_SHA256


def test_a_planner_with_another_adapter_is_pulled_anew(tmp_path: Path) -> None:
    source, store = SmolLM2Planner.card.source, WeightStore(tmp_path)
    assert isinstance(source, Wheel)
    folder = tmp_path / "weights" / SmolLM2Planner.card.name
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text('{"pins": "of another", "source": "wheel with an older adapter", "files": {}}')

    state = store.state(SmolLM2Planner.card)

    assert state.status == "broken"
    assert ADAPTER_SHA256[:12] in state.reason
