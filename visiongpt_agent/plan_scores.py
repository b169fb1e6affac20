"""How well plans meet the plans that were wanted: exact plans, tools, arguments, by kind of request.

A gold record is a JSON object with ``id``, ``images``, ``request`` and ``plan``; optionally ``kind``, ``also`` (plans
that are equally right), ``tolerance`` (lowest and highest value of a number, by argument) and ``free`` (arguments whose
words may vary). Plans are compared after normalisation: case, articles, number of nouns in queries, spelling of
colours, defaults written out, rotation by full turns and the wording of a refusal make no difference.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from visiongpt_agent.errors import InputError, PlanError
from visiongpt_agent.language.english import singular
from visiongpt_agent.plan import Json, Plan, Proposal, Ref, Signature, Value, parse_plan, to_json

_DETERMINERS: Final = frozenset({"a", "an", "the", "all", "every", "any", "some", "my", "our"})
_SPELLINGS: Final = {"gray": "grey", "color": "colour", "colors": "colours", "watercolor": "watercolour"}

ToolCall = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Gold:
    """A request with the plans that are right for it; see the module for the fields of its record."""

    kind: str
    plans: tuple[Plan, ...]
    tolerance: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    free: frozenset[str] = frozenset()

    @classmethod
    def of(cls, record: Mapping[str, Any], where: str) -> Gold:
        """Read a record.

        Raises:
            InputError: If it is not as the module says; begins with ``where``.
        """
        try:
            plans = tuple(parse_plan(text) for text in [record["plan"], *record.get("also", [])])
            tolerance = {name: (float(low), float(high)) for name, (low, high) in record.get("tolerance", {}).items()}
            return cls(str(record.get("kind", "all")), plans, tolerance, frozenset(record.get("free", ())))
        except PlanError as fault:
            raise InputError(f"{where}: its gold plan cannot be read: {fault}") from None
        except KeyError:
            raise InputError(f'{where}: it has no "plan" to compare with') from None
        except (AttributeError, TypeError, ValueError):
            raise InputError(f'{where}: "also", "tolerance" or "free" is not as it should be') from None


@dataclass(frozen=True)
class PlanScore:
    """One plan against its gold.

    Attributes:
        valid: It parses, names only tools, arguments and references that exist.
        exact: It equals one of the gold plans.
        same_tools: Its tools are those of the nearest gold plan, in order.
        tool_f1: F1 over the tools, 0 to 1.
        shared: How many arguments (step, tool, name, value) it shares with that plan.
        made: How many arguments it has.
        wanted: How many arguments that plan has.
    """

    valid: bool
    exact: bool
    same_tools: bool
    tool_f1: float
    shared: int
    made: int
    wanted: int


@dataclass(frozen=True)
class PlanScores:
    """Many plans against their gold; rates and F1 are 0 to 1, ``argument_f1`` is over all arguments together.

    ``kinds`` has the number of exact plans and of requests by kind, ``seconds`` is the median for a plan.
    """

    requests: int
    exact: float
    same_tools: float
    tool_f1: float
    argument_f1: float
    valid: float
    seconds: float
    kinds: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, scores: Sequence[PlanScore], kinds: Sequence[str], seconds: Sequence[float]) -> PlanScores:
        """Sum up; the three sequences are of one length, and not empty."""
        count = len(scores)
        exact = Counter(kind for kind, score in zip(kinds, scores, strict=True) if score.exact)
        return cls(
            requests=count,
            exact=sum(score.exact for score in scores) / count,
            same_tools=sum(score.same_tools for score in scores) / count,
            tool_f1=sum(score.tool_f1 for score in scores) / count,
            argument_f1=_f1(
                sum(score.shared for score in scores),
                sum(score.made for score in scores),
                sum(score.wanted for score in scores),
            ),
            valid=sum(score.valid for score in scores) / count,
            seconds=statistics.median(seconds),
            kinds={kind: (exact[kind], total) for kind, total in sorted(Counter(kinds).items())},
        )


def score_plan(text: str, gold: Gold, catalog: Mapping[str, Signature], images: int) -> PlanScore:
    """Score a plan's text.

    Args:
        text: The plan as a model wrote it.
        gold: The plans that are right.
        catalog: The tools that the plan may use.
        images: How many images the conversation holds.
    """
    try:
        plan = parse_plan(text)
        plan.check(catalog, images)
    except PlanError:
        return PlanScore(False, False, False, 0.0, 0, 0, len(_arguments(normalised(gold.plans[0], catalog))))
    made = normalised(plan, catalog)
    scores = [_against(made, normalised(right, catalog), gold) for right in gold.plans]
    return max(scores, key=lambda score: (score.exact, score.same_tools, score.tool_f1, score.shared))


def normalised(plan: Plan, catalog: Mapping[str, Signature]) -> list[ToolCall]:
    """The plan's steps with arguments in one spelling, those that equal the tool's default left out."""
    return [(proposal.tool, _arguments_of(proposal, catalog.get(proposal.tool))) for proposal in plan]


def _arguments_of(proposal: Proposal, signature: Signature | None) -> dict[str, Any]:
    kept = {}
    for name, value in proposal.args.items():
        argument = signature.argument(name) if signature else None
        plain = _plain(name, value)
        if value is not None and (argument is None or argument.required or plain != _plain(name, argument.default)):
            kept[name] = plain
    return kept


def _plain(name: str, value: Value) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return round(float(value) % 360 if name == "rotate" else float(value), 3)
    if isinstance(value, tuple):
        return tuple(_noun(item) for item in value)
    if isinstance(value, Ref | Json):
        return str(to_json(value))
    if name == "query":
        return ", ".join(filter(None, map(_noun, value.split(","))))
    words = _words(value)
    return " ".join(words[1:] if words[:1] in (["a"], ["an"], ["the"]) else words)


def _noun(phrase: str) -> str:
    return " ".join(singular(word) for word in _words(phrase) if word not in _DETERMINERS)


def _words(text: str) -> list[str]:
    return [_SPELLINGS.get(word, word) for word in re.findall(r"[\w$#'-]+", text.casefold().replace("’", "'"))]


def _against(made: Sequence[ToolCall], right: Sequence[ToolCall], gold: Gold) -> PlanScore:
    tools, wanted = [tool for tool, _ in made], [tool for tool, _ in right]
    exact = tools == wanted and all(_same(a, b, gold) for (_, a), (_, b) in zip(made, right, strict=True))
    common = sum((Counter(tools) & Counter(wanted)).values())
    mine, theirs = _arguments(made, gold), _arguments(right, gold)
    return PlanScore(
        valid=True,
        exact=exact,
        same_tools=tools == wanted,
        tool_f1=_f1(common, len(tools), len(wanted)),
        shared=sum((mine & theirs).values()),
        made=sum(mine.values()),
        wanted=sum(theirs.values()),
    )


def _same(made: Mapping[str, Any], right: Mapping[str, Any], gold: Gold) -> bool:
    return made.keys() == right.keys() and all(_settled(n, made[n], gold) == _settled(n, right[n], gold) for n in made)


def _settled(name: str, value: Any, gold: Gold) -> Any:
    """The value, or a mark in its place where any such value is right."""
    if name == "reason":  # what matters is whether a picture is lacking or a tool
        return "image" if re.search(r"\b(image|picture|photo)", str(value)) else "tool"
    if name in gold.free:
        return "(free)"
    low, high = gold.tolerance.get(name, (1.0, 0.0))
    return "(within)" if isinstance(value, float) and low <= value <= high else value


def _arguments(steps: Iterable[ToolCall], gold: Gold | None = None) -> Counter[tuple[int, str, str, str]]:
    return Counter(
        (place, tool, name, str(_settled(name, value, gold) if gold else value))
        for place, (tool, args) in enumerate(steps)
        for name, value in args.items()
    )


def _f1(common: int, made: int, wanted: int) -> float:
    return 2 * common / (made + wanted) if made + wanted else 1.0
