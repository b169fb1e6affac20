"""Images of the conversation that a request means and no step used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Final

from visiongpt_agent.graphs.answering.wishes import is_wished
from visiongpt_agent.graphs.loop.lineage import origin
from visiongpt_agent.graphs.state import ImageEntry, Step
from visiongpt_agent.language import sentences
from visiongpt_agent.language.english import join, plural
from visiongpt_agent.language.lexicon import CARDINALS, ORDINALS, PICTURE, SHOTS, one_of

_PICTURE: Final = one_of((*PICTURE, *SHOTS))
_MANY_PICTURES: Final = one_of(map(plural, (*PICTURE, *SHOTS)))
_EACH: Final = re.compile(
    rf"\b(?:both (?:of )?(?:the |my |these |those )?(?:{_MANY_PICTURES}|ones|them|these)"
    rf"|each (?:{_PICTURE}|one|of (?:them|these|the))|(?:for|in|of) each(?=[.,;!?]|$)"
    rf"|(?:all|these|those) (?:the |of (?:the|these|them) |my )?(?:\w+ )?{_MANY_PICTURES}"
    rf"|all (?:{one_of(CARDINALS)}|of (?:them|these))|every (?:{_PICTURE}|one)|{_PICTURE} by {_PICTURE})\b",
    re.I,
)
_BOTH_IN: Final = re.compile(r"\b(?:in|on|of|for) both(?= before| please|[.,;!?]|$)", re.I)
_LEFT_OUT: Final = re.compile(
    r"\b(?:except|apart from|but not|not the|only|other than|ignore|rest|leave|stays? out|already|others?"
    r"|one of|any of|which of)\b",
    re.I,
)


def unused_images(text: str, steps: Sequence[Step], images: Sequence[ImageEntry], turn: int) -> Iterator[str]:
    used = _used(steps)
    mine = [k for k, image in enumerate(images, 1) if image["turn"] == turn and image["origin"] == "user"]
    named = {k for k, image in enumerate(images, 1) if _is_named(text, k, image, len(images))}
    each = len(mine) > 1 and bool(_EACH.search(text) or _BOTH_IN.search(text)) and not _LEFT_OUT.search(text)
    if each:
        named |= set(mine)
    titled = {k for k in mine if _has_title_word(text, images[k - 1])}
    if len(titled) > 1:  # one such word may well mean something else
        named |= titled
    if left := [_name(k, images) for k in sorted(named - used)]:
        yield f"I did not use {join(left, 'or')}."
    if each:
        yield from _treated_otherwise(sorted(set(mine) & used), steps, images)


def _treated_otherwise(mine: Sequence[int], steps: Sequence[Step], images: Sequence[ImageEntry]) -> Iterator[str]:
    """Where the same was wanted for each image: what was done to some and not to others."""
    done = {k: {step["tool"]: step for step in steps if origin(step, steps) == f"${k}"} for k in mine}
    everything = {tool: step for by_tool in done.values() for tool, step in by_tool.items()}
    for tool, step in everything.items():
        left = [_name(k, images) for k in mine if tool not in done[k]]
        if left and tool != "compare_images":
            yield f"I did not {sentences.undone(tool, step['args'])} in {join(left, 'or')}.".replace(
                "the picture in ", ""
            )


def _name(k: int, images: Sequence[ImageEntry]) -> str:
    """What to call the k-th image: its file's name, with ``$k`` where another has the same."""
    title = images[k - 1]["title"]
    return title if [image["title"] for image in images].count(title) == 1 else f"${k} ({title})"


def _used(steps: Sequence[Step]) -> set[int]:
    references = [str(value) for step in steps for value in step["args"].values()]
    references += [origin(step, steps) for step in steps]
    return {int(reference[1:]) for reference in references if re.fullmatch(r"\$\d+", reference)}


def _is_named(text: str, k: int, image: ImageEntry, count: int) -> bool:
    patterns = [rf"(?<![\w$])\${k}(?![\d.,]*\d)(?!\w)"]
    title = image["title"]
    stem = PurePath(title).stem
    if image["origin"] == "user" and title != stem:
        patterns.append(rf"(?<!\w){re.escape(title)}(?!\w)")
        if re.search(r"[_\d]", stem) and len(stem) > 3:
            patterns.append(rf"(?<!\w){re.escape(stem)}(?!\w)")
    if count > 1 and image["origin"] == "user" and k <= len(ORDINALS):
        patterns.append(rf"\b{ORDINALS[k - 1]} (?:{_PICTURE}|one)\b")
    found = (match for pattern in patterns for match in re.finditer(pattern, text, re.I))
    return any(
        is_wished(text, match.start()) and not _LEFT_OUT.search(text[max(0, match.start() - 25) : match.start()])
        for match in found
    )


def _has_title_word(text: str, image: ImageEntry) -> bool:
    stem = PurePath(image["title"]).stem.lower()
    found = re.search(rf"\b(?:the|of|from) {re.escape(stem)}\b(?! (?:stays|is just|got|was))", text, re.I)
    return len(stem) > 2 and stem.isalpha() and found is not None and is_wished(text, found.start())
