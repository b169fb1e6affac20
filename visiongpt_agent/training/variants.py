"""Variants of a written example: one of its wordings, with other words where it says that words may be exchanged."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from visiongpt_agent.language.english import a_, plural
from visiongpt_agent.plan import Plan, Proposal, Value, clean_string
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.words import draw_word, made_up_word

_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_KEPT = 0.25
"""How often a word is kept though it could be exchanged."""


def variant(example: Example, rng: random.Random) -> Example:
    """One variant of a written example; its ``swaps`` are used up."""
    request = " ".join(_ALTERNATIVES.sub(lambda match: rng.choice(match[1].split("|")), example.request).split())
    plan = example.plan
    for phrase, kind in sorted(example.swaps.items(), key=lambda item: -len(item[0])):
        if rng.random() >= _KEPT:
            request, plan = exchanged(request, plan, phrase, draw_word(kind, rng))
    return replace(example, request=request, plan=plan, swaps={})


def exchanged(request: str, plan: Plan, phrase: str, word: str) -> tuple[str, Plan]:
    """Exchange a phrase for a word, in the request (singular or plural, with its article) and in the plan.

    Where the request has the phrase in neither form nothing is changed: the plan must not say what nobody said.

    Args:
        request: The request.
        plan: Its plan.
        phrase: The phrase as the plan has it.
        word: What stands there instead; may begin with an article, which the plan leaves out.
    """
    bare = _ARTICLE.sub("", word)
    said, changed = request, False
    for old, new, one in ((plural(phrase), plural(bare), False), (phrase, word, True)):
        pattern = re.compile(rf"(?:\b(an?|the)\s+)?(?<![\w-]){re.escape(old)}(?![\w-])", re.IGNORECASE)
        said, count = pattern.subn(partial(_with_article, word=new, one=one), said)
        changed = changed or bool(count)
    if not changed:
        return request, plan
    pattern = re.compile(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", re.IGNORECASE)
    return said, with_strings(plan, lambda text: pattern.sub(lambda _: bare, text))


def _with_article(match: re.Match[str], word: str, one: bool) -> str:
    article, bare = match[1], _ARTICLE.sub("", word)
    if article is None:
        found = bare
    elif article.lower() == "the" and word == bare:
        found = f"the {bare}"
    elif word != bare or not one or re.match(r"(?:two|three|four|five|six|seven|some|many)\b", bare):
        found = word  # it brings its own article, or takes none
    else:
        found = a_(bare)
    begins = match.start() == 0 or match.string[: match.start()].rstrip().endswith((".", "!", "?"))
    return found[:1].upper() + found[1:] if begins and match[0][:1].isupper() else found


def with_other_names(example: Example, rng: random.Random) -> Example:
    """The example with some of its names and numbers made up, in request and plan: they are to be copied, not known."""
    request, plan = example.request, example.plan
    for proposal in plan:
        for value in proposal.args.values():
            if type(value) is str and value[:1].isupper() and value in request and rng.random() < 0.4:
                request, plan = exchanged(request, plan, value, made_up_word(rng).title())
    for number in set(re.findall(r"(?<![\w.])[1-9]\d*(?![\w.])", request)):
        values = [value for proposal in plan for value in proposal.args.values()]
        if values.count(int(number)) == 1 and rng.random() < 0.6:
            other = rng.randrange(1, 10 ** min(6, len(number) + rng.choice((0, 0, 1))))
            request = re.sub(rf"(?<![\w.]){number}(?![\w.])", str(other), request)
            plan = with_number(plan, int(number), other)
    return replace(example, request=request, plan=plan)


def with_number(plan: Plan, number: int, other: int) -> Plan:
    """The plan with a number in place of another."""

    def changed(value: Value) -> Value:
        return other if type(value) is int and value == number else value

    return mapped(plan, lambda proposal: {name: changed(value) for name, value in proposal.args.items()})


def with_strings(plan: Plan, change: Callable[[str], str]) -> Plan:
    """The plan with each string changed."""

    def changed(value: Value) -> Value:
        if isinstance(value, str):
            return clean_string(change(value))
        return tuple(clean_string(change(item)) for item in value) if isinstance(value, tuple) else value

    return mapped(plan, lambda proposal: {name: changed(value) for name, value in proposal.args.items()})


def mapped(plan: Plan, arguments: Callable[[Proposal], Mapping[str, Value]]) -> Plan:
    """The plan with other arguments."""
    return Plan(tuple(Proposal(proposal.id, proposal.tool, arguments(proposal)) for proposal in plan))


def strings_of(plan: Plan) -> list[str]:
    """All strings of a plan."""
    values = [value for proposal in plan for value in proposal.args.values()]
    return [text for value in values for text in (value if isinstance(value, tuple) else (value,)) if type(text) is str]
