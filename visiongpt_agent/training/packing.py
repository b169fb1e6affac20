"""Rows of tokens: one catalogue and as many requests as fit, each of which sees the catalogue and itself.

That equals training on the requests one by one, and computes the catalogue once for all of a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from visiongpt_agent.plan import Signature
from visiongpt_agent.prompts import planner_system, planner_user
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.records import Records

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IGNORED = -100
"""The target where nothing is learnt."""


@dataclass(frozen=True)
class PackedRows:
    """Rows of one length.

    Attributes:
        tokens: int64 ``(rows, length)``.
        positions: int64 ``(rows, length)``; each request's begin where the catalogue's end.
        segments: int64 ``(rows, length)``; 0 the catalogue, 1, 2, ... the requests, -1 nothing.
        targets: int64 ``(rows, length)``; the token that follows, or :data:`IGNORED` outside of plans.
        requests: How many requests the rows hold.
    """

    tokens: Tensor
    positions: Tensor
    segments: Tensor
    targets: Tensor
    requests: int

    def to(self, device: torch.device) -> PackedRows:
        tokens, positions, segments, targets = (
            tensor.to(device, non_blocking=True)
            for tensor in (self.tokens, self.positions, self.segments, self.targets)
        )
        return PackedRows(tokens, positions, segments, targets, self.requests)

    def mask(self) -> Tensor:
        """Which token sees which, bool ``(rows, 1, length, length)``.

        A token sees those before it of the catalogue and of its own request.
        """
        order = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        earlier = order[:, None] >= order[None, :]
        own = self.segments[:, :, None] == self.segments[:, None, :]
        return ((self.segments[:, None, :] == 0) | own)[:, None] & earlier


class RowPacker(torch.utils.data.Dataset[PackedRows]):
    """Row ``number`` of the stream as tokens; works in the workers of a ``DataLoader``.

    Args:
        records: The stream.
        tokenizer: Of the model that is trained; has a chat template.
        length: Tokens of a row.
        rows: How many rows there are.
    """

    def __init__(self, records: Records, tokenizer: PreTrainedTokenizerFast, length: int, rows: int) -> None:
        self._records, self._tokenizer, self._length, self._rows = records, tokenizer, length, rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, number: int) -> PackedRows:
        catalogue, examples = self._records.row(number)
        prefix = encoded_prefix(self._tokenizer, catalogue.signatures)
        tokens, positions, segments = list(prefix), list(range(len(prefix))), [0] * len(prefix)
        targets = [IGNORED] * len(prefix)
        requests = 0
        for question, answer in self._requests(examples):
            if len(tokens) + len(question) + len(answer) > self._length:
                break
            requests += 1
            both = question + answer
            tokens += both
            positions += range(len(prefix), len(prefix) + len(both))
            segments += [requests] * len(both)
            targets += [IGNORED] * (len(question) - 1) + answer + [IGNORED]
        return PackedRows(
            self._filled(tokens, 0),
            self._filled(positions, 0),
            self._filled(segments, -1),
            self._filled(targets, IGNORED),
            requests,
        )

    def _filled(self, values: list[int], filling: int) -> Tensor:
        return torch.tensor([values + [filling] * (self._length - len(values))])

    def _requests(self, examples: Iterator[Example]) -> Iterator[tuple[list[int], list[int]]]:
        return (encoded_request(self._tokenizer, example) for example in examples)


def encoded_prefix(tokenizer: PreTrainedTokenizerFast, signatures: tuple[Signature, ...]) -> list[int]:
    """The tokens that every request begins with where these tools are shown."""
    system = {"role": "system", "content": planner_system(signatures)}
    return _encoded(tokenizer, str(tokenizer.apply_chat_template([system], tokenize=False)))


def encoded_request(tokenizer: PreTrainedTokenizerFast, example: Example) -> tuple[list[int], list[int]]:
    """The tokens of a request behind the prefix, and those of its plan."""
    user = planner_user(example.images, example.request)
    return (
        _encoded(tokenizer, f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"),
        _encoded(tokenizer, f"{example.plan}<|im_end|>"),
    )


def _encoded(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def stacked(rows: list[PackedRows]) -> PackedRows:
    """Rows as one batch."""
    return PackedRows(
        torch.cat([row.tokens for row in rows]),
        torch.cat([row.positions for row in rows]),
        torch.cat([row.segments for row in rows]),
        torch.cat([row.targets for row in rows]),
        sum(row.requests for row in rows),
    )
