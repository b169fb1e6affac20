"""Fine-tuning: the adapter learns to write the plan behind each request of the stream."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.func import functional_call
from torch.nn import functional
from torch.utils.data import DataLoader

from visiongpt_agent.training.lora import LowRankAdapter
from visiongpt_agent.training.packing import IGNORED, PackedRows, RowPacker, stacked
from visiongpt_agent.training.records import Records

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BASE: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FineTuningSettings:
    """How to train.

    Attributes:
        steps: Optimiser steps.
        minutes: The most that training may take; the learning rate falls with whatever ends first, steps or minutes.
        rows: Rows of a step.
        length: Tokens of a row.
        rank: The adapter's; 18 makes a file of 11 MB.
        alpha: The adapter's scale is ``alpha / rank``.
        learning_rate: At its highest; a cosine down to a fiftieth.
        warmup: The share of the steps over which it rises.
        seed: Of the data and of the adapter's start.
        workers: Processes that make rows.
    """

    steps: int = 2000
    minutes: float = 60.0
    rows: int = 16
    length: int = 2048
    rank: int = 18
    alpha: int = 36
    learning_rate: float = 1e-3
    warmup: float = 0.03
    seed: int = 0
    workers: int = 2


def fine_tune(
    model: Any, tokenizer: PreTrainedTokenizerFast, records: Records, settings: FineTuningSettings, out: Path
) -> None:
    """Train an adapter and write it, with ``training.json``: the settings and how the loss fell.

    Args:
        model: A LLaMA-architecture ``PreTrainedModel`` on the device and in the precision in which it is to train.
        tokenizer: The model's.
        records: What to learn.
        settings: How.
        out: The folder of the adapter.
    """
    torch.manual_seed(settings.seed)
    device: torch.device = model.device
    adapter = LowRankAdapter(model, settings.rank, settings.alpha, settings.seed)
    optimizer = torch.optim.AdamW(
        adapter.parameters(), betas=(0.9, 0.98), weight_decay=0.0, fused=device.type == "cuda"
    )
    begun, history, requests, losses = time.monotonic(), [], 0, []
    for step, batch in enumerate(_batches(records, tokenizer, settings)):
        minutes = (time.monotonic() - begun) / 60
        done = max(step / settings.steps, minutes / settings.minutes)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _rise(step, settings) * schedule(done)
        loss = _loss(model, adapter, batch.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
        optimizer.step()
        requests += batch.requests
        losses.append(loss.detach())
        if step % 50 == 49:
            mean = float(torch.stack(losses).mean())
            history.append(
                {"step": step + 1, "loss": round(mean, 4), "requests": requests, "minutes": round(minutes, 2)}
            )
            logger.info("step %d, loss %.4f, %d requests, %.2f minutes", step + 1, mean, requests, minutes)
            losses.clear()
    adapter.save(out, BASE)
    report = {"settings": asdict(settings), "requests": requests, "history": history, "device": _device_name(device)}
    (out / "training.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _batches(
    records: Records, tokenizer: PreTrainedTokenizerFast, settings: FineTuningSettings
) -> Iterator[PackedRows]:
    rows = RowPacker(records, tokenizer, settings.length, settings.rows * settings.steps)
    return iter(
        DataLoader(
            rows,
            batch_size=settings.rows,
            collate_fn=stacked,
            num_workers=settings.workers,
            prefetch_factor=8 if settings.workers else None,
        )
    )


def _rise(step: int, settings: FineTuningSettings) -> float:
    return min(1.0, (step + 1) / max(1.0, settings.warmup * settings.steps))


def schedule(done: float) -> float:
    """The share of the highest learning rate where so much of the training is done, 0 to 1: a cosine to a fiftieth."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _loss(model: Any, adapter: LowRankAdapter, batch: PackedRows) -> torch.Tensor:
    """Mean cross-entropy over the tokens of the plans."""
    weights = {name.removeprefix("model."): weight for name, weight in adapter.weights().items()}
    inputs = {"input_ids": batch.tokens, "position_ids": batch.positions, "attention_mask": batch.mask()}
    hidden = functional_call(model.model, weights, kwargs={**inputs, "use_cache": False}).last_hidden_state
    learnt = batch.targets != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[learnt]).float(), batch.targets[learnt])


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
