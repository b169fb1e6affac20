"""How a local model decodes a plan: the likeliest under the grammar, with what never changes computed once.

:class:`PlanDecoder` is a ``custom_generate`` callable of transformers, so a plan runs through the same text-generation
pipeline as prose does. Three things make it fast: the keys and values of the prompt's unchanging beginning (the
instruction and the catalogue) are kept, also on disk; tokens that the grammar forces are not sampled but fed together
with the token before them; and a plan ends without an end token where no further line is possible.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.copying import RequestWords

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, GenerationConfig, PreTrainedModel

    from visiongpt_agent.llm.grammar import PlanMatcher

logger = logging.getLogger(__name__)

_CLOSE: Final = -1.8
"""Log-probability of a second token (one in six) that makes a choice a close one."""
_DOUBTS: Final = 2
"""How many close choices of a plan are followed the other way, the closest."""
_CONSIDERED: Final = 256
"""How many of the likeliest tokens are looked at for whether they leave the request's words."""

KeysAndValues = list[tuple["torch.Tensor", "torch.Tensor"]]


class PrefixCache:
    """Keys and values of prompt beginnings of one model, the ``size`` last used ones.

    A beginning of n tokens takes ``2 * layers * kv_heads * head_dim * n`` numbers: 27 MB for the planner's catalogue in
    float32.

    Args:
        size: How many are kept, in memory and in the folder.
        folder: Where they are kept for the next process; a folder that belongs to the model's weights and goes with
            them. In memory alone where None.
    """

    def __init__(self, size: int = 3, folder: Path | None = None) -> None:
        self._size = size
        self._folder = folder
        self._entries: OrderedDict[tuple[int, ...], KeysAndValues] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, model: PreTrainedModel, prefix: Sequence[int]) -> DynamicCache:
        """A cache that holds the prefix, for one request to go on from."""
        from transformers import DynamicCache

        key = tuple(prefix)
        with self._lock:  # held while computing: two requests at once must not both do it
            if key not in self._entries:
                self._entries[key] = self._read(model, key) or self._compute(model, key)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
            # A layer grows by concatenation, into a new tensor: the kept ones are shared, never written to.
            return DynamicCache(self._entries[key])

    def _compute(self, model: PreTrainedModel, prefix: Sequence[int]) -> KeysAndValues:
        from transformers import DynamicCache

        if not prefix:
            return []
        cache = DynamicCache()
        _next_logits(model, prefix, cache)
        layers: Any = cache.layers
        computed = [(layer.keys, layer.values) for layer in layers]
        self._write(model, prefix, computed)
        return computed

    def _read(self, model: PreTrainedModel, prefix: Sequence[int]) -> KeysAndValues:
        """What an earlier process kept; nothing where it cannot be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self._file(model, prefix)
        if file is None or not file.is_file():
            return []
        try:
            kept = load_file(file, device=str(model.device))
            file.touch()
            return [(kept[f"{layer}.keys"], kept[f"{layer}.values"]) for layer in range(len(kept) // 2)]
        except (OSError, SafetensorError, KeyError) as fault:
            logger.info("%s cannot be read and is made anew: %s", file, fault)
            return []

    def _write(self, model: PreTrainedModel, prefix: Sequence[int], computed: KeysAndValues) -> None:
        """Keep it for the next process, where there is room and the folder may be written to."""
        from safetensors.torch import save_file

        file = self._file(model, prefix)
        if file is None:
            return
        tensors = {
            f"{layer}.{name}": tensor.contiguous()
            for layer, pair in enumerate(computed)
            for name, tensor in zip(("keys", "values"), pair, strict=True)
        }
        part = file.with_suffix(f".{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, part)
            part.replace(file)
            newest = sorted(file.parent.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in newest[self._size :]:
                old.unlink(missing_ok=True)
        except OSError as fault:
            logger.info("the planner's prompt is not kept for the next process: %s", fault)
            with suppress(OSError):
                part.unlink()

    def _file(self, model: PreTrainedModel, prefix: Sequence[int]) -> Path | None:
        if self._folder is None:
            return None
        told = f"{model.dtype} {_transformers_version()} {list(prefix)}"
        return self._folder / f"{sha256(told.encode()).hexdigest()[:24]}.safetensors"


def _transformers_version() -> str:
    """Part of the name of what is kept: another version may compute in another order."""
    import transformers

    return str(transformers.__version__)


def _next_logits(model: PreTrainedModel, tokens: Sequence[int], cache: DynamicCache) -> torch.Tensor:
    """Feed the tokens; returns the logits of the token after them, float ``(vocabulary,)``."""
    import torch

    ids = torch.tensor([list(tokens)], device=model.device)
    output = model(input_ids=ids, cache=cache, use_cache=True, logits_to_keep=1)
    logits: torch.Tensor = output.logits[0, -1]
    return logits


@dataclass
class _Doubt:
    """A choice that was nearly another one.

    Attributes:
        matcher: Before the choice.
        tokens: Of the plan before it.
        seen: How many tokens of prompt and plan the model had been fed.
        second: The token that was nearly chosen.
        share: Its log-probability.
        score: Log-probability of the plan up to and with it.
    """

    matcher: PlanMatcher
    tokens: list[int]
    seen: int
    second: int
    share: float
    score: float


@dataclass
class _Draft:
    """A plan on its way: its tokens, the log-probability of those that were chosen, and where it was in doubt."""

    matcher: PlanMatcher
    tokens: list[int] = field(default_factory=list)
    score: float = 0.0
    doubts: list[_Doubt] = field(default_factory=list)

    def choose(self, token: int, score: float) -> None:
        self.matcher.accept(token)
        self.tokens.append(token)
        self.score += score

    def is_better_than(self, other: _Draft) -> bool:
        """Whether it is likelier as a whole and by the token too: shorter plans are likelier for being short."""
        return self.score > other.score and self.score * len(other.tokens) > other.score * len(self.tokens)


@dataclass
class PlanDecoder:
    """Decodes one plan; call it as ``pipeline(prompt, custom_generate=decoder)``.

    Greedy decoding takes the likeliest token each time, which is not always the beginning of the likeliest plan. So
    where a choice was close, the plan that the second token begins is followed too, for as long as it is likelier than
    the first plan, and the likeliest of them is the answer.

    Attributes:
        matcher: The grammar, at its start; afterwards it holds the plan.
        prefixes: Kept between requests.
        prefix: How many tokens of the prompt are the same for every request with these tools.
        words: The request's own, which strings are to keep to; None where they need not.
        generated: The plan's tokens, filled when it is done.
    """

    matcher: PlanMatcher
    prefixes: PrefixCache
    prefix: int = 0
    words: RequestWords | None = None
    generated: list[int] = field(default_factory=list)

    def __call__(
        self, model: PreTrainedModel, input_ids: torch.Tensor, generation_config: GenerationConfig, **_: Any
    ) -> torch.Tensor:
        """Decode; sampling where ``generation_config.do_sample`` asks for it, else the likeliest plan.

        Returns:
            int64 ``(1, prompt + plan)``.
        """
        import torch

        prompt: list[int] = input_ids[0].tolist()
        temperature = (generation_config.temperature or 1.0) if generation_config.do_sample else 0.0
        with torch.inference_mode():
            cache = self.prefixes.start(model, prompt[: self.prefix])
            best = _Draft(self.matcher)
            self._follow(best, model, cache, prompt[self.prefix :], temperature)
            # The later ones first: what the cache holds before them is as it was.
            for doubt in sorted(best.doubts, key=lambda doubt: -doubt.seen):
                if doubt.score > best.score:
                    best = self._reconsidered(doubt, best, model, cache)
        self.matcher, self.generated = best.matcher, best.tokens
        return torch.cat([input_ids, input_ids.new_tensor([self.generated])], dim=1)

    def _reconsidered(self, doubt: _Doubt, best: _Draft, model: PreTrainedModel, cache: DynamicCache) -> _Draft:
        """The plan that the other choice begins, where it is better than the best so far; else that."""
        cache.crop(doubt.seen - cache.get_seq_length())  # a negative number: so many are removed
        other = _Draft(doubt.matcher, doubt.tokens)
        try:
            other.choose(doubt.second, doubt.score)
            whole = self._follow(other, model, cache, [doubt.second], least=best.score)
        except PlanError:  # the grammar cannot be followed there
            return best
        return other if whole and other.is_better_than(best) else best

    def _follow(
        self,
        draft: _Draft,
        model: PreTrainedModel,
        cache: DynamicCache,
        pending: list[int],
        temperature: float = 0.0,
        least: float = -math.inf,
    ) -> bool:
        """Write a draft to its end; False once it is less likely than ``least``."""
        while True:
            forced = draft.matcher.forced()
            draft.tokens += forced
            if draft.matcher.done:
                return True
            scores = self._scores(_next_logits(model, pending + forced, cache), draft.matcher)
            token = _sampled(scores, temperature) if temperature else self._likeliest(scores, draft, cache)
            draft.choose(token, float(scores[token]))
            if draft.score <= least:
                return False
            if draft.matcher.done:
                return True
            pending = [token]

    def _likeliest(self, scores: torch.Tensor, draft: _Draft, cache: DynamicCache) -> int:
        """The likeliest token; notes a doubt where the second is nearly as likely."""
        (_, second), (token, other) = (pair.tolist() for pair in scores.topk(2))
        if second > _CLOSE:
            matcher, seen = draft.matcher.copy(), cache.get_seq_length()
            doubt = _Doubt(matcher, list(draft.tokens), seen, other, second, draft.score + second)
            draft.doubts = nlargest(_DOUBTS, [*draft.doubts, doubt], key=lambda doubt: doubt.share)
        return int(token)

    def _scores(self, logits: torch.Tensor, matcher: PlanMatcher) -> torch.Tensor:
        """Log-probabilities of the next token, float32 ``(vocabulary,)``, among those that the grammar allows."""
        import torch

        allowed = torch.from_numpy(matcher.allowed()).to(logits.device)
        logits = logits[: len(allowed)].float().masked_fill(~allowed, float("-inf"))
        if self.words:
            line, likeliest = matcher.line, logits.topk(min(_CONSIDERED, len(logits))).indices
            penalties = [self.words.penalty(line, matcher.text_of(token)) for token in likeliest.tolist()]
            logits[likeliest] -= torch.tensor(penalties, dtype=logits.dtype, device=logits.device)
        return torch.log_softmax(logits, dim=-1)


def _sampled(scores: torch.Tensor, temperature: float) -> int:
    import torch

    return int(torch.multinomial(torch.softmax(scores / temperature, dim=-1), 1))
