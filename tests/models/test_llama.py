"""A language model of the user's own, in the format that save_pretrained writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.models.tiny_checkpoints import llama
from visiongpt_agent import Settings, VisionGPT, WeightsError, parse_plan
from visiongpt_agent.models.llama import llama_named
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.tools import catalog


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaMA with random weights, LLaMA-2's kind of tokenizer and its chat format, as save_pretrained writes it."""
    corpus = [str(spec.signature) for spec in catalog().values()]
    return llama(tmp_path_factory.mktemp("llama") / "My-Llama-2-tiny", corpus)


def test_a_folder_becomes_the_only_language_model(folder: Path, tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path, llm=str(folder)))

    (model,) = registry.for_job("llm")

    assert model.card.name == "my-llama-2-tiny"
    assert registry.usable(model.card) == ""


@pytest.mark.slow
def test_whatever_its_weights_the_agent_answers(
    folder: Path, tmp_path: Path, photo: Callable[[str], Image.Image]
) -> None:
    agent = VisionGPT(settings=Settings(home=tmp_path, llm=str(folder), device="cpu"))

    result = agent.run("turn it by ninety degrees", photo("rocket").resize((64, 48)))

    parse_plan(result.plan).check({name: spec.signature for name, spec in catalog().items()}, images=1)
    assert result.answer


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [("meta-llama/Llama-2-7b-chat-hf", 16.1), ("HuggingFaceTB/SmolLM2-135M-Instruct", 0.31), ("someone/chat", 16.1)],
)
def test_a_hub_repository_tells_its_size_and_how_to_get_it(name: str, gigabytes: float, tmp_path: Path) -> None:
    card = llama_named(name).card
    registry = Registry(Settings(home=tmp_path, llm=name))

    assert card.memory / 1e9 == pytest.approx(gigabytes, rel=0.02)
    assert f"visiongpt models pull {card.name}" in registry.missing_for("llm")


def test_what_is_neither_folder_nor_repository_is_refused() -> None:
    with pytest.raises(WeightsError, match="is no folder, GGUF file"):
        llama_named("/nowhere/at/all")
