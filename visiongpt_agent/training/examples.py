"""Requests written by hand, each with the one plan that is right for it.

A file of ``examples/`` holds blocks divided by empty lines::

    @ $1 user pond_2.jpg 2048x1536
    {Could|Can} you tell me how many moorhens there are?
    #1 = detect_objects(image=$1, query="moorhen")
    ~ moorhen=animal

First the images of the conversation, ``none`` or divided by ``; ``; then the request, where ``{a|b}`` are equally good
wordings; then the plan. The last line, if any, names words that may be exchanged for others of their class
(:mod:`~visiongpt_agent.training.words`) without making the plan wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from visiongpt_agent.errors import InputError, PlanError
from visiongpt_agent.plan import Plan, parse_plan
from visiongpt_agent.training.words import CLASSES


@dataclass(frozen=True)
class Example:
    """A request in its conversation, and its plan.

    Attributes:
        images: The images as the planner reads them, such as ``$1 user bus.jpg 810x1080``.
        request: The words; in a written example ``{a|b}`` stands for either.
        plan: The plan that is right.
        swaps: Phrases of request and plan, and the class of words that each may be exchanged within.
    """

    images: tuple[str, ...]
    request: str
    plan: Plan
    swaps: Mapping[str, str] = field(default_factory=dict)


@cache
def written_examples() -> tuple[Example, ...]:
    """All examples of ``examples/``, in the order of the files' names.

    Raises:
        InputError: Names the first block that cannot be read.
    """
    return tuple(example for name in subjects() for example in examples_about(name))


def subjects() -> list[str]:
    """What the files of ``examples/`` are called, without ``.txt``."""
    names = (entry.name for entry in (files(__package__) / "examples").iterdir())
    return sorted(name.removesuffix(".txt") for name in names if name.endswith(".txt"))


def examples_about(subject: str) -> list[Example]:
    """The examples of one file.

    Args:
        subject: One of :func:`subjects`.

    Raises:
        InputError: If there is none such, or a block of it cannot be read.
    """
    if subject not in subjects():
        raise InputError(f"there are no examples called {subject}; there are: {', '.join(subjects())}")
    text = (files(__package__) / "examples" / f"{subject}.txt").read_text(encoding="utf-8")
    return list(parse_examples(text, f"{subject}.txt"))


def parse_examples(text: str, where: str = "examples") -> Iterator[Example]:
    """Read blocks of examples.

    Args:
        text: What a file of ``examples/`` holds.
        where: Its name, for errors.

    Raises:
        InputError: Names the first block that cannot be read.
    """
    for number, block in enumerate(re.split(r"\n\s*\n", text.strip()), 1):
        try:
            yield _parse_block([line.rstrip() for line in block.split("\n")])
        except (PlanError, ValueError) as fault:
            raise InputError(f"{where}, example {number}: {fault}: {block[:120]!r}") from None


def _parse_block(lines: list[str]) -> Example:
    if len(lines) < 3 or not lines[0].startswith("@ "):
        raise ValueError('an example is a line of images that begins with "@ ", a request, and a plan')
    images = lines[0].removeprefix("@ ").strip()
    plan, swaps = lines[2:], ""
    if plan[-1].startswith("~ "):
        *plan, swaps = plan
    return Example(
        () if images == "none" else tuple(image.strip() for image in images.split(";")),
        lines[1].strip(),
        parse_plan("\n".join(plan)),
        dict(_parse_swap(swap) for swap in swaps.removeprefix("~ ").split(";") if swap.strip()),
    )


def _parse_swap(swap: str) -> tuple[str, str]:
    phrase, _, kind = (part.strip() for part in swap.rpartition("="))
    if not phrase or kind not in CLASSES:
        raise ValueError(f"{swap.strip()!r} does not say which class of words may stand there: {', '.join(CLASSES)}")
    return phrase, kind
