"""Removing regions from a picture, or painting something else in their place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import a_
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.transparency import alpha_of, continued, edit_colors, flatten, visible, with_alpha
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._region_edits import blend, edit_problems, grown, named, require_regions
from visiongpt_agent.tools._second_look import CONFIRMED, best_overlap, fits_words
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool

_SEED: Final = 0
_ALPHA_RADIUS: Final = 3
_UNCHECKED: Final = "Whether the new content shows what the prompt says was not checked."
_FLAT: Final = 4.0
_LEFT: Final = 0.5
_STRANGE, _FEW = 12.0, 0.1
_VISIBLE_SEAM: Final = 20.0


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
            raise ToolError(
                f"removing {named(regions)} leaves a gap of {share:.0%} of the picture; {inpainter_name} fills at most "
                f"{limit:.0%} believably, {inpainter.beyond}"
            )
        filled = _filled(image, hole, inpainter)
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


def _filled(image: Image.Image, hole: BoolArray, inpainter: jobs.Inpainter) -> Image.Image:
    """The picture with the hole filled from around it: with colour, and with as much transparency as there is there."""
    import cv2

    if not image.has_transparency_data:
        return inpainter.remove(image.convert("RGB"), hole)
    alpha = alpha_of(image)
    # Else colours of what is removed would go on into the transparent part beside it, and from there into the hole.
    around = with_alpha(continued(image), np.where(hole, np.float32(0), alpha))
    share = np.asarray(alpha * 255 + 0.5, np.uint8)
    gap = cv2.inpaint(share, hole.astype(np.uint8), _ALPHA_RADIUS, cv2.INPAINT_TELEA)
    if not hole.all():  # Telea follows gradients beyond what there is around the hole
        gap = np.clip(gap, share[~hole].min(), share[~hole].max())
    return with_alpha(inpainter.remove(continued(around), hole), np.asarray(gap, np.float32) / np.float32(255))


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
        uncertain=() if models.has(jobs.IMAGE_TEXT) else (_UNCHECKED,),
        facts={"seed": _SEED},
    )


@inpaint.check
def _only_the_hole_changed(image: Image.Image, regions: Regions, output: ToolOutput) -> Iterator[str]:
    yield from edit_problems(image, one_picture(output.value), _hole(regions))


@inpaint.check
def _the_gap_is_filled_from_around_it(
    image: Image.Image, regions: Regions, prompt: str, output: ToolOutput
) -> Iterator[str]:
    """The hole is painted over nearly everywhere; a filling has the colours around it and no seam."""
    after = one_picture(output.value)
    hole = _hole(regions)
    if after.size != image.size or hole.all():
        return
    old, new = (np.asarray(flatten(picture), np.float32) for picture in (image, after))
    if old[hole].std(axis=0).max() > _FLAT and (old[hole] == new[hole]).all(axis=1).mean() > _LEFT:
        yield "much of the regions is as it was"
    if prompt.strip():
        if new[hole].std(axis=0).max() < _FLAT < old[hole].std(axis=0).max():
            yield "the regions were filled with one flat colour"
        return
    ring = grown(hole, max(4, round(min(image.size) * 0.03))) & ~hole
    low, high = (np.quantile(old[ring], share, axis=0) for share in (0.005, 0.995))
    strange = ((new[hole] < low - _STRANGE) | (new[hole] > high + _STRANGE)).any(axis=1).mean()
    if strange > _FEW:
        yield "the filling has colours that there are nowhere around it"
    elif _seam(new, hole) > max(_VISIBLE_SEAM, 2.5 * _seam(new, grown(hole, 4))):
        yield "the filling has a seam where it meets the rest"


@inpaint.check
def _it_shows_the_prompt(regions: Regions, prompt: str, output: ToolOutput, models: Models) -> Iterator[str]:
    """A model that compares pictures with words sees in the painted place what was asked for."""
    if prompt.strip():
        left, top = (int(v) for v in regions.boxes[:, :2].min(axis=0))
        right, bottom = (int(v) for v in regions.boxes[:, 2:].max(axis=0))
        if not fits_words(one_picture(output.value).crop((left, top, right, bottom)), prompt, models):
            yield Doubt("A model that compares pictures with words does not see there what was asked for.")


@inpaint.check
def _it_is_no_longer_found(regions: Regions, prompt: str, output: ToolOutput, models: Models) -> Iterator[str]:
    """A detector no longer finds the removed things where they were."""
    if prompt.strip() or not any(regions.labels):
        return
    after = visible(one_picture(output.value))
    seen = _found_again(after, regions, models)
    for label in dict.fromkeys(regions.labels):
        same = seen.select([i for i, name in enumerate(seen.labels) if name == label])
        wanted = regions.select([i for i, name in enumerate(regions.labels) if name == label])
        if (best_overlap(wanted, same) >= CONFIRMED).any():
            yield Doubt(f"Something that looks like {a_(label)} is still seen where it was removed.")


def _found_again(picture: Image.Image, regions: Regions, models: Models) -> Regions:
    if models.has(jobs.DETECTION_OPEN_VOCABULARY):
        words = [label for label in dict.fromkeys(regions.labels) if label]
        with models.use(jobs.DETECTION_OPEN_VOCABULARY, jobs.OpenVocabularyDetector) as by_words:
            return by_words.detect(picture, words, threshold=by_words.threshold)
    if models.has(jobs.DETECTION_CLOSED):
        with models.use(jobs.DETECTION_CLOSED, jobs.ClosedDetector) as detector:
            return detector.detect(picture, threshold=detector.threshold)
    return Regions(picture.size)


def _seam(pixels: FloatArray, mask: BoolArray) -> float:
    """Median step of colour, 0 to 255, from just inside a mask to just outside it."""
    steps = []
    for axis in (0, 1):
        crossing = np.diff(mask.astype(np.int8), axis=axis) != 0
        steps.append(np.abs(np.diff(pixels, axis=axis)).max(axis=2)[crossing])
    together = np.concatenate(steps)
    return float(np.median(together)) if together.size else 0.0
