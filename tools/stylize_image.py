"""Paint a picture in a style."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from PIL import Image, ImageOps

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import join
from visiongpt_agent.models.jobs import (
    STYLE,
    STYLE_FILTER,
    TEXT_EMBEDDING,
    StyleFilter,
    Stylizer,
    TextEmbedder,
)
from visiongpt_agent.pictures.likeness import common_structure, contrast, mean_difference
from visiongpt_agent.pictures.transparency import edit_colors, flatten, visible
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool

_ALIASES: Final = {
    "van gogh": "starry night",
    "vincent van gogh": "starry night",
    "sketch": "pencil sketch",
    "pencil": "pencil sketch",
    "graphite": "pencil sketch",
    "black and white sketch": "pencil sketch",
    "charcoal sketch": "charcoal drawing",
    "aquarelle": "watercolor",
    "oil paint": "oil painting",
    "comic": "cartoon",
    "comic book": "cartoon",
    "toon": "cartoon",
    "impressionism": "impressionist",
    "mosaic tile": "mosaic",
    "linocut": "woodcut",
    "ukiyo e": "woodblock print",
    "japanese woodblock print": "woodblock print",
    "pastel color": "pastel",
}
"""Other words for a style, only where results on photos do look like it."""
_OFFERED: Final = 3
_FLAT: Final = 4.0
_SECOND_SIDE: Final = 256
_FILTERS_APART, _NETWORKS_APART = 9.0, 32.0
"""Most that the mean colours of a 12 by 12 grid may differ, of 255, between the result and a small copy painted anew:
filters hardly look at the scale, networks paint strokes of one size whatever the picture's."""

_FILLERS: Final = re.compile(
    r"\b(an?|the|in|of|by|like|style|styled|painting|drawing|art|artwork|effect|look|picture)\b"
)


@vision_tool("style transfer, name or image", returns=Kind.IMAGE, needs=((STYLE, STYLE_FILTER),))
def stylize_image(image: Image.Image, style: str | Image.Image, *, models: Models) -> ToolOutput:
    """Paint the picture in a style.

    Args:
        image: The picture.
        style: The name of a style ("watercolor", "pencil sketch", "starry night", ...), or a picture whose style is
            taken over.
        models: Where the style models come from.

    Returns:
        The picture, same size; transparent where it was transparent.

    Raises:
        ToolError: If the style is not known; the message names the three nearest.
    """
    job, chosen = _choose(style, models)
    painted = edit_colors(image, lambda rgb: _paint(rgb, job, chosen, models))
    manner = f'in the style "{chosen}"' if isinstance(chosen, str) else "in the style of the other picture"
    return ToolOutput(
        painted,
        f"I painted the picture {manner}.",
        models=(models.name(job),),
        uncertain=_differs_from_request(style, chosen),
        facts={"style": chosen} if isinstance(chosen, str) else {},
    )


@stylize_image.check
def is_the_picture_in_a_style(image: Image.Image, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    if made.size != image.size:
        yield f"the result has {made.width}x{made.height} pixels, the picture {image.width}x{image.height}"
        return
    if contrast(image) < _FLAT:  # a flat picture shows no style
        return
    if mean_difference(made, image) < 1:
        yield "the picture looks as it did before"
    elif contrast(made) < _FLAT:
        yield "the picture is flat"


@stylize_image.check
def is_that_style_of_that_picture(
    image: Image.Image, style: str | Image.Image, output: ToolOutput, models: Models
) -> Iterator[str]:
    """A small copy, painted in the style anew, has the same colours in the same places, and edges where it has."""
    made = one_picture(output.value)
    if made.size != image.size or contrast(image) < _FLAT:
        return
    job, chosen = _choose(style, models)
    small = image.copy()
    small.thumbnail((_SECOND_SIDE, _SECOND_SIDE))
    again = edit_colors(small, lambda rgb: _paint(rgb, job, chosen, models))
    small_made, coarse = (flatten(one).resize((12, 12), Image.Resampling.BOX) for one in (made, again))
    apart = mean_difference(small_made, coarse)
    red, green, blue = small_made.split()
    others = (ImageOps.mirror(small_made), ImageOps.flip(small_made), Image.merge("RGB", (blue, green, red)))
    if min(mean_difference(other, coarse) for other in others) < 0.95 * apart - 1:
        yield "the result is the picture in that style, but turned or in wrong colours"
    elif apart > (_FILTERS_APART if job == STYLE_FILTER else _NETWORKS_APART):
        yield "the result is not the picture in that style"
    elif common_structure(made, image) < common_structure(again, image) / 2 - 0.02:
        yield "the picture cannot be recognised in the result"


def _paint(opaque: Image.Image, job: str, chosen: str | Image.Image, models: Models) -> Image.Image:
    if job == STYLE_FILTER and isinstance(chosen, str):
        with models.use(STYLE_FILTER, StyleFilter) as painter:
            return painter.stylize(opaque, chosen)
    with models.use(STYLE, Stylizer) as network:
        return network.stylize(opaque, chosen)


def _choose(style: str | Image.Image, models: Models) -> tuple[str, str | Image.Image]:
    """The job that does a style, and the style by its name there."""
    if not isinstance(style, str):
        if not models.has(STYLE):
            raise ToolError(f"the style of a picture needs a learned model: {models.remedy(STYLE)}")
        return STYLE, visible(style)
    styles = _styles(models)
    wanted = _reduced(style)
    wanted = _reduced(_ALIASES.get(wanted, wanted))
    for name, job in styles.items():
        if wanted and _reduced(name) == wanted:
            return job, name
    nearest = join(_nearest(wanted or style, list(styles), models), "or")
    raise ToolError(f"the style {style[:60]!r} is not known here: the nearest are {nearest}; or give a picture of it")


def _nearest(wanted: str, names: Sequence[str], models: Models) -> list[str]:
    """The three styles that are likest to what was wanted: by what the words mean, else by their letters."""
    if models.has(TEXT_EMBEDDING):
        with models.use(TEXT_EMBEDDING, TextEmbedder) as embedder:
            rows = embedder.embed([wanted, *names])
        order = sorted(range(len(names)), key=lambda i: -float(rows[0] @ rows[i + 1]))
        return [names[i] for i in order[:_OFFERED]]
    return difflib.get_close_matches(wanted, names, n=_OFFERED, cutoff=0.0)


def _styles(models: Models) -> dict[str, str]:
    """Every style that can be done here, with the job that does it."""
    styles: dict[str, str] = {}
    if models.has(STYLE_FILTER):
        with models.use(STYLE_FILTER, StyleFilter) as painter:
            styles |= dict.fromkeys(painter.styles, STYLE_FILTER)
    if models.has(STYLE):
        with models.use(STYLE, Stylizer) as network:
            styles |= {name: STYLE for name in network.styles if name not in styles}
    return styles


def _reduced(name: str) -> str:
    """A style's name without what people put round it: ``In the style of an oil painting`` is ``oil``."""
    plain = (
        name.lower()
        .replace("'s", "")
        .replace("’s", "")
        .replace("colour", "color")
        .replace("-", " ")
        .replace("water color", "watercolor")
    )
    bare = _FILLERS.sub(" ", re.sub(r"[^a-z ]", " ", plain))
    return " ".join(word.removesuffix("s") if len(word) > 4 else word for word in bare.split())


def _differs_from_request(style: str | Image.Image, chosen: str | Image.Image) -> tuple[str, ...]:
    if isinstance(style, str) and "gogh" in style.lower():
        return ("The style has the blue and yellow brush strokes of The Starry Night, not Van Gogh's hand in general.",)
    return ()
