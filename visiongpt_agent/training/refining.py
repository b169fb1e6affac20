"""Refining: an adapter that is there learns from more examples, for which a CPU is enough.

A GPU trains on half a million requests in minutes, two CPU cores manage hardly two a second. So those that there is
time for are chosen: first all examples are surveyed, then drawn the more often the worse their plans were known the
last time. The catalogue is read without learning, once for a few steps: it is most of what a prompt holds. And what is
written lies between the adapter at the start and at the end: it knows most of the new and has forgotten less (Wortsman
et al., *Robust fine-tuning of zero-shot models*, arXiv 2109.01903).
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from visiongpt_agent.errors import InputError
from visiongpt_agent.training.conversations import elsewhere
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.fine_tuning import BASE, schedule
from visiongpt_agent.training.lora import LowRankAdapter
from visiongpt_agent.training.packing import IGNORED, encoded_prefix, encoded_request
from visiongpt_agent.training.records import Records
from visiongpt_agent.training.variants import variant
from visiongpt_agent.training.voices import voiced

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedTokenizerFast

    from visiongpt_agent.plan import Signature

_SELDOM: Final = 0.08
"""Weight of an example whose plan is known, of at most 1."""
_WRONG: Final = 0.7
"""Above this a token of the plan was less likely than another, or nearly so."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RefiningSettings:
    """How to refine.

    Attributes:
        minutes: How long, after the survey; the learning rate falls with the time.
        requests: Of a step.
        at_once: Requests that are computed together, of nearly one length.
        drilled: The share of a step that are drilled examples; the rest is the stream of :class:`Records`.
        learning_rate: At its highest; a cosine down to a fiftieth.
        warmup: Steps over which it rises.
        reread: Steps after which the catalogue is read anew.
        way: How far from the start to the end of the training the matrices lie that are written, 0 to 1.
        seed: Of all that is drawn.
    """

    minutes: float = 60.0
    requests: int = 12
    at_once: int = 6
    drilled: float = 0.75
    learning_rate: float = 3e-4
    warmup: int = 25
    reread: int = 8
    way: float = 0.6
    seed: int = 0


class Drill:
    """Examples, drawn the more often the less well their plans are known.

    Args:
        examples: As they were written.
        rng: Draws them and their variants.
    """

    def __init__(self, examples: Sequence[Example], rng: random.Random) -> None:
        self._examples, self._rng = examples, rng
        self._weights = [1.0] * len(examples)

    def draw(self, count: int) -> list[tuple[int, Example]]:
        """Variants of examples, each with its example's number."""
        numbers = self._rng.choices(range(len(self._examples)), self._weights, k=count)
        return [(number, self._varied(self._examples[number])) for number in numbers]

    def all(self) -> list[Example]:
        """A variant of each example, in their order."""
        return [variant(example, self._rng) for example in self._examples]

    def note(self, number: int, loss: float) -> None:
        """Note how well an example's plan is known: the highest loss of its tokens."""
        self._weights[number] = min(1.0, max(_SELDOM, loss))

    @property
    def known(self) -> int:
        """How many examples' plans are known."""
        return sum(weight == _SELDOM for weight in self._weights)

    def _varied(self, example: Example) -> Example:
        return voiced(elsewhere(variant(example, self._rng), self._rng), self._rng)


def refine(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    adapter: LowRankAdapter,
    records: Records,
    drilled: Sequence[Example],
    settings: RefiningSettings,
    out: Path,
) -> None:
    """Train an adapter on and write it, with ``refining.json``: the settings and how the loss fell.

    Args:
        model: The LLaMA-architecture ``PreTrainedModel`` that the adapter belongs to.
        tokenizer: The model's.
        adapter: What is refined.
        records: The stream that it was trained on, so that nothing is forgotten.
        drilled: What it is to learn.
        settings: How.
        out: The folder of the adapter.

    Raises:
        InputError: If there is nothing to drill, or no time.

    Interrupted (Ctrl-C), it writes what was learnt so far.
    """
    if not drilled or settings.minutes <= 0:
        raise InputError("refining needs an example to drill that is not held out, and more than 0 minutes")
    torch.manual_seed(settings.seed)
    drill = Drill(drilled, random.Random(f"drill/{settings.seed}"))
    reader = Reader(model, tokenizer, settings)
    start = [part.detach().clone() for part in adapter.parameters()]
    with adapter.beside(model):
        for number, loss in enumerate(reader.survey(records.own, drill.all())):
            drill.note(number, loss)
        logger.info("of %d examples the plans of %d are known", len(drilled), drill.known)
        history = _trained(adapter, reader, drill, records, settings)
    with torch.no_grad():
        for part, before in zip(adapter.parameters(), start, strict=True):
            part.copy_(torch.lerp(before, part, settings.way))
    adapter.save(out, BASE)
    report = {"settings": asdict(settings), "drilled": len(drilled), "history": history}
    (out / "refining.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _trained(
    adapter: LowRankAdapter, reader: Reader, drill: Drill, records: Records, settings: RefiningSettings
) -> list[dict[str, float]]:
    """Train until the time is over; returns how far it was after each 25 steps, and at the end."""
    optimizer = torch.optim.AdamW(adapter.parameters(), betas=(0.9, 0.98), weight_decay=0.0)
    history: list[dict[str, float]] = []
    requests, losses, begun = 0, [], time.monotonic()
    try:
        for step, (catalogue, examples) in enumerate(_steps(records, drill, settings), 1):
            for group in optimizer.param_groups:
                group["lr"] = (
                    settings.learning_rate * min(1.0, step / settings.warmup) * schedule(_done(begun, settings))
                )
            optimizer.zero_grad(set_to_none=True)
            for number, loss in reader.learn(catalogue, examples):
                losses.append(loss)
                if number >= 0:
                    drill.note(number, loss)
            torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
            optimizer.step()
            requests += len(examples)
            over = _done(begun, settings) >= 1
            if over or step % 25 == 0:
                wrong = round(sum(loss > _WRONG for loss in losses) / len(losses), 3)
                history.append({"step": step, "requests": requests, "known": drill.known, "wrong": wrong})
                logger.info("%s", history[-1])
                losses.clear()
            if over:
                break
    except KeyboardInterrupt:
        logger.info("stopped: what was learnt so far is written")
    return history


def _done(begun: float, settings: RefiningSettings) -> float:
    return (time.monotonic() - begun) / 60 / settings.minutes


def _steps(
    records: Records, drill: Drill, settings: RefiningSettings
) -> Iterator[tuple[tuple[Signature, ...], list[tuple[int, Example]]]]:
    """Steps without end: the tools that are shown, and the examples with their numbers in the drill, -1 for others."""
    number = 0
    while True:
        catalogue, stream = records.row(number)
        own = not catalogue.own and catalogue.signatures == records.own
        drilled = drill.draw(round(settings.requests * settings.drilled)) if own else []
        more = [(-1, example) for example in islice(stream, settings.requests - len(drilled))]
        if own or number % 2 == 0:  # of other catalogues half as many as in training
            yield catalogue.signatures, [*drilled, *more]
        number += 1


class Reader:
    """Computes losses and their gradients, with the catalogue read now and then.

    Args:
        model: The LLaMA-architecture ``PreTrainedModel``.
        tokenizer: The model's.
        settings: How many requests are computed at once, and after how many steps the catalogue is read anew.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast, settings: RefiningSettings) -> None:
        self._model, self._tokenizer, self._settings = model, tokenizer, settings
        self._kept: dict[tuple[Signature, ...], tuple[int, list[tuple[Tensor, Tensor]]]] = {}
        self._step = 0

    def learn(
        self, catalogue: tuple[Signature, ...], examples: Sequence[tuple[int, Example]]
    ) -> Iterator[tuple[int, float]]:
        """Add the gradients of a step; yields each example's number and the highest loss of its plan's tokens."""
        self._step += 1
        prefix = self._prefix(catalogue)
        encoded = [(number, *encoded_request(self._tokenizer, example)) for number, example in examples]
        encoded.sort(key=lambda request: len(request[1]) + len(request[2]))
        learnt = sum(len(answer) for _, _, answer in encoded)
        for at in range(0, len(encoded), self._settings.at_once):
            part = encoded[at : at + self._settings.at_once]
            losses = self._losses(prefix, [(question, answer) for _, question, answer in part])
            (losses.sum() / learnt).backward()  # type: ignore[no-untyped-call]
            highest = losses.detach().amax(dim=1).tolist()
            yield from zip((number for number, _, _ in part), highest, strict=True)

    def survey(self, catalogue: tuple[Signature, ...], examples: Sequence[Example]) -> list[float]:
        """The highest loss of each plan's tokens, nothing learnt."""
        prefix = self._prefix(catalogue)
        encoded = [encoded_request(self._tokenizer, example) for example in examples]
        order = sorted(range(len(encoded)), key=lambda number: sum(map(len, encoded[number])))
        found = [0.0] * len(examples)
        with torch.inference_mode():
            for at in range(0, len(order), self._settings.at_once):
                part = order[at : at + self._settings.at_once]
                losses = self._losses(prefix, [encoded[number] for number in part])
                for number, loss in zip(part, losses.amax(dim=1).tolist(), strict=True):
                    found[number] = loss
        return found

    def _losses(self, prefix: list[tuple[Tensor, Tensor]], requests: list[tuple[list[int], list[int]]]) -> Tensor:
        """The cross-entropy of each token of the plans, float32 ``(requests, tokens)``, 0 elsewhere."""
        tokens = pad_sequence([torch.tensor(q + a[:-1]) for q, a in requests], batch_first=True)
        targets = pad_sequence(
            [torch.tensor([IGNORED] * (len(q) - 1) + a) for q, a in requests], batch_first=True, padding_value=IGNORED
        )
        hidden = self._model.model(input_ids=tokens, cache=_cache(prefix, len(requests)), use_cache=True)
        learnt = targets != IGNORED
        losses = functional.cross_entropy(
            self._model.lm_head(hidden.last_hidden_state[learnt]), targets[learnt], reduction="none"
        )
        return torch.zeros(targets.shape).masked_scatter(learnt, losses)

    def _prefix(self, catalogue: tuple[Signature, ...]) -> list[tuple[Tensor, Tensor]]:
        step, kept = self._kept.get(catalogue, (-self._settings.reread, []))
        if self._step - step >= self._settings.reread:
            with torch.no_grad():
                cache = _cache([], 1)
                ids = torch.tensor([encoded_prefix(self._tokenizer, catalogue)])
                self._model.model(input_ids=ids, cache=cache, use_cache=True)
            layers: Any = cache.layers
            kept = [(layer.keys, layer.values) for layer in layers]
            self._kept = {catalogue: (self._step, kept)}
        return kept


def _cache(prefix: list[tuple[Tensor, Tensor]], requests: int) -> DynamicCache:
    """The catalogue's keys and values, for each of the requests."""
    from transformers import DynamicCache

    if not prefix:
        return DynamicCache()
    return DynamicCache(
        [(keys.expand(requests, -1, -1, -1), values.expand(requests, -1, -1, -1)) for keys, values in prefix]
    )
