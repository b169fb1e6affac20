"""Tell near from far."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from visiongpt_agent.models.jobs import DEPTH, DepthEstimator
from visiongpt_agent.pictures.likeness import contrast
from visiongpt_agent.pictures.transparency import flatten
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool

_AGREES, _RESEMBLES = 0.85, 0.5
"""Correlation with the depth of the mirror image from which the depth is believed, and from which only doubted."""

_SURELY, _FAR_OFF = 0.95, 0.8


@vision_tool("depth map", returns=Kind.IMAGE, needs=(DEPTH,), opaque=True)
def estimate_depth(image: Image.Image, *, models: Models) -> ToolOutput:
    """Estimate how near each part of the picture is.

    Args:
        image: The picture.
        models: Where the depth model comes from.

    Returns:
        A grey picture of mode RGB, same size: white is nearest, black farthest. It is relative, in no unit of length.
    """
    return ToolOutput(
        depth_map(image, models),
        "I estimated the depth: bright parts are near, dark parts far.",
        models=(models.name(DEPTH),),
    )


def depth_map(image: Image.Image, models: Models) -> Image.Image:
    """The depth of a picture as a grey picture of mode RGB, white nearest."""
    with models.use(DEPTH, DepthEstimator) as estimator:
        near = estimator.depth(flatten(image))
    return Image.fromarray((np.clip(near, 0, 1) * 255 + 0.5).astype(np.uint8)).convert("RGB")


@estimate_depth.check
def is_a_depth_map(image: Image.Image, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    if made.size != image.size:
        yield f"the depth map has {made.width}x{made.height} pixels, the picture {image.width}x{image.height}"
    if contrast(made) < 2:
        yield "the depth map says that everything is equally far"
    pixels = np.asarray(made.convert("RGB"), np.int16)
    if np.ptp(pixels, axis=2).max() > 3:
        yield "the depth map is not grey"


def _worst_part(one: FloatArray, other: FloatArray) -> float:
    """How far two depths of 64 by 64 cells differ in the worst ninth, each in its own standard deviations."""
    off = np.abs((one - one.mean()) / one.std() - (other - other.mean()) / other.std()).reshape(64, 64)
    return max(float(part.mean()) for rows in np.array_split(off, 3) for part in np.array_split(rows, 3, axis=1))


@estimate_depth.check
def is_the_same_mirrored(image: Image.Image, output: ToolOutput, models: Models) -> Iterator[str]:
    """In the mirror image the same things are near and far."""
    made = one_picture(output.value)
    if made.size != image.size or contrast(made) < 2:
        return
    again = ImageOps.mirror(depth_map(ImageOps.mirror(flatten(image)), models))
    one, other = (np.asarray(picture.convert("L").resize((64, 64)), np.float32).ravel() for picture in (made, again))
    alike = float(np.corrcoef(one, other)[0, 1]) if other.std() > 0 else 0.0
    if alike < _RESEMBLES or (alike < _SURELY and _worst_part(one, other) > _FAR_OFF):
        yield "in the mirror image other things are near and far"
    elif alike < _AGREES:
        yield Doubt("A second look does not quite agree on what is near and what is far.")
