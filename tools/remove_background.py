"""Cut out what a picture is of, or regions of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND, ForegroundSegmenter
from visiongpt_agent.pictures.likeness import contrast
from visiongpt_agent.pictures.matting import foreground_colors
from visiongpt_agent.pictures.transparency import alpha_of, continued, flatten, visible, with_alpha
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._region_edits import grown, named, require_regions
from visiongpt_agent.tools._second_look import misplaced
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, one_picture, vision_tool

_PLAUSIBLE: Final = (0.005, 0.98)
_FLAT: Final = 2.0
_AROUND: Final = 0.15
_OPAQUE: Final = 250
_SOFT, _EDGE = 0.8, 4
"""Standard deviation, in pixels, by which the edge of a region is softened, and how far that reaches."""
_HESITANT: Final = 0.4
_MOSTLY_CLEAR, _SAME = 0.75, 0.8
"""Share of the border that is transparent in a cut-out, and of what shows in one that is its foreground again."""


@dataclass(frozen=True)
class Cutout:
    """A foreground by itself.

    Attributes:
        colors: Its own colours, freed of the background, float32 ``(H, W, 3)`` from 0 to 255.
        alpha: How much of it shows, float32 ``(H, W)`` from 0 to 1.
        models: What found it; none where what shows of a transparent picture is the foreground.
        uncertain: What may be wrong with it.
    """

    colors: FloatArray
    alpha: FloatArray
    models: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Share of the picture that is foreground, 0 to 1."""
        return float((self.alpha > 0.5).mean())


def cut_out(image: Image.Image, models: Models) -> Cutout:
    """Find the foreground of a picture.

    Raises:
        ToolError: If nothing stands out, or nothing is left for a background.
    """
    opaque = visible(image)
    if contrast(opaque) < _FLAT:
        raise ToolError("the picture is one flat colour, so nothing stands out from a background")
    with models.use(SEGMENTATION_FOREGROUND, ForegroundSegmenter) as segmenter:
        matte, caveat = segmenter.matte(opaque), segmenter.caveat
    uncertain = [caveat] if caveat else []
    hesitant = float(((matte > 0.1) & (matte < 0.9)).sum())
    if hesitant > _HESITANT * float((matte > 0.5).sum()):
        uncertain.append("Large parts are half transparent: it is not clear there what belongs to the foreground.")
    # The lesser of the two, not their product: a soft rim that is in both is no softer for it.
    found = Cutout(
        foreground_colors(continued(image), matte),
        np.minimum(matte, alpha_of(image)),
        (models.name(SEGMENTATION_FOREGROUND),),
        tuple(uncertain),
    )
    if found.share < _PLAUSIBLE[0]:
        raise ToolError("no foreground stands out in this picture; name the thing and have it segmented instead")
    if found.share > _PLAUSIBLE[1]:
        raise ToolError("the foreground fills the whole picture, so there is no background to take away")
    return found


def is_cut_out(image: Image.Image) -> bool:
    """Whether a picture is of something on a transparent ground: along its border hardly anything shows."""
    alpha = alpha_of(image)
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    return bool((border < 0.5).mean() > _MOSTLY_CLEAR)


@vision_tool("cut out the foreground", returns=Kind.IMAGE, needs=(SEGMENTATION_FOREGROUND,))
def remove_background(image: Image.Image, regions: Regions | None = None, *, models: Models) -> ToolOutput:
    """Cut out what the picture is of, or the regions that are given, and make the rest transparent.

    Args:
        image: The picture.
        regions: What to cut out: along the masks where there are any, else along the boxes; by default the foreground.
        models: Where the segmenter comes from.

    Returns:
        A picture of mode RGBA, same size, with soft edges; colours at the rim are freed of the old background. A
        picture whose background is transparent already comes back as it is.

    Raises:
        ToolError: If nothing stands out, there is no region, or nothing is left for a background.
    """
    if regions is not None:
        return _cut_out_regions(image, regions)
    found = cut_out(image, models)
    if is_cut_out(image) and found.share > _SAME * float((alpha_of(image) > 0.5).mean()):
        return ToolOutput(
            image, "The background is transparent already.", facts={"foreground_share": round(found.share, 3)}
        )
    return ToolOutput(
        with_alpha(Image.fromarray((found.colors + 0.5).astype(np.uint8)), found.alpha),
        "I cut out the foreground; the background is transparent.",
        models=found.models,
        uncertain=found.uncertain,
        facts={"foreground_share": round(found.share, 3)},
    )


def _cut_out_regions(image: Image.Image, regions: Regions) -> ToolOutput:
    import cv2

    require_regions(regions, "cut out")
    mask = regions.union_mask()
    if mask.all():
        raise ToolError("the regions cover the whole picture, so there is no background to take away")
    soft = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SOFT), np.float32)
    matte = np.where(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, 1, soft).astype(np.float32)
    colors = Image.fromarray((foreground_colors(continued(image), matte) + 0.5).astype(np.uint8))
    boxed = () if regions.outlined.all() else ("What has no outline was cut out along its box.",)
    return ToolOutput(
        with_alpha(colors, np.minimum(matte, alpha_of(image))),
        f"I cut out {named(regions)}; the rest is transparent.",
        uncertain=boxed,
        facts={"foreground_share": round(float(mask.mean()), 3)},
    )


@remove_background.check
def is_a_cut_out(image: Image.Image, regions: Regions | None, output: ToolOutput) -> Iterator[str]:
    made = one_picture(output.value)
    if made.size != image.size:
        yield f"the cut-out has {made.width}x{made.height} pixels, the picture {image.width}x{image.height}"
        return
    if made.mode != "RGBA":
        yield "the result has no transparency"
        return
    pixels = np.asarray(made)
    share = float((pixels[..., 3] > 127).mean())
    if regions is not None:
        yield from _not_along(image, regions, pixels[..., 3])
    elif not _PLAUSIBLE[0] <= share <= _PLAUSIBLE[1]:
        yield f"{share:.0%} of the picture is left, which is no plausible foreground"
    kept = pixels[..., 3] >= _OPAQUE
    before = np.asarray(flatten(image), np.int16)
    if kept.any() and np.abs(pixels[..., :3][kept] - before[kept]).mean() > 2:
        yield "the foreground does not look as it did in the picture"


def _not_along(image: Image.Image, regions: Regions, alpha: npt.NDArray[np.uint8]) -> Iterator[str]:
    """What speaks against an alpha, uint8 ``(H, W)``, as that of regions: more shows than they, or less."""
    mask, before = regions.union_mask(), alpha_of(image) * 255
    inner = ~grown(~mask, _EDGE)
    if (np.abs(alpha - before)[inner] > 1).any():
        yield "a part of the regions was cut away"
    if (alpha[~grown(mask, _EDGE)] > 0).any():
        yield "something beside the regions was kept"


@remove_background.check
def is_what_the_picture_is_of(image: Image.Image, regions: Regions | None, output: ToolOutput) -> Iterator[str]:
    """The outline lies on edges of the picture, and what is kept is not what runs along its borders."""
    made = one_picture(output.value)
    if regions is not None or made.size != image.size or made.mode != "RGBA":
        return
    kept = np.asarray(made)[..., 3] > 127
    yield from misplaced_foreground(image, kept)


def misplaced_foreground(image: Image.Image, kept: BoolArray) -> Iterator[str]:
    """What speaks against a mask, bool ``(H, W)``, as that of the foreground."""
    if kept.any() and misplaced(visible(image), kept):
        yield "the outline of the foreground lies beside it"
    rim = np.ones_like(kept)
    edge = max(1, round(0.04 * min(kept.shape)))
    rim[edge:-edge, edge:-edge] = False
    height, width = kept.shape
    middle = kept[height // 4 : -height // 4 or None, width // 4 : -width // 4 or None]
    if middle.size and kept[rim].mean() > middle.mean() + _AROUND:
        yield Doubt("What was kept runs along the borders of the picture rather than in its middle.")
