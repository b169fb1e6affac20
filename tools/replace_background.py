"""Put what a picture is of in front of another background."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND, TEXT_TO_IMAGE, TextToImage
from visiongpt_agent.pictures.colors import RGB, parse_color
from visiongpt_agent.pictures.likeness import mean_difference
from visiongpt_agent.pictures.transparency import alpha_of, continued, flatten, visible
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool
from visiongpt_agent.tools.remove_background import Cutout, cut_out, is_cut_out, misplaced_foreground

_SUNSET: Final[tuple[RGB, ...]] = ((38, 40, 92), (128, 60, 120), (226, 92, 84), (250, 160, 80), (255, 214, 130))
_NAMED_GRADIENTS: Final = {
    "sunset": _SUNSET,
    "sunrise": ((96, 140, 200), (250, 190, 160), (255, 226, 150)),
    "sky": ((60, 130, 220), (205, 230, 250)),
    "ocean": ((150, 215, 230), (10, 60, 120)),
    "rainbow": ((228, 30, 40), (250, 140, 20), (250, 230, 30), (30, 150, 40), (20, 70, 225), (125, 30, 150)),
}
_SCENES: Final = frozenset(
    {
        *("forest", "jungle", "desert", "beach", "mountain", "mountains", "ocean", "sea", "sky", "sand", "ice", "snow"),
        *("sunset", "sunrise", "fire", "leaf", "moss", "pine", "rose", "sunflower", "lavender", "brick", "coffee"),
        *("wine", "walnut", "cherry", "strawberry", "lemon", "honey", "butter", "army", "hunter", "camel", "canary"),
    }
)
"""Nouns that are names of colours too; as a background they mean the thing, unless a word says ``colour``."""
_SAME_COLOUR, _FREED = 8, 24
"""Difference of a channel up to which a pixel is that of the background, and of the foreground, whose colours are freed
of the old background."""
_MIXED: Final = 0.15
"""So much of the picture may be mixed from both, at soft rims and in hair."""

_COLOR_WORDS: Final = re.compile(r"\b(plain|solid|flat|colou?r|colou?red|shade|tone)\b|#|rgb\(")


@vision_tool("new background from text or image", returns=Kind.IMAGE, needs=(SEGMENTATION_FOREGROUND,))
def replace_background(
    image: Image.Image, prompt: str = "", background: Image.Image | None = None, *, models: Models
) -> ToolOutput:
    """Put the picture's foreground in front of a new background.

    Args:
        image: The picture.
        prompt: A colour ("plain white"), a gradient ("gradient from blue to white"), or a scene, for which an image
            generator is needed. Not looked at where ``background`` is given.
        background: A picture to put behind, cropped to fill.
        models: Where the segmenter, and for a scene the generator, come from.

    Returns:
        A picture of mode RGB, same size.

    Raises:
        ToolError: If neither is given, if the scene cannot be generated here, or if no foreground stands out.
    """
    if background is None and not prompt.strip():
        raise ToolError("say which background: a colour, a gradient, a scene or another picture")
    ground = plain_ground(prompt, image.size) if background is None else _covering(background, image.size)
    used: tuple[str, ...] = ()
    if ground is None:
        ground, used = _generated(prompt, image.size, models), (models.name(TEXT_TO_IMAGE),)
    if is_cut_out(image):
        found = Cutout(np.asarray(continued(image), np.float32), alpha_of(image))
    else:
        found = cut_out(image, models)
    share = found.alpha[..., None]
    mixed = found.colors * share + np.asarray(ground, np.float32) * (1 - share)
    named = "the other picture" if background is not None else f"the new background, {_described(prompt)}"
    return ToolOutput(
        Image.fromarray((mixed + 0.5).astype(np.uint8)),
        f"I put the foreground in front of {named}.",
        models=(*found.models, *used),
        uncertain=found.uncertain,
        facts={"foreground_share": round(found.share, 3)},
    )


@replace_background.check
def has_the_new_background(
    image: Image.Image, prompt: str, background: Image.Image | None, output: ToolOutput
) -> Iterator[str]:
    made = one_picture(output.value)
    if made.size != image.size:
        yield f"the result has {made.width}x{made.height} pixels, the picture {image.width}x{image.height}"
        return
    if mean_difference(made, image) < 0.5:
        yield "the picture looks as it did before"
    ground = plain_ground(prompt, image.size) if background is None else _covering(background, image.size)
    if ground is not None:
        off = np.abs(np.asarray(flatten(made), np.int16) - np.asarray(ground, np.int16)).max(axis=2)
        if not 0.01 <= float((off <= 3).mean()) <= 0.999:
            yield "the new background is not in the picture, or nothing else is"


@replace_background.check
def keeps_the_foreground(
    image: Image.Image, prompt: str, background: Image.Image | None, output: ToolOutput
) -> Iterator[str]:
    """What is not the new background is the old picture, and its outline lies on edges of it."""
    made = one_picture(output.value)
    if made.size != image.size:
        return
    ground = plain_ground(prompt, image.size) if background is None else _covering(background, image.size)
    before = flatten(image) if ground is None else Image.composite(continued(image), ground, _mask(alpha_of(image)))
    old, new = (np.asarray(flatten(picture), np.int16) for picture in (before, made))
    kept = np.abs(new - old).max(axis=2) <= _FREED
    if ground is None:
        if not 0.005 <= kept.mean() <= 0.98:
            yield "the foreground of the picture is not in the result, or nothing else is"
        return
    put = np.abs(new - np.asarray(ground, np.int16)).max(axis=2) <= _SAME_COLOUR
    if (~kept & ~put).mean() > _MIXED:
        yield "much of the result is neither the foreground of the picture nor the new background"
    yield from misplaced_foreground(image, kept & ~put)


def _mask(alpha: FloatArray) -> Image.Image:
    return Image.fromarray(np.asarray(alpha * 255 + 0.5, np.uint8))


def plain_ground(prompt: str, size: tuple[int, int]) -> Image.Image | None:
    """The colour or gradient that a prompt describes, RGB of a size; None where it describes a scene."""
    words = _described(prompt)
    stops = _gradient_stops(words)
    if stops:
        return _gradient(stops, size, sideways=bool(re.search(r"\b(horizontal|left|right|sideways)\b", words)))
    is_scene = words.split()[-1:] and words.split()[-1] in _SCENES and not _COLOR_WORDS.search(words)
    color = None if is_scene else parse_color(words)
    return Image.new("RGB", size, color) if color else None


def _described(prompt: str) -> str:
    """What a prompt says of a background: ``A plain white background.`` is ``plain white``."""
    words = re.sub(r"\b(back ?ground|back ?drop)\b", " ", prompt.lower().strip(" .!\"'"))
    return re.sub(r"\s+", " ", re.sub(r"^\s*(a|an|the)\s+", "", words)).strip()


def _gradient_stops(words: str) -> tuple[RGB, ...]:
    if not re.search(r"\bgradient\b", words):
        return ()
    bare = re.sub(
        r"\b(gradient|smooth|soft|linear|vertical|horizontal|of|from|a|an|the|left|right|top|bottom)\b", " ", words
    )
    bare = re.sub(r"\s+", " ", bare).strip()
    if bare in _NAMED_GRADIENTS:
        return _NAMED_GRADIENTS[bare]
    parts = [part for part in re.split(r"\s*(?:,|\bto\b|\band\b|\binto\b|-)\s*", bare) if part]
    colors = [parse_color(part) for part in parts]
    known = tuple(color for color in colors if color)
    if len(known) < len(colors) or not known:
        return ()
    return known if len(known) > 1 else (known[0], (255, 255, 255))


def _gradient(stops: tuple[RGB, ...], size: tuple[int, int], *, sideways: bool) -> Image.Image:
    """A gradient from the top down, or from the left to the right."""
    width, height = size
    places = np.linspace(0, len(stops) - 1, width if sideways else height)
    line = np.stack([np.interp(places, range(len(stops)), channel) for channel in zip(*stops, strict=True)], axis=-1)
    filled = np.tile(line[None], (height, 1, 1)) if sideways else np.tile(line[:, None], (1, width, 1))
    return Image.fromarray((filled + 0.5).astype(np.uint8))


def _covering(background: Image.Image, size: tuple[int, int]) -> Image.Image:
    return ImageOps.fit(visible(background), size, Image.Resampling.LANCZOS)


def _generated(prompt: str, size: tuple[int, int], models: Models) -> Image.Image:
    if not models.has(TEXT_TO_IMAGE):
        raise ToolError(
            f"a background of {_described(prompt)!r} has to be generated, and no image generator is here "
            f"({models.remedy(TEXT_TO_IMAGE)}); a colour, a gradient or another picture works"
        )
    with models.use(TEXT_TO_IMAGE, TextToImage) as generator:
        return _covering(generator.generate(prompt, seed=0), size)
