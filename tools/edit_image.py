"""Change a picture as an instruction says."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.images import flatten
from visiongpt_agent.likeness import contrast, mean_difference
from visiongpt_agent.models.jobs import INSTRUCT, InstructEditor
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool


@vision_tool("free-form edit by instruction", returns=Kind.IMAGE, needs=(INSTRUCT,))
def edit_image(image: Image.Image, instruction: str, *, models: Models) -> ToolOutput:
    """Change the whole picture as an instruction says: "make it winter", "turn day to night".

    Args:
        image: The picture.
        instruction: What to change.
        models: Where the editor comes from.

    Returns:
        A picture of mode RGB, same size.

    Raises:
        ToolError: If the instruction is empty.
    """
    words = " ".join(instruction.split())
    if not words:
        raise ToolError("say what is to be changed")
    with models.use(INSTRUCT, InstructEditor) as editor:
        made = editor.edit(flatten(image), words, seed=0)
    return ToolOutput(
        made, f'I edited the picture by the instruction "{words}".', models=(models.name(INSTRUCT),), facts={"seed": 0}
    )


@edit_image.check
def is_the_picture_changed(image: Image.Image, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    if made.size != image.size:
        yield f"the result has {made.width}x{made.height} pixels, the picture {image.width}x{image.height}"
        return
    if mean_difference(made, image) < 1:
        yield "the picture looks as it did before"
    if contrast(image) > 4 and contrast(made) < 4:
        yield "the picture is flat"
