"""What the tools that edit regions share: naming what they edited, checking what they touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import count_phrase, join
from visiongpt_agent.language.vocabulary import is_stuff
from visiongpt_agent.pictures.transparency import without_hidden
from visiongpt_agent.regions import BoolArray, FloatArray, Regions

_CELLS: Final = 3

MOSTLY: Final = 0.995
"""Share of the pixels outside the regions that an edit must leave exactly as they were."""


def named(regions: Regions) -> str:
    """The regions in words, by label in order of appearance: ``two faces and one dog``; of stuff, ``the sky``."""
    counts = Counter(label or "region" for label in regions.labels)
    return join([f"the {n}" if count == 1 and is_stuff(n) else count_phrase(count, n) for n, count in counts.items()])


def require_regions(regions: Regions, action: str) -> None:
    """Refuse to work on nothing.

    Raises:
        ToolError: If there is no region; ``action`` completes "there is nothing to ...".
    """
    if not len(regions):
        raise ToolError(f"there is nothing to {action}: no region was found")


def blend(before: Image.Image, after: Image.Image, weight: FloatArray) -> Image.Image:
    """``after`` over ``before`` (RGB, same size) by ``weight``, ``(H, W)``, 0 to 1; weight 0 leaves a pixel exact."""
    old, new = np.asarray(before, np.float32), np.asarray(after, np.float32)
    mixed = old + (new - old) * weight[:, :, None]
    return Image.fromarray(np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8))


def grown(mask: BoolArray, pixels: int) -> BoolArray:
    """The mask and all within ``pixels`` of it."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), np.bool_)


def changed_pixels(before: Image.Image, after: Image.Image) -> BoolArray:
    """Which pixels differ to the eye in any channel, bool ``(H, W)``; the pictures must have the same size."""
    one, other = (np.asarray(without_hidden(image.convert("RGBA")).convert("RGBA")) for image in (before, after))
    return np.asarray((one != other).any(axis=2), np.bool_)


def edit_problems(
    before: Image.Image, after: Image.Image, editable: BoolArray, *, must_change: bool = True
) -> Iterator[str]:
    """What is wrong with an edit that may change a mask's inside, and next to nothing outside it.

    Args:
        before: The picture that was handed in.
        after: The picture that was made.
        editable: Where the edit was allowed to work, bool ``(H, W)``.
        must_change: Whether a picture that is the same inside the mask is wrong, too.
    """
    if after.size != before.size:
        yield f"the picture has {after.width}x{after.height} pixels instead of {before.width}x{before.height}"
        return
    changed = changed_pixels(before, after)
    if must_change and not changed[editable].any():
        yield "nothing changed inside the regions"
    outside = ~editable
    if outside.any() and changed[outside].mean() > 1 - MOSTLY:
        yield f"{changed[outside].mean():.1%} of the pixels outside the regions changed"


def colours_kept(before: Image.Image, after: Image.Image, part: BoolArray) -> float:
    """How far the mean colour of a part has moved, 0 to 255: a blur keeps it, another picture or a flat fill does not.

    Looked at in 3 by 3 cells of the part's box, so that what is on its left stays on its left.
    """
    import cv2

    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    frame = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    weight = part[frame].astype(np.float32)
    size = min(_CELLS, weight.shape[1]), min(_CELLS, weight.shape[0])
    shares = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    moved = np.zeros((size[1], size[0]), np.float32)
    for channel in range(3):
        values = [np.asarray(picture.convert("RGB"), np.float32)[frame][..., channel] for picture in (before, after)]
        change = cv2.resize((values[1] - values[0]) * weight, size, interpolation=cv2.INTER_AREA)
        moved += np.abs(change) / 3
    return float(moved.sum() / max(float(shares.sum()), 1e-6))
