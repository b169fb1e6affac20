"""Longer requests composed of short wishes: several over one picture, or over several pictures.

``clauses.txt`` holds blocks of wordings of one wish, the steps for it behind ``=>``::

    remove the {thing}
    get rid of the {things}
    => detect_objects(image=$1, query="{thing}")
    => segment_objects(image=$1, regions=#1)
    => inpaint(image=$1, regions=#2)

``{things}`` is the plural of ``{thing}``, ``{d}`` one of "the dog", "all dogs", "every dog"; ``{it}``, ``{in}`` and
``{of}`` speak of the picture; most other places are classes of :mod:`~visiongpt_agent.training.words`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from visiongpt_agent.language.english import a_, plural
from visiongpt_agent.plan import Kind, Plan, Proposal, Ref, Signature, Value, parse_plan
from visiongpt_agent.training.conversations import file_name, other_image
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.words import draw_word

_PLACE: Final = re.compile(r"\{(\w+)\}")
_THEN: Final = (
    *(
        ", then {}",
        " and then {}",
        ", and {}",
        " and {}",
        "; then {}",
        ". Then {}",
        ", after that {}",
        ". After that, {}",
    ),
    *(" + {}", ", {}", ". Now {}", ", afterwards {}", ". And {}", ", next {}", " & {}", ", plus {}", ". Finally {}"),
    *(
        ", finally {}",
        " and also {}",
        ". Also {}",
        ", when that's done {}",
        " then {}",
        ". Once that is done, {}",
        " -> {}",
    ),
)
_NEAR: Final = ("it", "in", "of", "from", "on")
_OF_THING: Final = frozenset(("thing", "things", "the", "a", "some", "d"))
"""Places that speak of one noun, in one form or another."""
_FEW: Final[Mapping[str, Sequence[str]]] = {
    "width": (
        "256",
        "300",
        "400",
        "500",
        "512",
        "600",
        "640",
        "720",
        "800",
        "1000",
        "1024",
        "1080",
        "1200",
        "1280",
        "1920",
    ),
    "height": ("256", "320", "400", "480", "512", "600", "720", "768", "800", "1000", "1024", "1080", "1350", "1500"),
    "degrees": ("5", "10", "15", "30", "45", "60", "120"),
    "bit": ("a bit", "slightly", "a little", "a touch", "just a little"),
    "subject": ("subject", "product", "bottle", "person", "woman", "dog", "chair", "car", "shoe", "object"),
}
_NTH: Final = ("first", "second", "third", "fourth")
_COUNTS: Final = {
    2: ("both", "both pictures", "the two of them", "both photos"),
    3: ("all three", "all three pictures"),
}


@dataclass(frozen=True)
class Clause:
    """A short wish about ``$1`` with its places filled: its words, and the plan for it alone."""

    words: str
    plan: Plan


@dataclass(frozen=True)
class Mention:
    """How a wish speaks of its picture.

    Attributes:
        it: Names it, as in ``describe {it}``.
        where: With the preposition, as in ``the dogs{in}``; ``""`` where it goes without saying.
    """

    it: str
    where: str = ""


@cache
def _blocks() -> tuple[tuple[tuple[str, ...], str], ...]:
    text = (files(__package__) / "clauses.txt").read_text(encoding="utf-8")
    found = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.split("\n")]
        steps = [line.removeprefix("=> ") for line in lines if line.startswith("=> ")]
        wordings = tuple(line for line in lines if not line.startswith("=> "))
        found.append((wordings, "\n".join(f"#{number} = {step}" for number, step in enumerate(steps, 1))))
    return tuple(found)


@cache
def _weights() -> tuple[float, ...]:
    return tuple(len(wordings) ** 0.5 for wordings, _ in _blocks())


def draw_clause(rng: random.Random, mention: Mention | None = None) -> Clause:
    """A wish, in one of its wordings.

    Args:
        rng: Chooses.
        mention: How it speaks of its picture; the wording is one that does so. By default as people speak of the one
            picture that there is.
    """
    wordings, steps = rng.choices(_blocks(), _weights())[0]
    if mention:
        wordings = tuple(w for w in wordings if re.search(r"\{(?:it|in|of|from|on)\}", w)) or wordings
    wording = rng.choice(wordings)
    filling = _filling(wording, steps, rng)
    speaks = mention or _unnamed(rng)
    near = {"it": speaks.it, "in": speaks.where}
    for preposition in ("of", "from", "on"):
        near[preposition] = f" {preposition} {speaks.it}" if mention or rng.random() < 0.5 else ""
    said = _PLACE.sub(lambda match: near[match[1]] if match[1] in near else filling[match[1]], wording)
    if mention and not any(f"{{{name}}}" in wording for name in near):
        said += speaks.where
    bare = {name: re.sub(r"^(?:an?|the) ", "", word) for name, word in filling.items()}
    return Clause(said, parse_plan(_PLACE.sub(lambda match: bare[match[1]], steps)))


def _unnamed(rng: random.Random) -> Mention:
    it = rng.choice(
        ("it", "it", "it", "this", "the picture", "the photo", "the image", "my photo", "this picture", "this shot")
    )
    return Mention(
        it, rng.choice(("", "", "", "", " here", " in the picture", " in this photo", " in this image", " in it"))
    )


def _filling(wording: str, steps: str, rng: random.Random) -> dict[str, str]:
    """A word for each place of a wording and its steps."""
    places = set(_PLACE.findall(wording)) | set(_PLACE.findall(steps))
    found = {name: rng.choice(_FEW[name]) for name in sorted(places & _FEW.keys())}
    for name in sorted(places - _FEW.keys() - _OF_THING - {"labels", "either", "choices", *_NEAR}):
        found[name] = draw_word(name.rstrip("2"), rng)
    if places & _OF_THING:
        # "delete the {person}": a person in the thing's place
        thing = next(
            (found[kind] for kind in ("person", "animal") if kind in found and f"{{{kind}}}" not in steps), None
        )
        thing = thing or draw_word("thing", rng)
        the, a, many = f"the {thing}", a_(thing), plural(thing)
        found |= {"thing": thing, "things": many, "the": the, "a": a, "some": rng.choice((a, many, f"any {many}"))}
        found["d"] = rng.choice((the, the, the, f"the {many}", f"all {many}", f"all the {many}", f"every {thing}"))
    if "labels" in places:
        names = list(dict.fromkeys(draw_word("label", rng) for _ in range(rng.choice((2, 2, 3, 3, 4)))))
        found["labels"] = ", ".join(f'"{name}"' for name in names)
        found["choices"] = ", ".join(names)
        found["either"] = " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return found


def chain(rng: random.Random, catalog: Mapping[str, Signature]) -> Example:
    """Two to four wishes over one picture, each on the newest one."""
    clauses: list[Clause] = []
    wanted = rng.choices((2, 3, 4), (6, 3, 1))[0]
    while len(clauses) < wanted:
        later = Mention(rng.choice(("it", "it", "it", "the result", "that", "this"))) if clauses else None
        clause = draw_clause(rng, later)
        if _goes_on(clauses[-1].plan if clauses else None, clause.plan):
            clauses.append(clause)
    plan = chained([clause.plan for clause in clauses], catalog)
    request = clauses[0].words + "".join(rng.choice(_THEN).format(clause.words) for clause in clauses[1:])
    if wanted == 2 and rng.random() < 0.08 and _changes(clauses[0].plan, catalog):
        request = f"{clauses[1].words}, but first {clauses[0].words}"
    image = f"$1 user {file_name(rng)} 1600x1200" if rng.random() < 0.7 else "$1 result of generate_image"
    images = () if clauses[0].plan.proposals[0].tool == "generate_image" else (image,)
    return Example(images, _sentence(request, rng), plan)


def several(rng: random.Random, catalog: Mapping[str, Signature]) -> Example:
    """One wish for each of several pictures, or one wish each, or one for one of them."""
    count = rng.choice((2, 2, 2, 3, 3, 4))
    images = tuple(f"${k} user {file_name(rng)} 1600x1200" for k in range(1, count + 1))
    draw = rng.random()
    if draw < 0.35:
        them = rng.choice(_COUNTS.get(count, ("all of them", "every picture", f"all {count} pictures")))
        clause = _of_an_image(rng, Mention(them, f" {rng.choice(('in', 'in', 'on', 'for'))} {them}"))
        if len(clause.plan) * count <= 9:
            return Example(
                images, _sentence(clause.words, rng), joined([_about(clause.plan, k + 1) for k in range(count)])
            )
    if draw < 0.6:
        one, two = sorted(rng.sample(range(1, count + 1), 2))
        parts = [(k, _of_an_image(rng, _nth(k, count, rng))) for k in (one, two)]
        request = parts[0][1].words + rng.choice((", {}", " and {}", ", then {}", ". {}")).format(parts[1][1].words)
        return Example(images, _sentence(request, rng), joined([_about(clause.plan, k) for k, clause in parts]))
    chosen = rng.randrange(1, count + 1)
    clause = _of_an_image(rng, _nth(chosen, count, rng))
    rest = rng.choice(
        ("", "", "", ", not the other" + "s" * (count > 2), ", leave the rest", ". The others stay as they are")
    )
    return Example(images, _sentence(clause.words + rest, rng), _about(clause.plan, chosen))


def single(rng: random.Random) -> Example:
    """One wish about the newest picture."""
    clause = draw_clause(rng)
    count = rng.choices((1, 2, 3), (7, 2, 1))[0]
    if clause.plan.proposals[0].tool == "generate_image" and rng.random() < 0.7:
        count = 0
    images = tuple(other_image(k, rng) for k in range(1, count + 1))
    return Example(images, _sentence(clause.words, rng), _about(clause.plan, count) if count else clause.plan)


def _of_an_image(rng: random.Random, mention: Mention) -> Clause:
    while True:
        clause = draw_clause(rng, mention)
        if clause.plan.proposals[0].tool != "generate_image":
            return clause


def chained(plans: Sequence[Plan], catalog: Mapping[str, Signature]) -> Plan:
    """One plan of several over ``$1``, where each works on the newest image."""
    newest = Ref("$", 1)
    parts: list[Proposal] = []
    for plan in plans:
        moved = _placed(plan, newest, len(parts))
        parts += moved
        made = [proposal.id for proposal in moved if catalog[proposal.tool].returns is Kind.IMAGE]
        # A depth map is a picture of something else: what follows it goes on with the picture.
        if made and moved[-1].tool != "estimate_depth":
            newest = Ref("#", made[-1])
    return Plan(tuple(parts))


def joined(plans: Sequence[Plan]) -> Plan:
    """One plan of several that have nothing to do with each other."""
    parts: list[Proposal] = []
    for plan in plans:
        parts += _placed(plan, None, len(parts))
    return Plan(tuple(parts))


def _placed(plan: Plan, newest: Ref | None, offset: int) -> list[Proposal]:
    def moved(value: Value) -> Value:
        if not isinstance(value, Ref):
            return value
        return Ref("#", value.number + offset) if value.sigil == "#" else newest or value

    return [
        Proposal(proposal.id + offset, proposal.tool, {name: moved(value) for name, value in proposal.args.items()})
        for proposal in plan
    ]


def _about(plan: Plan, number: int) -> Plan:
    """The plan for ``$number`` in place of ``$1``."""
    return Plan(tuple(_placed(plan, Ref("$", number), 0)))


def _changes(plan: Plan, catalog: Mapping[str, Signature]) -> bool:
    return catalog[plan.proposals[-1].tool].returns is Kind.IMAGE


def _goes_on(plan: Plan | None, other: Plan) -> bool:
    """Whether people would ask for the second after the first: not twice the same, no new picture in the middle."""
    if plan is None:
        return True
    tool = other.proposals[-1].tool
    return tool not in ("generate_image", plan.proposals[-1].tool)


def _nth(number: int, count: int, rng: random.Random) -> Mention:
    what = rng.choice(("one", "picture", "photo", "image", "one"))
    ordinal = rng.choice((_NTH[number - 1], _NTH[number - 1], ("1st", "2nd", "3rd", "4th")[number - 1]))
    if number == count and rng.random() < 0.4:
        ordinal = "last"
    elif count == 2 and rng.random() < 0.25:
        ordinal = ("left", "right")[number - 1]
    elif count == 3 and number == 2 and rng.random() < 0.4:
        ordinal = "middle"
    it = f"the {ordinal} {what}"
    if rng.random() < 0.15:
        it = rng.choice((f"picture {number}", f"photo {number}", f"${number}", f"image {number}"))
    return Mention(it, f" in {it}")


def _sentence(words: str, rng: random.Random) -> str:
    words = words[:1].upper() + words[1:] if rng.random() < 0.6 else words
    return f"{words}." if rng.random() < 0.4 and not words.endswith("?") else words
