"""Edits of the whole picture that the steps made, held against those that the request asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from visiongpt_agent.graphs.answering.edits_asked import Move, WantedEdit
from visiongpt_agent.graphs.state import ImageEntry, Step
from visiongpt_agent.pictures.framing import aspect_ratio


@dataclass(frozen=True)
class Edit:
    """A change of the whole picture that a step was told to make.

    Attributes:
        kind: The property: ``turn``, ``flip``, ``brightness``, ``contrast``, ``saturation``, ``sharpness``, ``scale``,
            ``width``, ``height``, ``aspect`` or ``look``.
        value: Degrees clockwise (0 to 360), a factor, pixels, width divided by height, or the argument's word.
        step: The place of the step in the list of steps.
    """

    kind: str
    value: float | str
    step: int


def edits_made(steps: Sequence[Step], images: Sequence[ImageEntry]) -> list[Edit]:
    """The edits of the whole picture that the steps were told to make, in their order.

    Args:
        steps: All steps, whatever came of them.
        images: Of the conversation; the k-th is ``$k``.
    """
    return [
        Edit(kind, value, place)
        for place, step in enumerate(steps)
        for kind, value in _edits_of(step, _size_before(step, steps, images))
    ]


def _edits_of(step: Step, before: tuple[int, int] | None) -> Iterator[tuple[str, float | str]]:
    """Kind and value of each edit; ``before`` is the size of the picture that the step was handed."""
    args = step["args"]
    if step["tool"] == "adjust_image":
        for kind in ("brightness", "contrast", "saturation", "sharpness"):
            if args.get(kind, 1) != 1:
                yield kind, float(args[kind])
        if args.get("look"):
            yield "look", str(args["look"])
    elif step["tool"] == "upscale_image":
        yield "scale", float(args.get("scale", 4))
    elif step["tool"] == "transform_image":
        if float(args.get("rotate", 0)) % 360:
            yield "turn", float(args["rotate"]) % 360
        if args.get("flip"):
            yield "flip", str(args["flip"])
        yield from _resizings(step, before)


def _resizings(step: Step, before: tuple[int, int] | None) -> Iterator[tuple[str, float | str]]:
    args = step["args"]
    for kind in ("width", "height"):
        if args.get(kind):
            yield kind, float(args[kind])
    if args.get("scale", 1) != 1:
        yield "scale", float(args["scale"])
    elif before and args.get("width"):
        yield "scale", float(args["width"]) / before[0]
    elif before and args.get("height"):
        yield "scale", float(args["height"]) / before[1]
    if before and args.get("scale", 1) != 1:
        yield "width", round(float(args["scale"]) * before[0])
        yield "height", round(float(args["scale"]) * before[1])
    if ratio := aspect_ratio(str(args.get("aspect", ""))):
        yield "aspect", ratio


def _size_before(step: Step, steps: Sequence[Step], images: Sequence[ImageEntry]) -> tuple[int, int] | None:
    """Width and height of the picture that a step was handed, None where they are not known."""
    reference = str(step["args"].get("image", ""))
    number = int(reference[1:]) if reference[1:].isdigit() else 0
    if reference.startswith("$") and 0 < number <= len(images):
        return images[number - 1]["width"], images[number - 1]["height"]
    for other in steps:
        if (other["round"], other["id"]) == (step["round"], number) and "width" in other["artifact"]:
            return other["artifact"]["width"], other["artifact"]["height"]
    return None


# --------------------------------------------------------------------------------------------------------- the verdict

_OTHERWISE: Final = re.compile(
    r"\b(?:again|once more|back|undo|original|versions?|separately|each|copies|copy|variants?|straight\w*|upright"
    r"|landscape|portrait|orientation)\b",
    re.I,
)
"""Words by which a request asks for more edits than can be read from it, or for several pictures."""
_OUT_OF_ORDER: Final = re.compile(r"\b(?:before|after|once|first|when|last)\b", re.I)
_MOVES: Final = frozenset(("turn", "flip"))
_MOVING: Final = (re.compile(r"\b(?:turn|rotat|spin|tilt)\w*", re.I), re.compile(r"\b(?:flip|mirror|reflect)\w*", re.I))
_PARTS: Final = ("edit_image", "recolor_regions", "inpaint", "replace_background")
"""Tools that change a part of a picture."""
_FACTORS: Final = ("adjust_image",)
_SUBSTITUTES: Final = {
    "saturation": ("stylize_image", "estimate_depth", "generate_image", "generate_with_control"),
    "sharpness": ("upscale_image",),
    "look": ("edit_image", "stylize_image"),
}
"""By property, the tools that change it though they have no argument for it."""


def unmet_edits(
    request: str, wanted: Sequence[WantedEdit], steps: Sequence[Step], images: Sequence[ImageEntry]
) -> Iterator[str]:
    """Sentences on edits that were asked for and not made, or made and not asked for.

    Args:
        request: The person's words.
        wanted: What :func:`~visiongpt_agent.graphs.answering.edits_asked.edits_wanted` read from them.
        steps: All steps, whatever came of them.
        images: Of the conversation; the k-th is ``$k``.
    """
    surplus = edits_made(steps, images)
    if _same_moves(wanted, surplus):  # one turn by 180 degrees is two by 90
        wanted = [edit for edit in wanted if edit.move is None]
        surplus = [edit for edit in surplus if edit.kind not in _MOVES]
    pairs: list[tuple[WantedEdit, Edit]] = []
    unmet: list[WantedEdit] = []
    for edit in wanted:
        meeting = next((one for one in surplus if edit.is_met_by(one.kind, one.value)), None)
        if meeting is not None and not edit.of_part:
            surplus.remove(meeting)
            pairs.append((edit, meeting))
        elif not _is_met_otherwise(edit, steps):
            unmet.append(edit)
    yield from dict.fromkeys(f"I did not {edit.action}." for edit in unmet)
    if not unmet and not _OTHERWISE.search(request) and _is_of_one_picture(steps):
        yield from _otherwise_made(request, pairs, surplus, steps)


def _is_met_otherwise(edit: WantedEdit, steps: Sequence[Step]) -> bool:
    """Whether a tool that has no such argument does it all the same."""
    if edit.of_part:
        return any(step["tool"] in _PARTS or ("regions" in step["args"] and step["tool"] in _FACTORS) for step in steps)
    return any(step["tool"] in _SUBSTITUTES.get(kind, ()) for kind in edit.kinds for step in steps)


def _same_moves(wanted: Sequence[WantedEdit], made: Sequence[Edit]) -> bool:
    """Whether all turns and mirrorings together come to the same picture as those that are asked for."""
    asked = [edit.move for edit in wanted if edit.kinds & _MOVES]
    moves = [_move(edit) for edit in made if edit.kind in _MOVES]
    known = [move for move in (*asked, *moves) if move is not None]
    if not asked or len(known) < len(asked) + len(moves) or len(asked) == len(moves):
        return False
    return _combined(known[: len(asked)]) == _combined(known[len(asked) :])


def _move(edit: Edit) -> Move | None:
    """What an edit does to the picture's frame, None where it turns it by no quarter turns."""
    if isinstance(edit.value, str):
        return (0, True) if edit.value == "horizontal" else (2, True)
    return (int(edit.value) // 90, False) if edit.value % 90 == 0 else None


def _is_of_one_picture(steps: Sequence[Step]) -> bool:
    return len({value for step in steps for value in map(str, step["args"].values()) if value.startswith("$")}) == 1


def _otherwise_made(
    request: str, pairs: Sequence[tuple[WantedEdit, Edit]], surplus: Sequence[Edit], steps: Sequence[Step]
) -> Iterator[str]:
    """Sentences on edits that nobody asked for, or that were made in another order or on several pictures."""
    spoken_of = sum(len(words.findall(request)) for words in _MOVING)
    moved = [edit for edit in surplus if edit.kind in _MOVES]
    if moved and 0 < spoken_of <= sum(bool(wanted.kinds & _MOVES) for wanted, _ in pairs):
        yield from dict.fromkeys(map(_surplus_sentence, moved))
    elif len(pairs) > 1 and not _in_one_picture([edit.step for _, edit in pairs], steps):
        yield "I made each of these changes on a picture of its own, not all on the same."
    elif len(pairs) > 1 and not _OUT_OF_ORDER.search(request) and _order_differs(pairs):
        yield "I turned and flipped the picture in another order than you asked for."


def _surplus_sentence(edit: Edit) -> str:
    if isinstance(edit.value, str):
        way = "left to right" if edit.value == "horizontal" else "top to bottom"
        return f"I also flipped the picture {way}, which you did not ask for."
    return f"I also turned the picture {edit.value:g} degrees clockwise, which you did not ask for."


def _in_one_picture(places: Sequence[int], steps: Sequence[Step]) -> bool:
    """Whether one picture shows the work of all the steps at these places."""
    place_of = {(step["round"], f"#{step['id']}"): place for place, step in enumerate(steps)}

    def and_before(place: int) -> set[int]:
        keys = ((steps[place]["round"], str(value)) for value in steps[place]["args"].values())
        return {place}.union(*(and_before(place_of[key]) for key in keys if key in place_of))

    return any(set(places) <= and_before(place) for place in range(len(steps)))


def _order_differs(pairs: Sequence[tuple[WantedEdit, Edit]]) -> bool:
    """Whether turns and mirrorings, in the order in which they were made, come to another picture than was wanted."""
    moves = [(wanted.move, edit) for wanted, edit in pairs if wanted.kinds & _MOVES]
    wanted = [move for move, _ in moves if move is not None]
    in_order = sorted(moves, key=lambda pair: (pair[1].step, pair[1].kind == "flip"))
    made = [move for move, _ in in_order if move is not None]
    return len(wanted) == len(moves) and _combined(wanted) != _combined(made)


def _combined(moves: Sequence[Move]) -> Move:
    """Several moves, one after the other, as one."""
    quarters, is_mirrored = 0, False
    for turn, flip in moves:
        quarters = (quarters + (-turn if is_mirrored else turn)) % 4
        is_mirrored ^= flip
    return quarters, is_mirrored
