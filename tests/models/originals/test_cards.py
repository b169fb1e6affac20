"""What the models of the authors' own packages say of themselves, with and without those packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from visiongpt_agent.models import registry as module
from visiongpt_agent.models.base import Model
from visiongpt_agent.models.registry import Registry, discovered
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights import Download

MODELS = [model for model in discovered() if isinstance(model.card.source, Download)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.card.name)
def test_files_are_pinned_and_come_by_https(model: type[Model]) -> None:
    source = model.card.source
    assert isinstance(source, Download)
    for name, (url, sha256) in source.files.items():
        assert url.startswith("https://")
        assert url.endswith(f"/{name}")
        assert re.fullmatch(r"[0-9a-f]{64}", sha256)
    assert source.size > 1_000_000


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.card.name)
def test_without_the_packages_it_is_told_what_installs_them(
    model: type[Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_importable", lambda name: name not in model.card.modules)
    reason = Registry(Settings(home=tmp_path, weights={model.card.name: tmp_path})).usable(model.card)
    assert model.card.extra in ("paper", "yolo")
    assert reason == (
        f"{model.card.name} needs {', '.join(model.card.modules)}: pip install 'visiongpt-agent[{model.card.extra}]'"
    )


def test_there_are_all_of_them_and_agpl_is_told() -> None:
    cards = {model.card.name: model.card for model in MODELS}
    assert {"sam-vit-b-original", "sam-vit-l-original", "sam-vit-h-original"} < set(cards)
    assert {"groundingdino-swint-ogc", "groundingdino-swinb-cogcoor"} < set(cards)
    of_ultralytics = {name for name in cards if name.startswith("yolo")}
    assert {"yolov8n", "yolo11m", "yolo26m", "yolo11n-pose", "yolov8s-worldv2"} < of_ultralytics
    for name in of_ultralytics:
        assert cards[name].licence == "AGPL-3.0"
        assert "AGPL-3.0" in cards[name].notice
    for name in set(cards) - of_ultralytics:
        assert (cards[name].licence, cards[name].notice) == ("Apache-2.0", "")


def test_no_profile_pulls_them() -> None:
    from visiongpt_agent.cli.models import _in_profile

    for profile in ("embedded", "foundation"):
        assert not [model.card.name for model in MODELS if _in_profile(model.card, profile)]
    assert all(_in_profile(model.card, None) for model in MODELS)
