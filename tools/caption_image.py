"""Say what a picture shows."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.images import flatten
from visiongpt_agent.models.jobs import CAPTION, Captioner
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import Models, ToolOutput, vision_tool


@vision_tool("describe the image", returns=Kind.TEXT, needs=(CAPTION,))
def caption_image(image: Image.Image, *, models: Models) -> ToolOutput:
    """Describe what the picture shows in one sentence.

    Args:
        image: The picture.
        models: Where the captioner comes from.

    Returns:
        The caption as a sentence.

    Raises:
        ToolError: If the model finds no words.
    """
    with models.use(CAPTION, Captioner) as captioner:
        caption = captioner.caption(flatten(image)).strip(" .")
    if not caption:
        raise ToolError("the captioning model found no words for this picture; ask a question about it instead")
    sentence = f"{caption[0].upper()}{caption[1:]}."
    return ToolOutput(sentence, f"The picture shows this: {caption}.", models=(models.name(CAPTION),))


@caption_image.check
def is_a_sentence(output: ToolOutput) -> Iterator[str]:
    words = str(output.value).lower().strip(" .").split()
    if not words:
        yield "the caption is empty"
    elif len(words) >= 6 and len(set(words)) <= len(words) / 3:
        yield "the caption repeats itself"
