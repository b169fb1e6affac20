"""How different people type the same request: in lower case, without punctuation, politely, with slips and asides."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from importlib.resources import files

from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.variants import strings_of, with_strings

_BEFORE = (
    "please",
    "pls",
    "hi,",
    "hello,",
    "hey",
    "ok",
    "so",
    "good morning,",
    "hi there,",
    "now",
    "quick one:",
    "hello!",
)
_AFTER = (
    "please",
    "pls",
    "thx",
    "thanks",
    "thank you",
    "if you can",
    "asap",
    "cheers",
    "plz",
    "ta",
    "thanks a lot",
    "!!",
)


def voiced(example: Example, rng: random.Random) -> Example:
    """The example as somebody else would type it; its plan follows where it quotes the request."""
    example = _with_asides(example, rng)
    request = example.request
    if rng.random() < 0.08:
        request = f"{rng.choice(_BEFORE)} {_uncapitalised(request)}"
    if rng.random() < 0.08 and not example.plan.control:
        request = f"{request.rstrip('.')} {rng.choice(_AFTER)}"
    if rng.random() < 0.35:
        request = re.sub(r"[.!?]+$", "", request)
    if rng.random() < 0.12:
        request = _with_slip(request, example, rng)
    if rng.random() < 0.12:
        request = request.replace("'", "").replace("’", "") if not _quotes_apostrophe(example) else request
    if rng.random() < 0.3:
        example, request = replace(example, plan=with_strings(example.plan, str.lower)), request.lower()
    elif rng.random() < 0.015:
        example, request = replace(example, plan=with_strings(example.plan, str.lower)), request.upper()
    return replace(example, request=request)


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:] if not re.match(r"I\b|I'|[A-Z]{2}", text) else text


def _quotes_apostrophe(example: Example) -> bool:
    return any("'" in text for text in strings_of(example.plan))


@cache
def asides() -> tuple[str, ...]:
    """Sentences that people put around a wish and that wish nothing (``words/aside.txt``)."""
    text = (files(__package__) / "words" / "aside.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _with_asides(example: Example, rng: random.Random) -> Example:
    if example.plan.control or not example.images or len(example.request) > 200 or rng.random() >= 0.07:
        return example
    request, aside = example.request, rng.choice(asides())
    whole = request if re.search(r"[.!?]$", request) else f"{request}."
    before = rng.random() < 0.6
    return replace(example, request=f"{aside} {request}" if before else f"{whole} {aside}")


def _with_slip(request: str, example: Example, rng: random.Random) -> str:
    """One word mistyped, none that the plan quotes."""
    quoted = set(re.findall(r"\w+", " ".join(strings_of(example.plan)).lower()))
    places = [
        match
        for match in re.finditer(r"[a-z]{4,}", request)
        if not any(match[0].startswith(word[:4]) for word in quoted)
    ]
    if not places:
        return request
    match = rng.choice(places)
    word, at = match[0], rng.randrange(1, len(match[0]) - 1)
    slip = rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at] + word[at:],
        )
    )
    return request[: match.start()] + slip + request[match.end() :]
