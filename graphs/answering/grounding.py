"""A wording is used only as far as the account of the results bears it out.

:func:`ground` takes the sentences of the account that are sure and what a chat model made of them. A sentence of the
wording is kept where every part of it says no more than one part of one sentence of the account: the same words, the
same quantities of the same things, the same negations, exceptions and doubts, the same quotations and file names. What
the kept sentences leave out is told in the account's own words. The request lends no words: that somebody asked for a
unicorn does not make it found.

The account is English. A wording in another language has no words in common with it and is dropped; so the answer is
English whatever the language of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from visiongpt_agent.graphs.answering.wording import PICTURE_LEMMA, Part, is_place, read_parts, sentences

_LONGEST: Final = 8000
"""Characters of a wording that are looked at: an answer of several pages is no rewording of a few sentences."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the account.

    Attributes:
        text: The sentence.
        names: What the image that it is about may be called: ``$1``, ``bus.jpg``.
        must_name: Whether a rewording must name that image, because there are several.
    """

    text: str
    names: frozenset[str] = frozenset()
    must_name: bool = False


def ground(wording: str, account: Sequence[Claim]) -> str:
    """The wording as far as the account supports it, completed by the account's own words.

    Args:
        wording: What a chat model wrote; anything at all.
        account: Sentences that hold, in order.

    Returns:
        Kept sentences of the wording in their order, then those of the account that they leave untold; where none can
        be kept, the whole account.

    Example:
        >>> ground("I can see two dogs. A cat sleeps nearby.", [Claim("There are two dogs."), Claim("I found no cat.")])
        'I can see two dogs. I found no cat.'
    """
    facts = [fact for number, claim in enumerate(account) for fact in _facts(number, claim)]
    kept = list(_supported(sentences(wording[:_LONGEST]), facts))
    while True:
        used = {use.fact for sentence in kept for use in sentence.uses}
        plain = {index for index, fact in enumerate(facts) if index not in used or not _is_covered(index, fact, kept)}
        torn = {fact.claim for index, fact in enumerate(facts) if index in plain and fact.must_name}
        plain |= {index for index, fact in enumerate(facts) if fact.claim in torn}  # the name stands before the first
        useful = [sentence for sentence in kept if any(use.fact not in plain for use in sentence.uses)]
        if len(useful) == len(kept):
            break
        kept = useful
    whole = [fact.text for index, fact in enumerate(facts) if index in plain]
    return " ".join(dict.fromkeys([*(sentence.text for sentence in kept), *whole]))


# ----------------------------------------------------------------------------------------------------------- the facts


@dataclass(frozen=True)
class _Fact:
    """A sentence of the account, read."""

    text: str
    parts: tuple[Part, ...]
    names: frozenset[str]
    must_name: bool
    claim: int

    def head(self, index: int) -> Part | None:
        """The part whose verb a part without a verb goes on with."""
        if self.parts[index].has_verb:
            return None
        return next((part for part in reversed(self.parts[:index]) if part.has_verb), None)


@dataclass(frozen=True)
class _Use:
    """What a part of a wording takes from a part of a fact."""

    fact: int
    part: int
    tokens: frozenset[str]


@dataclass
class _Supported:
    """A sentence of the wording with what it takes from the account."""

    text: str
    uses: list[_Use] = field(default_factory=list)


def _facts(number: int, claim: Claim) -> Iterable[_Fact]:
    for text in sentences(claim.text):
        parts = read_parts(text, claim.names)
        # What cannot be read cannot be compared: it has no parts to support a rewording, and is told as it is.
        yield _Fact(text, tuple(parts or ()), claim.names, claim.must_name, number)


def _tokens(part: Part) -> frozenset[str]:
    """What of a part of the account has to be told."""
    words = {lemma for lemma in part.lemmas if lemma != PICTURE_LEMMA}
    return frozenset(words | {f"#{q}" for q in part.quantities} | {f'"{q}"' for q in part.quotes})


def _is_covered(index: int, fact: _Fact, kept: Sequence[_Supported]) -> bool:
    if not fact.parts:
        return False
    for number, part in enumerate(fact.parts):
        covered = {
            t
            for sentence in kept
            for use in sentence.uses
            if (use.fact, use.part) == (index, number)
            for t in use.tokens
        }
        if not _tokens(part) <= covered:
            return False
    return True


# --------------------------------------------------------------------------------------------------------- the wording


def _supported(wording: Iterable[str], facts: Sequence[_Fact]) -> Iterable[_Supported]:
    names = frozenset(name for fact in facts for name in fact.names)
    before: set[int] | None = None
    for text in wording:
        parts = read_parts(text, names)
        kept = _support(text, parts, facts, before) if parts else None
        before = {use.fact for use in kept.uses} if kept else None
        if kept is not None:
            yield kept


def _support(text: str, parts: Sequence[Part], facts: Sequence[_Fact], before: set[int] | None) -> _Supported | None:
    """The sentence with what it rests on; None where some part of it rests on nothing."""
    kept = _Supported(text if text.endswith((".", "!")) else f"{text}.")
    verbs: list[str] = []
    named: list[str] = []
    for number, part in enumerate(parts):
        if part.has_verb:
            verbs = part.verbs
        named = part.names or named
        if not part.says:
            continue
        carried = [] if part.has_verb or number == 0 else verbs
        depends = part.refers or not _stands_alone(part)
        found = [
            use
            for index, fact in enumerate(facts)
            if _names_fit(named, fact) and (use := _find(part, carried, index, fact)) is not None
            # A pronoun means what was spoken of just now, unless the account's own sentence opens with it.
            if not depends or index in (before or ()) or (part.refers and fact.parts[use.part].refers)
        ]
        if not found:
            return None
        kept.uses.append(max(found, key=lambda use: len(use.tokens)))
        kept.uses += list(_with_heads(kept.uses[-1], facts))
        before = {use.fact for use in found}
    return kept if kept.uses else None


def _stands_alone(part: Part) -> bool:
    """Whether a part names a thing of its own, rather than saying where the thing before it is."""
    free = [lemma for lemma in part.lemmas if not is_place(lemma)]
    return bool(free or part.quotes) and (part.has_verb or part.opens or bool(part.quotes or part.marks))


def _names_fit(named: Sequence[str], fact: _Fact) -> bool:
    return set(named) <= fact.names and (bool(named) or not fact.must_name)


def _with_heads(use: _Use, facts: Sequence[_Fact]) -> Iterable[_Use]:
    """A part that goes on with the verb of an earlier one tells what it took from there, too."""
    fact = facts[use.fact]
    for number, part in enumerate(fact.parts[: use.part]):
        shared = use.tokens & _tokens(part)
        if shared:
            yield _Use(use.fact, number, shared)


def _find(part: Part, carried: Sequence[str], index: int, fact: _Fact) -> _Use | None:
    for number in range(len(fact.parts)):
        tokens = _says_no_more(part, carried, fact, number)
        if tokens is not None:
            return _Use(index, number, tokens)
    return None


def _says_no_more(part: Part, carried: Sequence[str], fact: _Fact, number: int) -> frozenset[str] | None:
    """What of a part of a fact another part tells; None where it tells anything else."""
    own, head = fact.parts[number], fact.head(number)
    known = [*(head.words if head else ()), *own.words]
    lemmas = [word.lemma for word in known]
    if not head and any(PICTURE_LEMMA in earlier.lemmas for earlier in fact.parts[:number]):
        lemmas.append(PICTURE_LEMMA)  # "and flipped it": it is the picture
    if not {*part.lemmas, *carried} <= set(lemmas) or sorted(part.marks) != sorted(own.marks):
        return None
    if not _same_number(part, known, own, head) or not _same_order(part, own, head):
        return None
    if not set(part.quotes) <= {*own.quotes, *(head.quotes if head else ())}:
        return None
    if not set(part.links) <= {*own.links, *(head.links if head else ())}:
        return None
    if not _counts_fit(part, own, head):
        return None
    tokens = {*part.lemmas, *carried} | {f'"{q}"' for q in part.quotes} | {f"#{q}" for q in part.quantities}
    if "1" in own.quantities and any(word.lemma in {n for q, n in own.counted if q == "1"} for word in part.words):
        tokens.add("#1")  # "a cup", or "the cup": one
    if head and "1" in head.quantities and any((("1", lemma) in head.counted) for lemma in part.lemmas):
        tokens.add("#1")
    return frozenset(tokens)


def _same_number(part: Part, known: Sequence[object], own: Part, head: Part | None) -> bool:
    """Whether things that the account counts stand in the singular or plural, as there."""
    counted = {noun for _, noun in own.counted | (head.counted if head else set())}
    forms = {(word.lemma, word.many) for word in [*own.words, *(head.words if head else ())]}
    return all((word.lemma, word.many) in forms for word in part.words if word.lemma in counted)


def _same_order(part: Part, own: Part, head: Part | None) -> bool:
    """Whether words whose order may matter (a man rides a horse) come in the account's order."""
    free = [w for w in part.lemmas if w not in own.verbs and not is_place(w) and w not in (head.verbs if head else ())]
    sequence = iter([*(head.lemmas if head else ()), *own.lemmas])
    if PICTURE_LEMMA in free:
        free.remove(PICTURE_LEMMA)
    return all(any(word == other for other in sequence) for word in free)


def _counts_fit(part: Part, own: Part, head: Part | None) -> bool:
    """Whether each quantity is one of the account's part, and counts what it counts there."""
    # "one cup, in the middle" may become "one cup in the middle": the place has no count of its own.
    left = list(own.quantities or (head.quantities if head else ()))
    for quantity in part.quantities:
        if quantity not in left:
            return False
        left.remove(quantity)
    heads = head.counted if head else set()
    for quantity, noun in part.bound:
        counts = {n for q, n in (own.counted if own.quantities else heads) if q == quantity}
        goes_on = not {n for n in counts if not is_place(n)} and noun in {n for _, n in heads}
        if counts and noun not in counts and not goes_on:
            return False
        if not counts and noun not in {*own.lemmas, *(head.lemmas if head else ())}:
            return False
    # What is said of one of several things is not said of all: its own count must come along.
    beyond = set(part.lemmas) - set(head.lemmas) if head else set()
    return not (beyond and head and head.quantities and set(own.quantities) - set(part.quantities))
