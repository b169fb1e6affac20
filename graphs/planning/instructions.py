"""Instructions that a tool of its own carries out.

``edit_image`` is for changes that no other tool makes. A small planner falls back on it where a request is one of
several ("Before you flip it, remove the slippers"), and then the change would need a model for instructions, and would
be checked less well than a removal. So what plainly is a removal, a replacement, a crop, a style or a blur is planned
as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from visiongpt_agent.language.english import singular
from visiongpt_agent.language.lexicon import BLUR, MEDIA, PICTURE, POINTING, POSSESSIVES, REMOVE, REPLACE, one_of
from visiongpt_agent.plan import MAX_PROPOSALS, Plan, Proposal, Ref, Value

Call = tuple[str, dict[str, Value]]

_THE: Final = rf"(?:(?:all |both )?{one_of(('the', *POINTING, *POSSESSIVES, 'all', 'any'))} )?"
_IT: Final = rf"(?:(?:it|this|that|everything|(?:the )?(?:whole )?{one_of((*PICTURE, 'thing'))}) )?"
_MEDIUM: Final = one_of(MEDIA)
_LOOKS: Final = frozenset(
    {
        *("noise", "grain", "blur", "haze", "fog", "mist", "glare", "cast", "tint", "vignette", "distortion", "moire"),
        *("shadow", "reflection", "light", "darkness", "rain", "snow", "weather", "wrinkle", "colour", "color"),
        *("red eye", "it", "them", "him", "her", "this", "that", "these", "those", "one", "everything", "everybody"),
    }
)
"""What is no thing that could be looked for and outlined: it stays with ``edit_image``."""
_ONLY_SOME: Final = re.compile(r"\b(?:but|except|save|leaving|other than|apart from|not|without|from)\b|[,;]")
"""What says that some of the things are meant and others are not, or more than one thing."""


def by_tools(plan: Plan, known: Collection[str]) -> Plan:
    """The plan with every instruction that a tool of its own carries out planned with that tool.

    Args:
        plan: A plan that checks.
        known: The names of the tools there are.
    """
    made: list[Proposal] = []
    outputs: dict[int, Value] = {}
    for proposal in plan:
        args = {name: _renumbered(value, outputs) for name, value in proposal.args.items()}
        calls = _calls(proposal.tool, args, len(made) + 1)
        if not all(tool in known for tool, _ in calls):
            calls = [(proposal.tool, args)]
        made += [Proposal(len(made) + k, tool, given) for k, (tool, given) in enumerate(calls, 1)]
        outputs[proposal.id] = Ref("#", len(made))
    return plan if len(made) > MAX_PROPOSALS else Plan(tuple(made))


def _renumbered(value: Value, outputs: Mapping[int, Value]) -> Value:
    return outputs[value.number] if isinstance(value, Ref) and value.sigil == "#" else value


def _calls(tool: str, args: dict[str, Value], first: int) -> Sequence[Call]:
    """The calls that a proposal stands for, numbered from ``first`` on; itself where it stands for itself."""
    instruction = args.get("instruction")
    if tool == "edit_image" and isinstance(instruction, str):
        for pattern, calls in _RULES:
            match = pattern.fullmatch(instruction.strip(" .!"))
            found = calls(args["image"], match, first) if match else None
            if found:
                return found
    return [(tool, args)]


def _thing(words: str) -> str:
    """The query for what an instruction names, ``""`` where it names no one thing, or one that has no outline."""
    parts = [re.sub(rf"^{_THE}", "", part).strip() for part in re.split(r"\band (?=the |that |those |my |our )", words)]
    if any(not part or len(part.split()) > 6 or " and " in f" {part} " or _ONLY_SOME.search(part) for part in parts):
        return ""
    things = [singular(part) for part in parts]
    return "" if any(thing.rpartition(" ")[2] in _LOOKS or thing in _LOOKS for thing in things) else ", ".join(things)


def _remove(image: Value, match: re.Match[str], first: int) -> Sequence[Call] | None:
    if match["what"] == "background":
        return [("remove_background", {"image": image})]
    return _inpaint(image, match["what"], first)


def _replace(image: Value, match: re.Match[str], first: int) -> Sequence[Call] | None:
    if _ONLY_SOME.search(match["by"]):
        return None
    if match["what"] == "background":
        return [("replace_background", {"image": image, "prompt": match["by"]})]
    return _inpaint(image, match["what"], first, match["by"])


def _inpaint(image: Value, words: str, first: int, prompt: str = "") -> Sequence[Call] | None:
    thing = _thing(words)
    if not thing:
        return None
    painted: dict[str, Value] = {"image": image, "regions": Ref("#", first + 1)}
    return [
        ("detect_objects", {"image": image, "query": thing}),
        ("segment_objects", {"image": image, "regions": Ref("#", first)}),
        ("inpaint", {**painted, "prompt": prompt} if prompt else painted),
    ]


def _crop(image: Value, match: re.Match[str], first: int) -> Sequence[Call] | None:
    thing = _thing(match["what"])
    found: Call = ("detect_objects", {"image": image, "query": thing})
    return [found, ("crop_regions", {"image": image, "regions": Ref("#", first)})] if thing else None


def _blur(image: Value, match: re.Match[str], first: int) -> Sequence[Call] | None:
    thing = _thing(match["what"])
    if not thing or thing == "background":
        return None
    found: Call = ("detect_objects", {"image": image, "query": thing})
    if thing == "face":
        found = ("detect_faces", {"image": image})
    return [found, ("blur_regions", {"image": image, "regions": Ref("#", first)})]


def _stylize(image: Value, match: re.Match[str], first: int) -> Sequence[Call]:
    return [("stylize_image", {"image": image, "style": match["style"]})]


_RULES: Final[Sequence[tuple[re.Pattern[str], Callable[[Value, re.Match[str], int], Sequence[Call] | None]]]] = (
    (re.compile(rf"{one_of(REMOVE)} {_THE}(?P<what>.+)", re.I), _remove),
    (re.compile(rf"{one_of(REPLACE)} {_THE}(?P<what>.+?) (?:with|by|for) (?:an? |some )?(?P<by>.+)", re.I), _replace),
    (re.compile(rf"crop {_IT}(?:down )?to {_THE}(?P<what>.+)", re.I), _crop),
    (re.compile(rf"{one_of(BLUR)} {_THE}(?P<what>.+)", re.I), _blur),
    (re.compile(rf"hide {_THE}(?P<what>faces?)", re.I), _blur),
    (
        re.compile(
            rf"(?:(?:turn|make|transform|convert|change) {_IT}(?:into|look like)|make it) an? "
            rf"(?P<style>(?:[\w'-]+ ){{0,4}}{_MEDIUM})",
            re.I,
        ),
        _stylize,
    ),
)
