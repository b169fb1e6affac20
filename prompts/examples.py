"""Planned requests that a language model is shown before its own: those of ``planner_examples.txt`` most like it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

SHOWN: Final = 4
"""How many are shown; each takes about 70 tokens."""


@dataclass(frozen=True)
class PlannedRequest:
    """What the planner is asked, as :func:`~visiongpt_agent.prompts.planner_user` words it, and the plan."""

    user: str
    plan: str


@cache
def planned_requests() -> tuple[PlannedRequest, ...]:
    """All of ``planner_examples.txt``."""
    text = resources.files(__package__).joinpath("planner_examples.txt").read_text(encoding="utf-8")
    blocks = [block.split("\n", 2) for block in text.strip().split("\n\n")]
    return tuple(PlannedRequest(f"{images}\n{request}", plan) for images, request, plan in blocks)


def similar_requests(user: str, count: int = SHOWN) -> tuple[PlannedRequest, ...]:
    """The requests most like one, the likest last: models heed most what they read last.

    Likeness is the cosine of the words' and their beginnings' counts, rare ones weighing more (tf-idf).

    Args:
        user: What the planner is asked.
        count: How many.
    """
    asked = _weighed(user)
    ranked = sorted(planned_requests(), key=lambda planned: _cosine(asked, _weighed(planned.user)))
    return tuple(ranked[-count:] if count else ())


def _features(user: str) -> Counter[str]:
    images, _, request = user.partition("\nRequest: ")
    words = re.findall(r"\w+", request.casefold())
    pictures = "none" if images == "Images: none" else str(images.count(";") + 1)
    return Counter([*words, *(word[:4] for word in words if len(word) > 4), f"{pictures} images"])


@cache
def _rarity() -> Mapping[str, float]:
    counts = Counter(feature for planned in planned_requests() for feature in _features(planned.user))
    return {feature: math.log(len(planned_requests()) / count) for feature, count in counts.items()}


def _weighed(user: str) -> dict[str, float]:
    rarity = _rarity()
    return {feature: count * rarity[feature] for feature, count in _features(user).items() if feature in rarity}


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    shared = sum(weight * other.get(feature, 0.0) for feature, weight in one.items())
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return shared / lengths if lengths else 0.0
