"""Removing regions from a picture, or painting something else in their place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.tools.base import Models, ToolOutput, one_picture, vision_tool
from visiongpt_agent.tools.region_edits import blend, edit_colors, edit_problems, grown, named, require_regions

_SEED: Final = 0


@vision_tool("remove regions, or replace by prompt", returns=Kind.IMAGE, needs=[jobs.INPAINT_REMOVE])
def inpaint(image: Image.Image, regions: Regions, prompt: str = "", *, models: Models) -> ToolOutput:
    """Remove regions from a picture and fill the gap from around it, or paint what a prompt describes in their place.

    Args:
        image: The picture, RGB or RGBA.
        regions: What to remove; best with masks, else whole boxes are filled.
        prompt: What to paint there instead; empty to remove only.
        models: Gives ``editing.inpaint_remove``, and ``editing.inpaint_replace`` where there is a prompt.

    Raises:
        ToolError: If there is no region, the regions are too large for the model that is here, or there is a prompt and
            no model that can paint it.
    """
    require_regions(regions, "replace" if prompt.strip() else "remove")
    hole = _hole(regions)
    if hole.all():
        raise ToolError("the regions cover the whole picture: nothing would be left to fill them from")
    if prompt.strip():
        return _replace(image, regions, hole, prompt.strip(), models)
    return _remove(image, regions, hole, models)


def _hole(regions: Regions) -> BoolArray:
    """The regions and a little more, so that no rim of the old thing stays."""
    return grown(regions.union_mask(), max(2, round(min(regions.size) * 0.01)))


def _remove(image: Image.Image, regions: Regions, hole: BoolArray, models: Models) -> ToolOutput:
    inpainter_name = models.name(jobs.INPAINT_REMOVE)
    share = float(regions.union_mask().mean())
    with models.use(jobs.INPAINT_REMOVE, jobs.Inpainter) as inpainter:
        limit = inpainter.max_share
        if share > limit:
            better = models.remedy(jobs.INPAINT_REPLACE)
            raise ToolError(
                f"removing {named(regions)} leaves a gap of {share:.0%} of the picture; {inpainter_name} fills at most "
                f"{limit:.0%} believably, more needs a neural inpainting model" + (f"; {better}" if better else "")
            )
        filled = edit_colors(image, lambda rgb: inpainter.remove(rgb, hole))
    uncertain: tuple[str, ...] = ()
    if share > limit / 2:
        uncertain = (f"The gap took up {share:.0%} of the picture: the filling may look smeared.",)
    return ToolOutput(
        filled,
        f"I removed {named(regions)} and filled the gap from around it.",
        models=(inpainter_name,),
        uncertain=uncertain,
        facts={"share": round(share, 4)},
    )


def _replace(image: Image.Image, regions: Regions, hole: BoolArray, prompt: str, models: Models) -> ToolOutput:
    if not models.has(jobs.INPAINT_REPLACE):
        remedy = models.remedy(jobs.INPAINT_REPLACE)
        raise ToolError(f'painting "{prompt}" into a picture needs a diffusion inpainting model: {remedy}')

    def paint(rgb: Image.Image) -> Image.Image:
        with models.use(jobs.INPAINT_REPLACE, jobs.PromptInpainter) as painter:
            painted = painter.replace(rgb, hole, prompt, seed=_SEED)
        return blend(rgb, painted, hole.astype(np.float32))  # diffusion decoders shift colours everywhere

    return ToolOutput(
        edit_colors(image, paint),
        f'I replaced {named(regions)} with "{prompt}".',
        models=(models.name(jobs.INPAINT_REPLACE),),
        uncertain=("Whether the new content shows what the prompt says was not checked.",),
        facts={"seed": _SEED},
    )


@inpaint.check
def _only_the_hole_changed(image: Image.Image, regions: Regions, output: ToolOutput) -> Iterator[str]:
    yield from edit_problems(image, one_picture(output.value), _hole(regions))
