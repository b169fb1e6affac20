"""The pull of every card that names a repository of the hub, end to end, on a hub laid out as the real one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import ClassVar, Self

import pytest

from tests.weights.layouts import LAYOUTS, repositories
from tests.weights.local_hub import LocalHub
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.llama import llama_named
from visiongpt_agent.models.registry import discovered
from visiongpt_agent.weights import Download, Hub, WeightStore
from visiongpt_agent.weights.hub import look_up

LLAMA = llama_named("meta-llama/Llama-2-7b-chat-hf").card


def hub_sources() -> Iterator[tuple[str, Hub]]:
    """Each source that is a repository of the hub, by the name of its card; those that go with a download, too."""
    for card in (*(model.card for model in discovered()), LLAMA):
        if isinstance(card.source, Hub):
            yield card.name, card.source
        elif isinstance(card.source, Download):
            for sub, part in card.source.parts.items():
                yield f"{card.name}, {sub}", part


SOURCES = dict(hub_sources())


def as_model(source: Hub) -> type[Model]:
    """A model of nothing but this source; its checksums are left out, since the files here are tiny ones."""
    unpinned = replace(source, files=dict.fromkeys(source.files, ""))

    class Pulled(Model):
        card: ClassVar[ModelCard] = ModelCard("pulled", "Pulled", ("ocr",), "MIT", "", 1, source=unpinned)

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            raise AssertionError("weights are pulled, never loaded, in these tests")

    return Pulled


@pytest.fixture
def stocked(hub: LocalHub, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> LocalHub:
    """The hub with the repositories of one source, and a token for those that are gated."""
    source, real_sizes = request.param
    hub.repositories = {
        one.repo: LAYOUTS[one.repo].hosted(one.revision, real_sizes=real_sizes) for one in repositories(source)
    }
    hub.tokens = {"hf_reader"}
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    return hub


def taken(source: Hub) -> set[str]:
    """The weights that a pull of these repositories fetches."""
    return {name for one in repositories(source) for name in LAYOUTS[one.repo].taken}


@pytest.mark.parametrize(
    ("name", "stocked"), [(name, (source, False)) for name, source in SOURCES.items()], indirect=["stocked"]
)
def test_a_pull_takes_what_the_model_needs_and_nothing_else(name: str, stocked: LocalHub, tmp_path: Path) -> None:
    source, store = SOURCES[name], WeightStore(tmp_path)
    model = as_model(source)

    folder = store.pull(model)

    assert folder is not None
    assert store.verify(model.card).present
    assert set(stocked.fetched()) == taken(source)
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert not [file for file in files if file.endswith((".bin", ".part", ".py", ".md"))]
    for sub in ("", *source.parts):
        one = source.parts[sub] if sub else source
        layout = LAYOUTS[one.repo]
        networks = {str(PurePosixPath(sub, weight).parent) for weight in layout.taken if not weight.endswith(".onnx")}
        assert all((folder / network / "config.json").is_file() for network in networks if "tokenizer" not in network)
        if one.pipeline:
            assert (folder / sub / "model_index.json").is_file()
            assert {name for name in layout.data if name.startswith("tokenizer")} <= set(files)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["commits"]) == {one.repo for one in repositories(source)}


@pytest.mark.parametrize(
    ("name", "stocked"), [(name, (source, True)) for name, source in SOURCES.items()], indirect=["stocked"]
)
def test_the_real_sizes_are_the_cards_and_are_held_against_the_disk(
    name: str, stocked: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCES[name]
    total = 0
    for one in repositories(source):
        repository = look_up(one.repo, one.revision)
        total += sum(repository.files[file].size for file in repository.choose(one.wish).names)
    if source.size:
        assert total == pytest.approx(source.size, rel=0.03)
    sizes = [LAYOUTS[one.repo].weights[file] for one in repositories(source) for file in LAYOUTS[one.repo].taken]
    if sizes:
        free = SimpleNamespace(free=max(sizes) // 2)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
        with pytest.raises(WeightsError, match=r"more are needed on disk and .* are free: free some space"):
            WeightStore(tmp_path).pull(as_model(source))
    assert stocked.fetched() == []


@pytest.mark.parametrize("name", [name for name in SOURCES if SOURCES[name].repo != "meta-llama/Llama-2-7b-chat-hf"])
def test_a_card_says_when_its_file_list_was_taken(name: str) -> None:
    for one in repositories(SOURCES[name]):
        assert date.fromisoformat(one.listed) >= date(2026, 11, 30)
        assert one.size or one is not SOURCES[name] or "," in name


def test_llama_2_needs_no_template_of_its_own_file() -> None:
    layout = LAYOUTS["meta-llama/Llama-2-7b-chat-hf"]
    assert not [name for name in layout.data if name.endswith(".jinja")]
    assert "llama-2-7b-chat-hf" in SOURCES
