"""Make a picture from words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import IMAGE_TEXT, TEXT_TO_IMAGE, TextToImage
from visiongpt_agent.pictures.likeness import contrast
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._second_look import dead_share, fits_words, is_noise
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool

_SMALLEST: Final = 32
_DEAD: Final = 0.15


@vision_tool("new image from text", returns=Kind.IMAGE, needs=(TEXT_TO_IMAGE,))
def generate_image(prompt: str, *, models: Models) -> ToolOutput:
    """Make a new picture of what the prompt describes; the same prompt gives the same picture.

    Args:
        prompt: What the picture is to show.
        models: Where the image generator comes from.

    Returns:
        A picture of mode RGB.

    Raises:
        ToolError: If the prompt is empty.
    """
    words = " ".join(prompt.split())
    if not words:
        raise ToolError("say what the picture is to show")
    with models.use(TEXT_TO_IMAGE, TextToImage) as generator:
        made = generator.generate(words, seed=0)
    return ToolOutput(made, f'I made a picture for "{words}".', models=(models.name(TEXT_TO_IMAGE),), facts={"seed": 0})


@generate_image.check
def is_a_picture_of_something(output: ToolOutput) -> Iterator[str]:
    # A safety filter's black picture, or a failed half-precision run, is flat.
    made = one_picture(output.value)
    if contrast(made) < 4:
        yield "the picture is flat"
    elif min(made.size) < _SMALLEST:
        yield f"the picture has {made.width}x{made.height} pixels only"
    elif is_noise(made):
        yield "the picture is noise"
    elif dead_share(made) > _DEAD:
        yield Doubt("Parts of the picture are quite empty.")


@generate_image.check
def shows_what_the_prompt_says(prompt: str, output: ToolOutput, models: Models) -> Iterator[str]:
    if not fits_words(one_picture(output.value), prompt, models):
        yield Doubt("A model that compares pictures with words does not see in it what was asked for.")
    elif not models.has(IMAGE_TEXT):
        yield Doubt("Whether the picture shows what was asked for was not checked.")
