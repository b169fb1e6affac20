"""Make a picture from words."""

from __future__ import annotations

from collections.abc import Iterator

from visiongpt_agent.errors import ToolError
from visiongpt_agent.likeness import contrast
from visiongpt_agent.models.jobs import TEXT_TO_IMAGE, TextToImage
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool


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
    if contrast(one_picture(output.value)) < 4:
        yield "the picture is flat"
