"""The registry: models are found by lying in the folder, announced, or registered; choices and remedies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from visiongpt_agent.models import registry as module
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry, discovered, register
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights import Installed, Wheel

ABSENT = Wheel("none", "1", members={"a": ("a", "0" * 64)})


def model(name: str, job: str = "ocr", **fields: Any) -> type[Model]:
    class Plain(Model):
        card: ClassVar[ModelCard] = ModelCard(
            name=name, title=name, jobs=(job,), licence="MIT", homepage="", memory=1, **fields
        )

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            return cls()

    return Plain


def registry(tmp_path: Path, *models: type[Model], **settings: Any) -> Registry:
    return Registry(Settings(home=tmp_path, **settings), models=models)


def names(models: list[type[Model]]) -> list[str]:
    return [model.card.name for model in models]


def test_every_model_of_the_package_is_discovered_and_imports_lightly() -> None:
    import subprocess

    script = (
        "import sys; from visiongpt_agent.models.registry import discovered\n"
        "models = discovered()\n"
        "print(' '.join(model.card.name for model in models))\n"
        "print(' '.join({'torch', 'transformers', 'cv2', 'onnxruntime', 'ncnn', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found, heavy = done.stdout.splitlines()
    assert "nanodet-g-416" in found.split()
    assert heavy == ""


def test_cards_are_whole() -> None:
    for found in discovered():
        card = found.card
        assert card.jobs, card.name
        assert card.memory > 0, card.name
        assert card.licence, card.name
        assert card.homepage.startswith("https://"), card.name


def test_the_users_choice_comes_first_then_rank(tmp_path: Path) -> None:
    models = model("c", rank=2), model("a", rank=1), model("b", rank=0), model("other", job="depth")
    assert names(registry(tmp_path, *models).for_job("ocr")) == ["b", "a", "c"]
    assert names(registry(tmp_path, *models, models={"ocr": "c"}).for_job("ocr")) == ["c", "b", "a"]


def test_the_llm_of_the_settings_is_the_only_one(tmp_path: Path) -> None:
    models = model("small", job="llm"), model("large", job="llm", rank=1)
    assert names(registry(tmp_path, *models, llm="large").for_job("llm")) == ["large"]


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../a", "a/b", ".hidden"])
def test_names_that_are_no_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no model name"):
        registry(tmp_path, model(name))


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="both named a"):
        registry(tmp_path, model("a"), model("a", job="depth"))


@pytest.mark.parametrize(
    ("fields", "reason", "remedy"),
    [
        ({}, "", ""),
        ({"modules": ("json", "os.path")}, "", ""),
        ({"source": ABSENT}, "not pulled yet", "visiongpt models pull a"),
        ({"modules": ("nowhere_at_all",)}, "needs nowhere_at_all", "pip install nowhere_at_all"),
        ({"modules": ("nowhere.at",), "extra": "paper"}, "needs nowhere.at", "pip install 'visiongpt-agent[paper]'"),
        ({"source": Installed("no-such-thing", {"a": ""})}, "not installed", "pip install no-such-thing"),
    ],
)
def test_what_is_missing_is_told_with_its_remedy(
    tmp_path: Path, fields: dict[str, Any], reason: str, remedy: str
) -> None:
    models = registry(tmp_path, model("a", **fields))
    (card,) = models.cards()
    assert reason in models.usable(card)
    assert bool(models.usable(card)) is bool(reason)
    assert remedy in models.usable(card)
    assert models.missing_for("ocr") == remedy


def test_weights_are_told_before_packages(tmp_path: Path) -> None:
    models = model("a", modules=("nowhere_at_all",), extra="paper"), model("b", rank=1, source=ABSENT)
    assert registry(tmp_path, *models).missing_for("ocr") == "visiongpt models pull b"


def test_a_package_and_weights_are_one_command(tmp_path: Path) -> None:
    models = registry(tmp_path, model("a", modules=("nowhere.at",), extra="paper", source=ABSENT))
    assert models.missing_for("ocr") == "pip install 'visiongpt-agent[paper]' && visiongpt models pull a"


def test_a_job_that_no_model_does_is_told(tmp_path: Path) -> None:
    assert registry(tmp_path).missing_for("ocr") == "this version has no adapter for ocr yet"


@pytest.fixture
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_registered", [])


@pytest.mark.usefixtures("nothing_registered")
def test_a_model_can_be_registered_and_replaced_in_a_notebook(tmp_path: Path) -> None:
    models = Registry(Settings(home=tmp_path))
    first, second = model("notebook"), model("notebook")
    assert register(first) is first
    assert models.get("notebook") is first
    register(second)
    assert models.get("notebook") is second
    with pytest.raises(ValueError, match="both named nanodet-g-416"):
        register(model("nanodet-g-416"))


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution that announces one model, one that cannot be imported and one that is none."""
    site = tmp_path / "site"
    info = site / "third_party-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[visiongpt_agent.models]\ngood = third_party_models:Good\nlost = third_party_models:Lost\n"
        "wrong = third_party_models:NUMBER\n"
    )
    (site / "third_party_models.py").write_text(
        "from visiongpt_agent.models.base import Model, ModelCard\n"
        "NUMBER = 3\n"
        "class Good(Model):\n"
        "    card = ModelCard('third-party', 'Third', ('ocr',), 'MIT', '', 1)\n"
        "    @classmethod\n"
        "    def load(cls, folder, placement): return cls()\n"
    )
    monkeypatch.syspath_prepend(str(site))
    discovered.cache_clear()
    yield
    discovered.cache_clear()
    sys.modules.pop("third_party_models", None)


@pytest.mark.usefixtures("distribution")
def test_other_distributions_announce_models(caplog: pytest.LogCaptureFixture) -> None:
    assert "third-party" in names(list(discovered()))
    assert "lost" in caplog.text
    assert "no Model subclass" in caplog.text
