"""Training on a tiny LLaMA: rows equal requests one by one, the loss falls, and peft reads what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.func import functional_call

from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.prompts import planner_user
from visiongpt_agent.training.fine_tuning import FineTuningSettings, fine_tune
from visiongpt_agent.training.lora import LowRankAdapter
from visiongpt_agent.training.packing import IGNORED, RowPacker, encoded_prefix, stacked
from visiongpt_agent.training.records import Records

pytestmark = pytest.mark.usefixtures("one_thread")

LENGTH = 4096


@pytest.fixture
def packer(records: Records, tokenizer: Any) -> RowPacker:
    return RowPacker(records, tokenizer, LENGTH, rows=4)


def test_a_row_holds_what_the_planner_is_asked(packer: RowPacker, records: Records, tokenizer: Any, model: Any) -> None:
    row = packer[0]
    example = next(records.row(0)[1])

    first = row.segments[0] <= 1
    text = tokenizer.decode(row.tokens[0][first & (row.segments[0] >= 0)])

    asked = [
        {"role": "system", "content": text.split("system\n", 1)[1].split("<|im_end|>", 1)[0]},
        {"role": "user", "content": planner_user(example.images, example.request)},
    ]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert text == f"{prompt}{example.plan}<|im_end|>"
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert row.tokens[0][first & (row.segments[0] >= 0)].tolist() == whole


def test_a_row_is_as_good_as_its_requests_one_by_one(packer: RowPacker, model: Any) -> None:
    row = packer[1]
    assert row.requests >= 3
    model.eval()
    together = model(input_ids=row.tokens, position_ids=row.positions, attention_mask=row.mask()).logits[0]

    for request in (1, row.requests):
        mine = (row.segments[0] == 0) | (row.segments[0] == request)
        alone = model(input_ids=row.tokens[:, mine]).logits[0]
        torch.testing.assert_close(together[mine], alone, rtol=1e-4, atol=1e-5)


def test_only_plans_are_learnt(packer: RowPacker, tokenizer: Any) -> None:
    row = packer[2]
    learnt = row.targets[0] != IGNORED

    assert tokenizer.decode(row.targets[0][learnt & (row.segments[0] == 1)]).endswith("<|im_end|>")
    assert not learnt[row.segments[0] <= 0].any()
    shifted = row.tokens[0].roll(-1)
    assert torch.equal(row.targets[0][learnt], shifted[learnt])


def test_rows_stack(packer: RowPacker) -> None:
    batch = stacked([packer[0], packer[1]])

    assert batch.tokens.shape == (2, LENGTH)
    assert batch.requests == packer[0].requests + packer[1].requests


def test_an_untrained_adapter_changes_nothing(model: Any) -> None:
    adapter = LowRankAdapter(model, rank=2, alpha=4, seed=0)
    tokens = torch.arange(12)[None]

    changed = functional_call(model, adapter.weights(), args=(tokens,)).logits

    torch.testing.assert_close(changed, model(tokens).logits)


def test_training_lowers_the_loss_and_writes_what_peft_reads(
    records: Records, tokenizer: Any, model: Any, tmp_path: Path
) -> None:
    from peft import PeftModel

    torch.manual_seed(0)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    settings = FineTuningSettings(steps=16, rows=1, length=LENGTH, rank=4, alpha=8, learning_rate=6e-2, workers=0)

    fine_tune(model, tokenizer, records, settings, tmp_path)

    report = json.loads((tmp_path / "training.json").read_text())
    assert report["requests"] > 10
    assert report["settings"]["rank"] == 4
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    row = RowPacker(records, tokenizer, LENGTH, rows=1)[0]
    tuned = PeftModel.from_pretrained(model, str(tmp_path))
    assert loss(tuned, row) < 0.8 * base_loss(tuned, row)


def base_loss(tuned: Any, row: Any) -> float:
    with tuned.disable_adapter():
        return loss(tuned, row)


def loss(model: Any, row: Any) -> float:
    logits = model(input_ids=row.tokens, position_ids=row.positions, attention_mask=row.mask()).logits[0]
    return float(torch.nn.functional.cross_entropy(logits, row.targets[0], ignore_index=IGNORED))


def test_the_same_seed_trains_the_same_adapter(records: Records, tokenizer: Any, model: Any, tmp_path: Path) -> None:
    settings = FineTuningSettings(steps=2, rows=1, length=LENGTH, rank=2, alpha=4, workers=0)
    for name in ("one", "two"):
        fine_tune(model, tokenizer, records, settings, tmp_path / name)

    one, two = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_the_prompt_is_the_one_that_plans_are_asked_with(tokenizer: Any, model: Any, own: Any) -> None:
    from langchain_huggingface import HuggingFacePipeline
    from transformers import pipeline

    chat = ChatLlama(llm=HuggingFacePipeline(pipeline=pipeline("text-generation", model=model, tokenizer=tokenizer)))
    asked, shared = chat._planner_prompt([{"role": "user", "content": "x"}], packer_catalogue(own))

    prefix = encoded_prefix(tokenizer, own)
    assert chat._encode(asked)[: len(prefix)] == prefix
    assert shared >= len(prefix)


def packer_catalogue(own: Any) -> str:
    from visiongpt_agent.prompts import planner_system

    return planner_system(own)
