"""Change a picture as an instruction says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import INSTRUCT, InstructEditor
from visiongpt_agent.pictures.likeness import common_structure, contrast, mean_difference
from visiongpt_agent.pictures.transparency import edit_colors
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._second_look import dead_share, fits_words, is_noise, turned_or_moved
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool

_RECOGNISED: Final = 0.25
_DEAD: Final = 0.1


@vision_tool("free-form edit by instruction", returns=Kind.IMAGE, needs=(INSTRUCT,))
def edit_image(image: Image.Image, instruction: str, *, models: Models) -> ToolOutput:
    """Change the whole picture as an instruction says: "make it winter", "turn day to night".

    Args:
        image: The picture.
        instruction: What to change.
        models: Where the editor comes from.

    Returns:
        The picture, same size; transparent where it was transparent.

    Raises:
        ToolError: If the instruction is empty.
    """
    words = " ".join(instruction.split())
    if not words:
        raise ToolError("say what is to be changed")
    with models.use(INSTRUCT, InstructEditor) as editor:
        made = edit_colors(image, lambda rgb: editor.edit(rgb, words, seed=0))
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
    elif is_noise(made) and not is_noise(image):
        yield "the picture is noise"
    elif dead_share(made) > dead_share(image) + _DEAD:
        yield "a part of the result is empty"
    elif turned_or_moved(made, image):
        # A person may have asked for that.
        yield Doubt(f"The picture may have been {turned_or_moved(made, image)}.")
    elif contrast(image) > 4 and common_structure(made, image) < _RECOGNISED:
        yield Doubt("Hardly anything of the picture can be recognised in the result.")


@edit_image.check
def shows_what_was_asked_for(instruction: str, output: ToolOutput, models: Models) -> Iterator[str]:
    if not fits_words(one_picture(output.value), instruction, models):
        yield Doubt("A model that compares pictures with words does not see in it what was asked for.")
