"""The stream of training records: catalogue, conversation, request, plan; each follows from the seed and its number."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from visiongpt_agent.plan import Signature
from visiongpt_agent.training.catalogues import Catalogue, draw_catalogue, full
from visiongpt_agent.training.compositions import chain, several, single
from visiongpt_agent.training.conversations import elsewhere, without_images
from visiongpt_agent.training.examples import Example, written_examples
from visiongpt_agent.training.variants import variant, with_other_names
from visiongpt_agent.training.voices import voiced

OWN_CATALOGUE = 0.75
"""The share of rows that show the package's own catalogue."""
LACKING = 0.35
"""How many of the requests that a catalogue lacks a tool for are kept; they teach to decline, and are many."""
_ALIKE = 0.7
"""Two requests that share more of their words than this are one."""
_EVERYDAY = frozenset(("person", "sky", "horizontal", "vertical", "depth", "pose", "edges", "white", "black"))
"""Strings that say little by themselves: plans with them alone are told apart by the request."""


class HeldOut:
    """Requests that the planner is measured on: neither they nor what says the same is trained on.

    Args:
        records: JSON objects with ``request``, ``plan`` and perhaps ``also``.
    """

    def __init__(self, records: Iterable[Mapping[str, object]] = ()) -> None:
        self._by_length: defaultdict[int, list[frozenset[str]]] = defaultdict(list)
        self._telling: set[tuple[str, ...]] = set()
        for record in records:
            words = _content(str(record["request"]))
            self._by_length[len(words)].append(words)
            also = record.get("also", ())
            for text in (record["plan"], *(also if isinstance(also, list) else ())):
                self._telling |= _telling(str(text))

    def holds(self, example: Example) -> bool:
        """Whether the example is one of them or a paraphrase: it quotes the same, or has nearly the same words."""
        if _telling(str(example.plan)) & self._telling:
            return True
        words = _content(example.request)
        lengths = range(int(_ALIKE * len(words)), int(len(words) / _ALIKE) + 1)  # others cannot share so many
        near = (other for length in lengths for other in self._by_length.get(length, ()))
        return any(len(words & other) > _ALIKE * len(words | other) for other in near)


def _telling(plan: str) -> set[tuple[str, ...]]:
    """The plan by its tools and strings, where the strings say something of their own."""
    strings = tuple(text.casefold() for text in re.findall(r'"([^"]*)"', plan))
    if plan.startswith("decline") or _EVERYDAY.issuperset(strings):
        return set()
    return {(*re.findall(r"(\w+)\(", plan), *strings)}


def _content(request: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", request.casefold()))


class Records:
    """Rows of training records.

    Args:
        own: The package's tools, in the order of its catalogue.
        seed: Of the whole stream.
        held_out: What must not be trained on.

    Attributes:
        own: The package's tools.
    """

    def __init__(self, own: Sequence[Signature], seed: int, held_out: HeldOut | None = None) -> None:
        self.own = tuple(own)
        self._seed = seed
        self._held_out = held_out or HeldOut()
        self._catalog = {signature.tool: signature for signature in own}
        self._written = self.allowed(written_examples())

    def allowed(self, examples: Iterable[Example]) -> list[Example]:
        """The examples that may be trained on."""
        return [example for example in examples if not self._held_out.holds(example)]

    def row(self, number: int) -> tuple[Catalogue, Iterator[Example]]:
        """The catalogue of row ``number``, and examples for it without end."""
        rng = random.Random(f"{self._seed}/{number}")
        own = rng.random() < OWN_CATALOGUE
        catalogue = full(self.own) if own else draw_catalogue(self.own, rng)
        return catalogue, self._examples(catalogue, rng)

    def _examples(self, catalogue: Catalogue, rng: random.Random) -> Iterator[Example]:
        while True:
            drawn = self._draw(catalogue, rng)
            example = catalogue.translated(drawn)
            if example.plan.control and not drawn.plan.control and rng.random() >= LACKING:
                continue
            if not self._held_out.holds(example):
                yield example

    def _draw(self, catalogue: Catalogue, rng: random.Random) -> Example:
        if rng.random() < catalogue.own_share:
            return voiced(with_other_names(rng.choice(catalogue.own), rng), rng)
        source = rng.choices(("written", "chain", "several", "single"), (80, 8, 6, 6))[0]
        if source == "written":
            example = elsewhere(variant(rng.choice(self._written), rng), rng)
            if len(example.images) == 1 and rng.random() < 0.02 and _needs_image(example):
                example = without_images(example)
        elif source == "chain":
            example = chain(rng, self._catalog)
        elif source == "several":
            example = several(rng, self._catalog)
        else:
            example = single(rng)
        return voiced(example, rng)


def _needs_image(example: Example) -> bool:
    return not example.plan.control and example.plan.proposals[0].tool != "generate_image"
