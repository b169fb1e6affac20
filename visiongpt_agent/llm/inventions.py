"""Values that a plan invents: those of foreign tools that the request does not give.

A small model that has chosen a tool fills all that the tool requires (``nights=300000000`` where nobody said how long).
Such a value is asked for; one that may be left out is left out. A value counts as given where the request has any of
its words or its number, in digits or in words, or where it is true or false or stands in the argument's description; of
a few choices one must be taken where it is required.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from visiongpt_agent.language.english import singular
from visiongpt_agent.plan import Argument, Plan, Ref, Signature, Value, to_json

_NUMBERS: Final[Mapping[str, float]] = {
    **{"zero": 0, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{"ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50},
    **{"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1000, "million": 1e6},
    **{"twice": 2, "double": 2, "both": 2, "pair": 2, "couple": 2},
    **{"dozen": 12, "half": 0.5, "week": 7, "month": 30, "year": 12, "hour": 60, "minute": 60, "day": 24},
    **{"quarter": 0.25, "second": 2, "third": 3, "fourth": 4, "fifth": 5},
}
_FACTORS: Final = (1.0, 0.01, 100.0, 1000.0, 0.001, 1e6, 1e9, 60.0, 1 / 60, 12.0, 7.0, 24.0, 10.0)
"""By which a number of the request may have been multiplied: percent, thousands, minutes, dozens, weeks."""


class Invention(NamedTuple):
    """A required value that the request does not give.

    Attributes:
        tool: The tool's name outside of plans.
        argument: The argument's name outside of plans.
        description: A few words of what it is, empty where nobody said.
    """

    tool: str
    argument: str
    description: str

    def __str__(self) -> str:
        return f"{self.tool} needs {self.argument}" + (f" ({self.description})" if self.description else "")


def invention(plan: Plan, tools: Mapping[str, Signature], request: str) -> Invention | None:
    """The first required value of a foreign tool that the request does not give.

    Args:
        plan: A plan that checks.
        tools: The tools by their names in plans.
        request: All that was said.
    """
    for proposal in plan:
        tool = tools.get(proposal.tool)
        for argument in tool.arguments if tool and tool.foreign else ():
            value = proposal.args.get(argument.name)
            if argument.required and not isinstance(value, Ref) and not _is_given(to_json(value), argument, request):
                outside = tool.name or tool.tool if tool else proposal.tool
                return Invention(outside, argument.alias or argument.name, argument.description)
    return None


def without_inventions(plan: Plan, tools: Mapping[str, Signature], request: str) -> Plan:
    """The plan without the values that foreign tools may do without and that the request does not give.

    Args:
        plan: A plan that checks.
        tools: The tools by their names in plans.
        request: All that was said.
    """

    def is_kept(tool: Signature, name: str, value: Value) -> bool:
        argument = tool.argument(name)
        settled = argument is None or argument.required or isinstance(value, Ref)
        return settled or (argument is not None and _is_given(to_json(value), argument, request))

    made = []
    for proposal in plan:
        tool = tools.get(proposal.tool)
        if tool and tool.foreign:
            kept = {name: value for name, value in proposal.args.items() if is_kept(tool, name, value)}
            proposal = replace(proposal, args=kept)
        made.append(proposal)
    return replace(plan, proposals=tuple(made))


def _is_given(value: Any, argument: Argument, request: str) -> bool:
    if argument.choices and argument.required:
        return True
    said = f"{request} {argument.description}"
    leaves = list(_leaves(value))
    if argument.required and argument.schema:
        leaves = [leaf for leaf in leaves if f'"{leaf}"' not in argument.schema]
    return not leaves or any(_is_said(leaf, said) for leaf in leaves)


def _leaves(value: Any) -> Iterator[str | float]:
    """The strings and numbers within a JSON value."""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _leaves(inner)


def _is_said(value: str | float, said: str) -> bool:
    if isinstance(value, str):
        digits = set(re.findall(r"\d+", value)) & set(re.findall(r"\d+", said))
        return bool(digits or _stems(value) & _stems(said) or not _stems(value) or _initials(value, said))
    if value == 1 and re.search(r"\b(?:an?|one|once|single)\b", said, re.I):
        return True
    spoken = [float(number.replace(",", "")) for number in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", said)]
    spoken += [_NUMBERS[word] for word in re.findall(r"[a-z]+", said.casefold()) if word in _NUMBERS]
    return any(abs(abs(value) - one * factor) <= 1e-6 * max(1.0, abs(value)) for one in spoken for factor in _FACTORS)


def _stems(text: str) -> set[str]:
    """The beginnings of the words of two letters or more, in the singular."""
    return {singular(word)[:4] for word in re.findall(r"[^\W\d_]{2,}", text.casefold())}


def _initials(value: str, said: str) -> bool:
    """Whether one is written for the other's first letters: ``NYC``, ``USD``, ``LA``."""
    words = "".join(word[0] for word in re.findall(r"[^\W\d_]+", said.casefold()))
    letters = "".join(word[0] for word in re.findall(r"[^\W\d_]+", value.casefold()))
    short = value.casefold().strip(". ")
    return (len(short) <= 5 and short in words) or bool(
        len(letters) > 1 and re.search(rf"\b{letters}\b", said.casefold())
    )
