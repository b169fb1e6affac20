"""Refining: what is not known is drawn more often, losses are those of whole prompts, and the loss falls."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.func import functional_call

from visiongpt_agent.errors import InputError
from visiongpt_agent.plan import Signature
from visiongpt_agent.training.catalogues import Catalogue
from visiongpt_agent.training.examples import Example, examples_about
from visiongpt_agent.training.lora import LowRankAdapter
from visiongpt_agent.training.packing import encoded_prefix, encoded_request
from visiongpt_agent.training.records import Records
from visiongpt_agent.training.refining import Drill, Reader, RefiningSettings, refine

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return [replace(example, swaps={}) for example in examples_about("talk")[:12]]


@pytest.fixture
def adapter(model: Any) -> LowRankAdapter:
    """One that changes what the model says."""
    adapter = LowRankAdapter(model, rank=2, alpha=4, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in adapter.up.values():
            part.copy_(torch.randn(part.shape, generator=generator) * 0.3)
    return adapter


def test_an_example_is_drawn_the_more_often_the_less_its_plan_is_known(examples: list[Example]) -> None:
    drill = Drill(examples, random.Random(0))
    for number in range(len(examples)):
        drill.note(number, 5.0 if number == 3 else 0.0)

    drawn = Counter(number for number, _ in drill.draw(2000))

    assert drill.known == len(examples) - 1
    assert drawn[3] / 2000 == pytest.approx(1 / (1 + 11 * 0.08), abs=0.05)
    assert len(drawn) == len(examples)


def test_matrices_beside_the_layers_compute_what_merged_ones_do(model: Any, adapter: LowRankAdapter) -> None:
    tokens = torch.arange(12)[None]
    plain = model(tokens).logits

    merged = functional_call(model, adapter.weights(), args=(tokens,)).logits
    with adapter.beside(model):
        beside = model(tokens).logits

    assert not torch.allclose(plain, merged, atol=1e-3)
    torch.testing.assert_close(beside, merged, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model(tokens).logits, plain)


def test_an_adapter_is_read_as_it_was_saved(model: Any, adapter: LowRankAdapter, tmp_path: Path) -> None:
    adapter.save(tmp_path / "one", "a base")
    LowRankAdapter.read(tmp_path / "one", model).save(tmp_path / "two", "a base")

    one, two = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_losses_are_those_of_whole_prompts(
    model: Any, tokenizer: Any, records: Records, examples: list[Example]
) -> None:
    reader = Reader(model, tokenizer, RefiningSettings(at_once=5))

    together = reader.survey(records.own, examples)

    for example, loss in zip(examples, together, strict=True):
        question, answer = encoded_request(tokenizer, example)
        prompt = encoded_prefix(tokenizer, records.own) + question
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        alone = torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="none").max()
        assert loss == pytest.approx(float(alone), abs=1e-3)


def test_what_is_written_lies_between_start_and_end(
    model: Any, tokenizer: Any, records: Records, examples: list[Example], tmp_path: Path
) -> None:
    written: dict[float, LowRankAdapter] = {}
    for way in (0.0, 1.0):
        adapter = LowRankAdapter(model, rank=2, alpha=4, seed=0)
        settings = RefiningSettings(minutes=0.02, requests=2, at_once=2, learning_rate=1e-2, warmup=1, way=way)
        refine(model, tokenizer, adapter, records, examples, settings, tmp_path / str(way))
        written[way] = LowRankAdapter.read(tmp_path / str(way), model)

    assert not any(part.any() for part in written[0.0].up.values())
    assert all(part.any() for part in written[1.0].up.values())


def test_what_cannot_be_refined_is_told(model: Any, tokenizer: Any, records: Records, tmp_path: Path) -> None:
    adapter = LowRankAdapter(model, rank=2, alpha=4, seed=0)

    with pytest.raises(InputError, match="not held out"):
        refine(model, tokenizer, adapter, records, [], RefiningSettings(), tmp_path / "out")
    with pytest.raises(InputError, match=r"no adapter_config\.json"):
        LowRankAdapter.read(tmp_path, model)


def test_interrupted_it_writes_what_was_learnt(
    model: Any, tokenizer: Any, own: tuple[Signature, ...], examples: list[Example], tmp_path: Path
) -> None:
    class Interrupted(Records):
        def row(self, number: int) -> tuple[Catalogue, Iterator[Example]]:
            if number == 4:
                raise KeyboardInterrupt
            return super().row(number)

    adapter = LowRankAdapter(model, rank=2, alpha=4, seed=0)
    settings = RefiningSettings(minutes=5, requests=2, at_once=2, learning_rate=1e-2, warmup=1)

    refine(model, tokenizer, adapter, Interrupted(own, seed=3), examples, settings, tmp_path)

    assert all(part.any() for part in LowRankAdapter.read(tmp_path, model).up.values())


def test_refining_lowers_the_loss_and_writes_the_adapter(
    model: Any, tokenizer: Any, records: Records, examples: list[Example], tmp_path: Path
) -> None:
    adapter = LowRankAdapter(model, rank=4, alpha=8, seed=0)
    reader = Reader(model, tokenizer, RefiningSettings())
    before = sum(reader.survey(records.own, examples))
    settings = RefiningSettings(minutes=0.07, requests=4, at_once=4, learning_rate=4e-2, warmup=2)

    refine(model, tokenizer, adapter, records, examples, settings, tmp_path)

    report = json.loads((tmp_path / "refining.json").read_text())
    assert report["drilled"] == len(examples)
    assert report["history"][-1]["requests"] >= 8
    with LowRankAdapter.read(tmp_path, model).beside(model):
        assert sum(Reader(model, tokenizer, RefiningSettings()).survey(records.own, examples)) < 0.9 * before
