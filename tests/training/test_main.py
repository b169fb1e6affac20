"""The commands: data as JSON lines, and training from a folder of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from visiongpt_agent.errors import InputError
from visiongpt_agent.models.registry import discovered
from visiongpt_agent.training.__main__ import app
from visiongpt_agent.training.base_model import SmolLM2

DEV_REQUESTS = Path(__file__).parents[1] / "planning" / "dev_requests.jsonl"


def test_the_data_is_shown() -> None:
    result = CliRunner().invoke(app, ["show", "--rows", "2", "--requests", "3", "--held-out", str(DEV_REQUESTS)])

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [sorted(line) for line in lines] == [["catalogue"], *[["images", "plan", "request"]] * 3] * 2
    assert lines[0]["catalogue"]


@pytest.mark.usefixtures("one_thread")
def test_an_adapter_is_trained_from_a_folder(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "adapter"
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    given = ["--base", str(base), "--out", str(out), "--steps", "1", "--rows", "1", "--workers", "0", "--device", "cpu"]

    result = CliRunner().invoke(app, ["train", *given])

    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "training.json")
    }


@pytest.mark.usefixtures("one_thread")
def test_an_adapter_is_refined(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    from visiongpt_agent.training.lora import LowRankAdapter

    base, start, out = tmp_path / "base", tmp_path / "start", tmp_path / "adapter"
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    LowRankAdapter(model, rank=2, alpha=4, seed=0).save(start, "a base")
    given = ["--base", str(base), "--adapter", str(start), "--out", str(out), "--drill", "talk", "--minutes", "0.02"]

    result = CliRunner().invoke(app, ["refine", *given])

    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "refining.json")
    }


def test_examples_that_are_not_there_are_named(tmp_path: Path) -> None:
    given = ["--adapter", str(tmp_path), "--out", str(tmp_path), "--drill", "songs"]

    result = CliRunner().invoke(app, ["refine", *given])

    assert isinstance(result.exception, InputError)
    assert "songs" in str(result.exception)
    assert "talk" in str(result.exception)


def test_the_base_is_none_of_the_models_that_plan() -> None:
    assert SmolLM2.card.name not in {model.card.name for model in discovered()}
    assert SmolLM2.card.jobs == ()
