"""The sentences in which a person is told what was done and what was not.

They name no tool, no argument and no step: who reads them asked for a thing to be done to a picture. The parts that
come from elsewhere (a count, a file's name, a remedy) are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from visiongpt_agent.language.english import count_phrase, join, number_word, sentence

ABILITIES: Final[Mapping[str, str]] = {
    "detect_objects": "find and count things",
    "segment_objects": "outline them pixel by pixel",
    "caption_image": "describe a picture",
    "answer_question": "answer questions about it",
    "read_text": "read text",
    "read_codes": "read QR and bar codes",
    "classify_image": "say what kind of thing it shows",
    "estimate_depth": "estimate depth",
    "estimate_pose": "find body keypoints",
    "detect_faces": "find faces",
    "detect_anomalies": "look for defects",
    "compare_images": "compare two pictures",
    "generate_image": "make pictures from words",
    "generate_with_control": "make a new picture on the lines of another",
    "edit_image": "edit by instruction",
    "inpaint": "remove small things",
    "remove_background": "cut out the foreground",
    "replace_background": "change the background",
    "stylize_image": "paint in another style",
    "upscale_image": "enlarge",
    "recolor_regions": "recolour things",
    "blur_regions": "blur things",
    "crop_regions": "crop to things",
    "highlight_regions": "mark things",
    "adjust_image": "adjust brightness, contrast, colour, tone and sharpness",
    "transform_image": "rotate, flip and resize",
    "add_text": "write on a picture",
    "combine_images": "put two pictures into one",
}
"""By tool, what it can do, as it follows "I can"."""

_UNDONE: Final[Mapping[str, str]] = {
    "detect_objects": "look for anything",
    "segment_objects": "outline anything",
    "caption_image": "describe the picture",
    "answer_question": "answer that",
    "read_text": "read the text",
    "read_codes": "read the codes",
    "classify_image": "say what it shows",
    "estimate_depth": "estimate the depth",
    "estimate_pose": "look for body keypoints",
    "detect_faces": "look for faces",
    "detect_anomalies": "look for defects",
    "compare_images": "compare the pictures",
    "generate_image": "make a picture",
    "generate_with_control": "make a new picture",
    "edit_image": "change the picture that way",
    "inpaint": "remove anything",
    "remove_background": "take the background away",
    "replace_background": "change the background",
    "stylize_image": "paint the picture in that style",
    "upscale_image": "enlarge the picture",
    "recolor_regions": "change any colour",
    "blur_regions": "blur anything",
    "crop_regions": "crop the picture",
    "highlight_regions": "mark anything",
    "add_text": "write on the picture",
    "combine_images": "put the pictures into one",
    "select_regions": "use what you pointed at",
}
"""By tool, what it would have done, as it follows "I did not" and "I could not"."""


def undone(tool: str, args: Mapping[str, Any], summary: str = "") -> str:
    """What a step would have done, as it follows "I could not".

    Args:
        tool: The name of the tool.
        args: The arguments of the step.
        summary: What a tool that a person added says of itself: ``turn over``.

    Example:
        >>> undone("transform_image", {"rotate": 90})
        'turn the picture'
        >>> undone("inpaint", {"prompt": "a vase"})
        'replace anything'
    """
    if tool == "inpaint" and args.get("prompt"):
        return "replace anything"
    if tool == "blur_regions" and args.get("invert"):
        return "blur the rest of the picture"
    if tool == "adjust_image":
        return _adjustment(args)
    if tool == "transform_image":
        return _transformation(args)
    return _UNDONE.get(tool) or summary or tool.replace("_", " ")


def _adjustment(args: Mapping[str, Any]) -> str:
    if args.get("saturation") == 0 and not args.get("look"):
        return "make the picture black and white"
    properties = [name for name in ("brightness", "contrast", "saturation", "sharpness") if args.get(name, 1) != 1]
    changes = [f"change the {join(properties)}"] if properties else []
    asking, _, rest = _LOOKS.get(args.get("look", ""), ("", "", ""))
    changes += [f"{asking} {rest}"] if asking else []
    return join(changes) or "adjust the picture"


_LOOKS: Final[Mapping[str, tuple[str, str, str]]] = {
    "sepia": ("give", "gave", "the picture a sepia tone"),
    "warm": ("make", "made", "the colours warmer"),
    "cool": ("make", "made", "the colours cooler"),
    "negative": ("invert", "inverted", "the colours"),
}
"""By look, the verb that asks for it, the verb that tells it, and what follows either."""


def _transformation(args: Mapping[str, Any]) -> str:
    verbs = [verb for name, verb in (("rotate", "turn"), ("flip", "flip"), ("aspect", "crop")) if args.get(name)]
    resizes = args.get("width") or args.get("height") or args.get("scale", 1) != 1
    return f"{join([*verbs, *(['resize'] if resizes else [])]) or 'change'} the picture"


def could_not(undone: str, why: str) -> str:
    """A step that gave up: ``I could not enlarge the picture: the memory ran out.``"""
    return sentence(f"I could not {undone}: {why.rstrip('.')}")


def did_not(undone: str, why: str) -> str:
    """A step that was never tried: ``I did not blur anything: the request was cancelled.``"""
    return sentence(f"I did not {undone}: {why.rstrip('.')}")


def did_not_hold(undone: str, problems: str) -> str:
    """A step whose result broke a postcondition, and is not shown."""
    return sentence(f"I could not {undone} in a way that passes my own check ({problems.rstrip('.')})")


def broke_down(undone: str, error: str) -> str:
    """A step that ended in an error that no tool should raise: ``RuntimeError: shapes do not match``."""
    return sentence(f"I could not {undone}: something went wrong in the program ({error.rstrip('.')})")


def follows(undone: str) -> str:
    """What was not done because what it works on is not there: ``So I did not blur anything.``"""
    return f"So I did not {undone}."


def as_before() -> str:
    """What is said in its place where no picture was made at all."""
    return "So the picture stays as it is."


def joined(before: str, after: str) -> str:
    """A finding and what follows from it as one sentence: ``I found no bike, so the picture stays as it is.``"""
    return f"{before.rstrip('.')}, {after[:1].lower()}{after[1:]}"


_LONGEST_JOINED: Final = 100


def can_be_joined(text: str) -> bool:
    """Whether a text is one short sentence, to which a clause may be added."""
    return len(text) <= _LONGEST_JOINED and text.endswith(".") and ". " not in text and ":" not in text


def about(text: str, names: Sequence[str]) -> str:
    """A sentence with the names of the images that it is about.

    Example:
        >>> about("I made the picture black and white.", ["a.png", "b.png"])
        'I made a.png and b.png black and white.'
        >>> about("There is one cat, in the middle of the picture.", ["a.png"])
        'In a.png there is one cat, in the middle.'
        >>> about("I found no cat.", ["a.png", "b.png"])
        'I found no cat in a.png or b.png.'
    """
    first, stop, rest = text.partition(". ")
    rest = stop + rest
    if re.match(r"There (?:is|are) ", first):
        place = re.sub(r" of the picture(?=$|\.|,)", "", first)
        return f"In {join(names)} t{place[1:]}{rest}"
    if re.match(r'I found no [^,:"]+$', first.rstrip(".")):
        end = "" if stop else "."
        return f"{first.rstrip('.')} in {join(names, 'or')}{end}{rest}"
    if re.match(r"I \w+ (?:the picture|it)\b", first):
        return re.sub(r"\b(?:the picture|it)\b", join(names), first, count=1) + rest
    if first.startswith("It shows "):
        return f"{join(names)} {'shows' if len(names) == 1 else 'show'}{first.removeprefix('It shows')}{rest}"
    if re.match(r"I \w+ ", first) and ":" not in first:
        return f"In {join(names)} {first}{rest}"
    return f"{join(names)}: {text}"


def tells_what_is_there(text: str) -> bool:
    """Whether a sentence says what there is, or that there is none of it."""
    return text.startswith(("There is ", "There are ")) or tells_absence(text)


def tells_absence(text: str) -> bool:
    """Whether a text says first of all that something was not found."""
    return text.startswith("I found no ")


def can_be_told_of_several(text: str) -> bool:
    """Whether a sentence that holds for several images can be said once for all of them.

    What was done to each or found in none can; what there is in one is not the same that there is in another.
    """
    return bool(re.fullmatch(r'I \w+ the picture[^.:\d]*\.|I found no [^,:"]+\.', text))


# ------------------------------------------------------------------------------------------------ what tools found, did


def faces_missed(faces: int, people: int, faceless: int) -> tuple[str, ...]:
    """What may be wrong with the faces that were found, as sentences.

    Args:
        faces: How many were found.
        people: How many people are seen.
        faceless: On how many of them no face was found.
    """
    if faceless:
        return (f"I see {count_phrase(people, 'person')} and found no face on {_some_of(people, faceless)}.",)
    return () if faces else ("A face that is tiny or turned far away may have been missed.",)


def faces_left(people: int, faceless: int) -> str:
    """That not every face was blurred: ``One of two people has no blurred face.``"""
    who = f"{number_word(faceless)} of {number_word(people)} people"
    if faceless == people:
        who = "the person" if people == 1 else f"the {count_phrase(people, 'person')}"
    return sentence(f"{who} {'has' if faceless == 1 else 'have'} no blurred face: I found none there")


def _some_of(people: int, faceless: int) -> str:
    if people == faceless:
        return "it" if people == 1 else "them"
    return f"{number_word(faceless)} of them"


def adjusted(factors: Mapping[str, float], look: str = "") -> str:
    """What was done to properties of a picture.

    Args:
        factors: By property what it was multiplied by; none is 1.
        look: The tone that it was given: ``sepia``, ``warm``, ``cool``, ``negative``, or none.

    Example:
        >>> adjusted({"brightness": 1.3, "contrast": 0.8})
        'I made the picture 30 % brighter and lowered the contrast by 20 %.'
        >>> adjusted({}, "sepia")
        'I gave the picture a sepia tone.'
    """
    if factors == {"saturation": 0} and not look:
        return "I made the picture black and white."
    changes = [_change(name, factor) for name, factor in factors.items()]
    changes += [" ".join(_LOOKS[look][1:])] if look else []
    return f"I {join(changes)}."


def unadjusted(factors: Mapping[str, float], look: str = "") -> str:
    """That an adjustment leaves the picture as it was."""
    if factors == {"saturation": 0} and not look:
        return "The picture is black and white already, so it stays as it is."
    return joined(adjusted(factors, look), "Which changes nothing in it.")


def _change(name: str, factor: float) -> str:
    share = f"{abs(factor - 1) * 100:.0f} %"
    more = factor > 1
    if name == "brightness":
        return f"made the picture {share} {'brighter' if more else 'darker'}"
    if name == "saturation":
        return "took out all colour" if factor == 0 else f"made the colours {share} {'stronger' if more else 'weaker'}"
    if name == "sharpness":
        return f"{'sharpened' if more else 'softened'} the picture by {share}"
    return f"{'raised' if more else 'lowered'} the {name} by {share}"


def cannot_look_for(things: Sequence[str], known: int, remedies: Mapping[str, Sequence[str]]) -> list[str]:
    """That a detector of fixed classes does not know some things, and where one that does is to be had.

    Args:
        things: What was asked for.
        known: How many kinds of thing the detector knows.
        remedies: By remedy, as the pool words it, the things that it is for.
    """
    names = join([f'"{thing}"' for thing in things], "or")
    these = "this is none of them" if len(things) == 1 else "these are none of them"
    text = [f"I cannot look for {names}: the detector here knows {known} everyday things, and {these}."]
    for remedy, helped in remedies.items():
        what = join([f'"{thing}"' for thing in helped]) if len(remedies) > 1 else "it" if len(helped) == 1 else "them"
        text.append(f"Another model looks for {what}: {remedy}.")
    return text


def needs_another_model(why: str, remedy: str) -> str:
    """Why a question cannot be answered here, and which model could; as it follows "I could not answer that:"."""
    return f"{why}. A model that answers by looking may know: {remedy}"
