"""The outlines of masks, for formats and pages that draw polygons."""

from __future__ import annotations

from typing import Any

import numpy as np

from visiongpt_agent.regions import BoolArray

Polygon = list[tuple[float, float]]


def polygons(mask: BoolArray) -> tuple[list[Polygon], bool]:
    """The outlines of a mask and whether they leave out holes.

    Args:
        mask: bool ``(H, W)``.

    Returns:
        Corners ``(x, y)`` in pixels of each connected part, the largest first; parts too small for an area (less than
        three corners) are left out. And whether the mask has holes, which outlines cannot tell.
    """
    import cv2

    # On a picture twice as large outlines run along the edges of pixels, not through their centres.
    enlarged = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, hierarchy = cv2.findContours(enlarged, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents: list[Any] = [] if hierarchy is None else hierarchy[0][:, 3].tolist()
    outer = [contour for contour, parent in zip(contours, parents, strict=True) if parent < 0 and len(contour) >= 3]
    outer.sort(key=cv2.contourArea, reverse=True)
    corners = [[((x + 0.5) / 2, (y + 0.5) / 2) for x, y in contour[:, 0].tolist()] for contour in outer]
    return corners, any(parent >= 0 for parent in parents)
