"""Make a picture from words that keeps the structure of another."""

from __future__ import annotations

from collections.abc import Iterator
from colorsys import hsv_to_rgb
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageDraw

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import CONTROL, DEPTH, POSE, ControlledGenerator
from visiongpt_agent.pictures.likeness import common_structure, contrast, mean_difference
from visiongpt_agent.pictures.transparency import flatten
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._second_look import dead_share, fits_words, is_noise, turned_or_moved
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool
from visiongpt_agent.tools.estimate_depth import depth_map
from visiongpt_agent.tools.estimate_pose import estimate_pose

_SIDE: Final = 768
_DEAD: Final = 0.1
_JOINTS: Final = (
    *("nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist"),
    *("right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle"),
    *("right eye", "left eye", "right ear", "left ear"),
)
_BONES: Final = (
    *(("neck", "right shoulder"), ("neck", "left shoulder"), ("right shoulder", "right elbow")),
    *(("right elbow", "right wrist"), ("left shoulder", "left elbow"), ("left elbow", "left wrist")),
    *(("neck", "right hip"), ("right hip", "right knee"), ("right knee", "right ankle")),
    *(("neck", "left hip"), ("left hip", "left knee"), ("left knee", "left ankle")),
    *(
        ("neck", "nose"),
        ("nose", "right eye"),
        ("right eye", "right ear"),
        ("nose", "left eye"),
        ("left eye", "left ear"),
    ),
)


@vision_tool("new image keeping edges, depth or pose", returns=Kind.IMAGE, needs=(CONTROL,), opaque=True)
def generate_with_control(
    image: Image.Image, prompt: str, control: Literal["edges", "depth", "pose"] = "edges", *, models: Models
) -> ToolOutput:
    """Make a new picture of what the prompt describes over the edges, the depth or the pose of this one.

    Args:
        image: The picture whose structure is kept.
        prompt: What the new picture is to show.
        control: What is kept of the picture.
        models: Where the generator, and for depth and pose their models, come from.

    Returns:
        A picture of mode RGB, same size.

    Raises:
        ToolError: If the prompt is empty, the models for this control are not here, or there is nothing to keep.
    """
    words = " ".join(prompt.split())
    if not words:
        raise ToolError("say what the new picture is to show")
    with models.use(CONTROL, ControlledGenerator) as generator:
        controls = generator.controls
    if control not in controls:
        raise ToolError(f"{models.name(CONTROL)} keeps {' or '.join(controls)}, not {control}")
    structure, used = _structure(flatten(image), control, models)
    with models.use(CONTROL, ControlledGenerator) as generator:
        made = generator.generate(structure, words, control=control, seed=0)
    return ToolOutput(
        made,
        f'I made a new picture for "{words}" that keeps the {control} of this one.',
        models=(*used, models.name(CONTROL)),
        facts={"seed": 0, "control": control},
    )


@generate_with_control.check
def is_new_and_keeps_the_structure(image: Image.Image, control: str, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    if made.size != image.size:
        yield f"the result has {made.width}x{made.height} pixels, the picture {image.width}x{image.height}"
        return
    if contrast(made) < 4:
        yield "the picture is flat"
    elif mean_difference(made, image) < 1:
        yield "the picture looks as it did before"
    elif is_noise(made) and not is_noise(image):
        yield "the picture is noise"
    elif dead_share(made) > dead_share(image) + _DEAD:
        yield "a part of the result is empty"
    elif control == "edges" and turned_or_moved(made, image):
        yield Doubt(f"The edges of the picture may have been {turned_or_moved(made, image)}.")
    elif control == "edges" and contrast(image) > 4 and common_structure(made, image) < 0.15:
        yield "the edges of the picture are not kept"


@generate_with_control.check
def shows_what_the_prompt_says(prompt: str, output: ToolOutput, models: Models) -> Iterator[str]:
    if not fits_words(one_picture(output.value), prompt, models):
        yield Doubt("A model that compares pictures with words does not see in it what was asked for.")


def _structure(image: Image.Image, control: str, models: Models) -> tuple[Image.Image, tuple[str, ...]]:
    """What is kept of a picture, drawn as the generator wants it, and the models that found it."""
    if control == "edges":
        return edges(image), ()
    job = DEPTH if control == "depth" else POSE
    if not models.has(job):
        raise ToolError(f"the {control} of a picture cannot be found here: {models.remedy(job)}")
    if control == "depth":
        return depth_map(image, models), (models.name(DEPTH),)
    found = estimate_pose(image, models=models)
    people = found.facts.get("keypoints", [])
    if not any(people):
        raise ToolError("there is nobody in the picture whose pose could be kept")
    return skeletons(people, image.size), found.models


def edges(image: Image.Image) -> Image.Image:
    """White edges on black, same size (Canny 1986), the thresholds at 0.66 and 1.33 of the median brightness.

    Those of a large picture are found in a small copy: lines of one pixel would be lost when a model reduces them.
    """
    import cv2

    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    grey = cv2.cvtColor(np.asarray(small), cv2.COLOR_RGB2GRAY)
    middle = max(30.0, float(np.median(np.asarray(grey))))
    drawn = Image.fromarray(np.asarray(cv2.Canny(grey, 0.66 * middle, 1.33 * middle), np.uint8))
    return drawn.resize(image.size, Image.Resampling.NEAREST).convert("RGB")


def skeletons(people: list[list[dict[str, float | str]]], size: tuple[int, int]) -> Image.Image:
    """Joints drawn as OpenPose draws them (Cao et al., CVPR 2017), the hue telling bones and joints apart."""
    canvas = Image.new("RGB", size)
    draw = ImageDraw.Draw(canvas)
    radius = max(1, round(min(size) / 128))
    for joints in people:
        places = _with_neck({str(joint["name"]): (float(joint["x"]), float(joint["y"])) for joint in joints})
        for number, (start, end) in enumerate(_BONES):
            if start in places and end in places:
                draw.line([places[start], places[end]], fill=_hue(number, 0.6), width=2 * radius)
        for number, name in enumerate(_JOINTS):
            if name in places:
                draw.circle(places[name], radius, fill=_hue(number, 1.0))
    return canvas


def _with_neck(places: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """COCO has no neck; OpenPose has it midway between the shoulders."""
    left, right = places.get("left shoulder"), places.get("right shoulder")
    if left and right:
        places["neck"] = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    return places


def _hue(number: int, brightness: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * share) for share in hsv_to_rgb(number / len(_JOINTS), 1, brightness))
    return red, green, blue
