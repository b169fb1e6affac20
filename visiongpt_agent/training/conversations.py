"""The same request in other conversations: other file names, pictures and results before it, or no picture at all."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from visiongpt_agent.plan import Plan, Proposal, Ref, Value
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.variants import mapped
from visiongpt_agent.training.words import words

_POINTS: Final = re.compile(
    r"\b(?:first|second|third|fourth|last|latest|newest|middle|left one|right one|other|others|both|each|one|instead"
    r"|original|before|earlier|previous|again|still|now|undo|back|result|version|same|photo \d|picture \d|image \d"
    r"|all (?:two|three|four)|two (?:photos|pictures|images)|pictures|photos|images|shots|scans|frames|these|those"
    r"|too|also|as well)\b|\$\d",
    re.IGNORECASE,
)
"""Words that may point at a picture: a request with one of them keeps its conversation."""

_RESULTS: Final = (
    *("inpaint", "remove_background", "replace_background", "stylize_image", "upscale_image", "recolor_regions"),
    *(
        "blur_regions",
        "crop_regions",
        "adjust_image",
        "transform_image",
        "edit_image",
        "generate_image",
        "estimate_depth",
    ),
    "generate_with_control",
)
_SIZES: Final = (
    *("810x1080", "1280x720", "1920x1080", "640x480", "4032x3024", "3024x4032", "1024x768", "6000x4000", "800x800"),
    *("2448x2048", "1200x1600", "2480x3508", "512x512", "1080x1350", "5472x3648", "2000x3000", "3508x2480", "320x240"),
)
_CAMERA_NAMES: Final = (
    "IMG_{}",
    "DSC_{}",
    "P{}",
    "photo_{}",
    "scan{}",
    "Screenshot_{}",
    "frame_{}",
    "PXL_{}",
    "img{}",
    "{}",
)
_ENDINGS: Final = ("jpg", "jpg", "jpg", "jpeg", "png", "png", "tif", "webp", "bmp", "heic")


def elsewhere(example: Example, rng: random.Random) -> Example:
    """The example in a conversation that leaves its plan right, references shifted."""
    images = tuple(_renamed(image, example.request, rng) for image in example.images)
    example = replace(example, images=images)
    if _POINTS.search(example.request) or example.plan.control:
        return example
    if not images:
        others = rng.choice((0, 0, 1, 1, 2, 3))
        return replace(example, images=tuple(other_image(k, rng) for k in range(1, others + 1)))
    if len(images) > 1 or not images[0].startswith("$1 user") or rng.random() < 0.72:
        return example
    return _later(example, rng)


def without_images(example: Example) -> Example:
    """The example where nobody handed in a picture: it is declined."""
    return replace(example, images=(), plan=Plan((Proposal(1, "decline", {"reason": "no image given"}),)))


def other_image(number: int, rng: random.Random) -> str:
    """A line for an image that nobody spoke of."""
    if number > 1 and rng.random() < 0.6:
        return f"${number} result of {rng.choice(_RESULTS)}"
    return f"${number} user {file_name(rng)} {rng.choice(_SIZES)}"


def file_name(rng: random.Random) -> str:
    """A file's name; often ``photo.jpg``, which the agent shows in place of names that a request does not speak of."""
    if rng.random() < 0.35:
        return "photo.jpg"
    if rng.random() < 0.5:
        stem = rng.choice(_CAMERA_NAMES).format(rng.randrange(1, 9999))
    else:
        stem = rng.choice(words(rng.choice(("thing", "animal", "person")))).replace(" ", rng.choice("_-"))
        stem += rng.choice(("", "", f"_{rng.randrange(1, 30)}", f"{rng.randrange(1, 9)}", "_final", "_b", "_2019"))
    return f"{stem}.{rng.choice(_ENDINGS)}"


def _later(example: Example, rng: random.Random) -> Example:
    """The one image of the example becomes the newest of several."""
    before = rng.choice((1, 1, 1, 2, 2, 3))
    earlier = [other_image(k, rng) for k in range(1, before + 1)]
    newest = before + 1
    tool = rng.choice(_RESULTS)
    line = f"${newest} result of {tool}" if rng.random() < 0.75 else f"${newest} {example.images[0].split(' ', 1)[1]}"
    return replace(example, images=(*earlier, line), plan=shifted(example.plan, {1: newest}))


def shifted(plan: Plan, numbers: Mapping[int, int]) -> Plan:
    """The plan with the images' numbers changed."""

    def moved(value: Value) -> Value:
        return Ref("$", numbers[value.number]) if isinstance(value, Ref) and value.sigil == "$" else value

    return mapped(plan, lambda proposal: {name: moved(value) for name, value in proposal.args.items()})


def _renamed(image: str, request: str, rng: random.Random) -> str:
    """Another file name, unless the request has a word of it."""
    match = re.fullmatch(r"(\$\d+) user (.+) (\d+x\d+)", image)
    if not match or rng.random() < 0.3:
        return image
    name_words = re.findall(r"[a-z]{3,}|\d{2,}", match[2].rpartition(".")[0].lower())
    if any(word[:4] in request.lower() for word in name_words):
        return image
    keep_size = re.search(r"\b(?:upright|wide|tall|landscape|portrait|small|large|big)", request, re.IGNORECASE)
    return f"{match[1]} user {file_name(rng)} {match[3] if keep_size else rng.choice(_SIZES)}"
