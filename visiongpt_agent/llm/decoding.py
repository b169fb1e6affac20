"""How a local model decodes a plan: the likeliest under the grammar.

Two things make it fast: tokens that the grammar forces are not chosen but read together with the token before them, and
a plan ends without an end token where no further line is possible. The network's memory of the prompt's unchanging
beginning (the instruction and the catalogue) is kept by :mod:`~visiongpt_agent.llm.prefixes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from heapq import nlargest
from typing import TYPE_CHECKING, Final

import numpy as np

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.copying import RequestWords

if TYPE_CHECKING:
    from visiongpt_agent.llm.grammar import PlanMatcher
    from visiongpt_agent.llm.network import FloatArray, Network

_CLOSE: Final = -1.8
"""Log-probability of a second token (one in six) that makes a choice a close one."""
_DOUBTS: Final = 2
"""How many close choices of a plan are followed the other way, the closest."""
_CONSIDERED: Final = 256
"""How many of the likeliest tokens are looked at for whether they leave the request's words."""


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
    """Decodes one plan.

    Greedy decoding takes the likeliest token each time, which is not always the beginning of the likeliest plan. So
    where a choice was close, the plan that the second token begins is followed too, for as long as it is likelier than
    the first plan, and the likeliest of them is the answer.

    Attributes:
        matcher: The grammar, at its start; afterwards it holds the plan.
        words: The request's own, which strings are to keep to; None where they need not.
        generated: The plan's tokens, filled when it is done.
    """

    matcher: PlanMatcher
    words: RequestWords | None = None
    generated: list[int] = field(default_factory=list)

    def decode(self, network: Network, prompt: list[int], temperature: float = 0.0) -> None:
        """Write the plan.

        Args:
            network: Has read the prompt's beginning, or nothing of it.
            prompt: The tokens of the prompt that the network has not read yet, one at least.
            temperature: Above 0 tokens are drawn at random; at 0 the plan is the likeliest.
        """
        best = _Draft(self.matcher)
        self._follow(best, network, prompt, temperature)
        # The later ones first: what the network remembers from before them is as it was.
        for doubt in sorted(best.doubts, key=lambda doubt: -doubt.seen):
            if doubt.score > best.score:
                best = self._reconsidered(doubt, best, network)
        self.matcher, self.generated = best.matcher, best.tokens

    def _reconsidered(self, doubt: _Doubt, best: _Draft, network: Network) -> _Draft:
        """The plan that the other choice begins, where it is better than the best so far; else that."""
        network.forget(doubt.seen)
        other = _Draft(doubt.matcher, doubt.tokens)
        try:
            other.choose(doubt.second, doubt.score)
            whole = self._follow(other, network, [doubt.second], least=best.score)
        except PlanError:  # the grammar cannot be followed there
            return best
        return other if whole and other.is_better_than(best) else best

    def _follow(
        self,
        draft: _Draft,
        network: Network,
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
            scores = self._scores(network.read(pending + forced), draft.matcher)
            token = choose_token(scores, temperature) if temperature else _likeliest(scores, draft, network)
            draft.choose(token, float(scores[token]))
            if draft.score <= least:
                return False
            if draft.matcher.done:
                return True
            pending = [token]

    def _scores(self, logits: FloatArray, matcher: PlanMatcher) -> FloatArray:
        """Log-probabilities of the next token, float32 ``(vocabulary,)``, among those that the grammar allows."""
        allowed = matcher.allowed()
        logits = np.where(allowed, logits[: len(allowed)], -np.inf)
        if self.words:
            line = matcher.line
            for token in _highest(logits, _CONSIDERED):
                logits[token] -= self.words.penalty(line, matcher.text_of(token))
        return _log_softmax(logits)


def _likeliest(scores: FloatArray, draft: _Draft, network: Network) -> int:
    """The likeliest token; notes a doubt where the second is nearly as likely."""
    token, *others = _highest(scores, 2)
    if others and scores[others[0]] > _CLOSE:
        second = float(scores[others[0]])
        matcher, tokens = draft.matcher.copy(), list(draft.tokens)
        doubt = _Doubt(matcher, tokens, network.length, others[0], second, draft.score + second)
        draft.doubts = nlargest(_DOUBTS, [*draft.doubts, doubt], key=lambda doubt: doubt.share)
    return token


def _highest(scores: FloatArray, count: int) -> list[int]:
    """The places of the highest scores that are possible at all, the highest first, ``count`` at most."""
    possible = np.flatnonzero(scores > -np.inf)
    if len(possible) > count:
        possible = possible[np.argpartition(scores[possible], -count)[-count:]]
    return [int(place) for place in possible[np.argsort(-scores[possible], kind="stable")]]


def _log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max()
    result: FloatArray = (shifted - np.log(np.exp(shifted).sum())).astype(np.float32)
    return result


def choose_token(logits: FloatArray, temperature: float) -> int:
    """The likeliest token; above a temperature of 0 one that is drawn at random.

    Args:
        logits: float32 ``(vocabulary,)``; minus infinity where a token is impossible.
        temperature: 0 or more.
    """
    if not temperature:
        return int(logits.argmax())
    weights = np.exp(_log_softmax(logits / temperature).astype(np.float64))
    return int(np.random.default_rng().choice(len(weights), p=weights / weights.sum()))
