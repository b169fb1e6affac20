"""The account of a request: what was found and done, what was not and why, and what is doubtful, in plain sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from visiongpt_agent.graphs.answering.grounding import Claim
from visiongpt_agent.graphs.loop.lineage import is_used, origin
from visiongpt_agent.graphs.state import HOLDS, ImageEntry, Status, Step
from visiongpt_agent.language import sentences
from visiongpt_agent.tools.base import ToolSpec

_ASKS_WHAT_IS_THERE: Final = re.compile(
    r"\b(how many|count|number of|find|where|locate|detect|spot|is there|are there|any|show)\b",
    re.I,
)
_FOLLOWS: Final = ("needs", "nothing")
"""Causes that the step which is needed has told."""


@dataclass(frozen=True)
class Account:
    """What came of the steps, in plain sentences.

    Attributes:
        sure: Claims of accepted results.
        gaps: What was not done, and why.
        doubts: What may be wrong with the results.
        text: ``sure``, what is the same of several images said once, and then ``gaps``.
        ended: Whether the person or a time limit ended the run: nobody waits for fine words then.
    """

    sure: list[Claim]
    gaps: list[str]
    doubts: list[str]
    text: str
    ended: bool


def compose(
    request: str, steps: Sequence[Step], images: Sequence[ImageEntry], tools: Mapping[str, ToolSpec]
) -> Account:
    """The account of the steps.

    Args:
        request: The person's words: they say whether finding a thing was a wish or only a means.
        steps: All steps, whatever came of them.
        images: Of the conversation; the k-th is ``$k``.
        tools: All tools by name; those that a person added say themselves what they do.
    """
    held = [step for step in steps if step["verdict"] in HOLDS]
    findings = [_Finding(step["artifact"]["summary"], origin(step, steps)) for step in _worth_telling(steps, request)]
    findings = list(dict.fromkeys(finding for finding in findings if finding.text))
    titles = _titles(steps, images)
    gaps = list(dict.fromkeys(text for step in steps if (text := _gap(step, steps, tools))))
    doubts = dict.fromkeys(note for step in held for note in step["artifact"]["uncertain"])
    return Account(
        sure=[finding.claim(titles) for finding in findings],
        gaps=gaps,
        doubts=[note for note in doubts if note not in gaps and all(note not in one.text for one in findings)],
        text=" ".join(_with_consequences(_texts(findings, titles), gaps)),
        ended=any(step["cause"] in ("cancelled", "deadline") for step in steps),
    )


def status_of(steps: Sequence[Step]) -> Status:
    """The status of a request from its steps."""
    held = [step for step in steps if step["verdict"] in HOLDS]
    if not held:
        return "failed"
    whole = len(held) == len(steps) and not any(step["artifact"]["facts"].get("unsupported") for step in held)
    return "done" if whole else "partial"


def warnings_of(steps: Sequence[Step]) -> list[str]:
    """Doubts about accepted results, and what became of the steps without one."""
    doubts = [note for step in steps if step["verdict"] in HOLDS for note in step["artifact"]["uncertain"]]
    gaps = [f"#{step['id']} {step['tool']}: {step['error']}" for step in steps if step["verdict"] not in HOLDS]
    return list(dict.fromkeys([*doubts, *gaps]))


# ------------------------------------------------------------------------------------------------- what was found, done


@dataclass(frozen=True)
class _Finding:
    """What a step says of its result, and the image that it goes back to: ``$1``, ``""`` for none."""

    text: str
    image: str

    def claim(self, titles: Mapping[str, str]) -> Claim:
        if self.image not in titles:
            return Claim(self.text)
        title = titles[self.image]
        if len(titles) == 1:
            return Claim(self.text, frozenset({self.image, title}))
        return Claim(sentences.about(self.text, [title]), frozenset({self.image, title}), must_name=True)


def _worth_telling(steps: Sequence[Step], request: str) -> Iterable[Step]:
    """Accepted steps without those that only served another: the regions that were then blurred, say."""
    for step in steps:
        artifact = step["artifact"]
        if step["verdict"] not in HOLDS:
            continue
        found = artifact.get("kind") == "regions" and artifact["items"] and not artifact["missing"]
        asked = step["tool"] != "segment_objects" and _ASKS_WHAT_IS_THERE.search(request)
        if asked or not (found and is_used(step, steps)):
            yield step


def _titles(steps: Sequence[Step], images: Sequence[ImageEntry]) -> dict[str, str]:
    """By image that a step goes back to, what to call it: its file's name where it has one of its own, else ``$k``."""
    names = sorted({name for step in steps if (name := origin(step, steps))}, key=lambda name: int(name[1:]))
    entries = {name: images[int(name[1:]) - 1] for name in names}
    files = [entry["title"] for entry in entries.values()]
    return {
        name: entry["title"]
        if entry["origin"] == "user" and entry["title"] != "image" and files.count(entry["title"]) == 1
        else name
        for name, entry in entries.items()
    }


def _texts(findings: Sequence[_Finding], titles: Mapping[str, str]) -> list[str]:
    """The sentences, what is the same of several images said once, what is there before what is not."""
    texts: dict[str, None] = {}
    for finding in _present_first(findings) if len(titles) > 1 else findings:
        images = [one.image for one in findings if one.text == finding.text and one.image in titles]
        if len(titles) > 1 and len(images) > 1 and sentences.can_be_told_of_several(finding.text):
            texts[sentences.about(finding.text, [titles[image] for image in images])] = None
        else:
            texts[finding.claim(titles).text] = None
    return list(texts)


def _present_first(findings: Sequence[_Finding]) -> Iterable[_Finding]:
    """The findings with things that are there before things that are not, as far as they stand side by side.

    "Which of these has a cat" is answered by the one that has it.
    """
    for _, run in groupby(findings, lambda one: sentences.tells_what_is_there(one.text)):
        yield from sorted(run, key=lambda one: sentences.tells_absence(one.text))


def _with_consequences(findings: Sequence[str], gaps: Sequence[str]) -> list[str]:
    """Findings and gaps in order; what follows from the last finding becomes its second half."""
    if findings and gaps and gaps[0].startswith("So ") and sentences.can_be_joined(findings[-1]):
        return [*findings[:-1], sentences.joined(findings[-1], gaps[0]), *gaps[1:]]
    return [*findings, *gaps]


# ---------------------------------------------------------------------------------------------------- what was not done


def _gap(step: Step, steps: Sequence[Step], tools: Mapping[str, ToolSpec]) -> str:
    """What is told of a step without a result; ``""`` where its result holds, or another step tells it."""
    if step["verdict"] in HOLDS:
        return ""
    spec = tools.get(step["tool"])
    undone = sentences.undone(step["tool"], step["args"], spec.signature.summary if spec else "")
    if step["cause"] in _FOLLOWS:
        if is_used(step, steps):
            return ""
        made = any(other["verdict"] in HOLDS and "image" in other["artifact"] for other in steps)
        return sentences.as_before() if step["tool"] in _EDITS and not made else sentences.follows(undone)
    if step["verdict"] == "rejected":
        return sentences.did_not_hold(undone, step["error"])
    if step["cause"] == "bug":
        return sentences.broke_down(undone, step["error"])
    if step["verdict"] == "skipped":
        return sentences.did_not(undone, step["error"])
    return sentences.could_not(undone, step["error"])


_EDITS: Final = frozenset(
    {
        *("edit_image", "inpaint", "remove_background", "replace_background", "stylize_image", "upscale_image"),
        *("recolor_regions", "blur_regions", "crop_regions", "highlight_regions", "adjust_image", "transform_image"),
        "add_text",
    }
)
"""Tools that hand back the picture that they are given, changed."""
