"""Which of several things a noun means: by the colour or by the place that its phrase names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.language.english import place_of, plural
from visiongpt_agent.language.vocabulary import Fit, Noun
from visiongpt_agent.pictures.colors import RGB, name_color, parse_color
from visiongpt_agent.regions import Regions

_CLEARLY: Final = 0.15
_HARDLY: Final = 0.04
_EVERYWHERE: Final = ("black", "white", "grey", "beige", "brown")
"""Shadows, lights and skin have these colours too, so that their share says little."""


def by_colour(noun: Noun, found: Regions, picture: Image.Image) -> tuple[Regions, bool]:
    """Keep the things of the colour that the noun is given, where some clearly have it and all others clearly not.

    Clear is 15 % of the inner box in any shade of the colour, clearly not is less than 4 %. People are not judged:
    "red" may be their hair or their coat. That none looks so is no proof: a cup's inner box is mostly coffee.

    Returns:
        The regions, and whether the colour was judged.
    """
    colour = parse_color(noun.attribute) if noun.attribute else None
    if colour is None or noun.fit is not Fit.SAME or not len(found) or "person" in noun.classes:
        return found, False
    family = _family(colour)
    if family in _EVERYWHERE:
        return found, False
    shares = np.array([_share(picture, box, family) for box in found.boxes])
    clear = shares >= _CLEARLY
    if clear.any() and (clear | (shares < _HARDLY)).all():
        return found.select(clear), True
    return found, False


def _family(colour: RGB) -> str:
    return name_color(colour).split()[-1]  # dark red and light red are red


def _share(picture: Image.Image, box: Sequence[float], family: str) -> float:
    """The share, 0 to 1, of the inner 60 % of a box that has a shade of a colour."""
    x1, y1, x2, y2 = (float(v) for v in box)
    inner = (0.8 * x1 + 0.2 * x2, 0.8 * y1 + 0.2 * y2, 0.2 * x1 + 0.8 * x2, 0.2 * y1 + 0.8 * y2)
    sample = np.asarray(picture.resize((16, 16), Image.Resampling.BOX, box=inner)).reshape(-1, 3)
    return float(np.mean([_family((int(r), int(g), int(b))) == family for r, g, b in sample]))


def by_place(noun: Noun, found: Regions) -> tuple[Regions, tuple[str, ...]]:
    """Keep the one thing that is most at the noun's place; for a plural, all that are in that half or middle third.

    Returns:
        The regions; sentences on what speaks against them.
    """
    if not noun.place or not len(found):
        return found, ()
    distance = _distance(noun.place, found)
    if noun.many:
        within = distance < (1 / 6 if noun.place == "middle" else 0.5)
        told = () if within.any() else (f"The {plural(noun.name)} that I found are elsewhere in the picture.",)
        return found.select(within), told
    chosen = found.select([int(distance.argmin())])
    elsewhere = len(found) == 1 and noun.place in ("left", "right", "top", "bottom") and distance.min() > 0.5
    told = (f"The only {noun.name} that I found is {place_of(chosen.boxes[0], found.size)}.",) if elsewhere else ()
    return chosen, told


def _distance(place: str, found: Regions) -> npt.NDArray[np.float64]:
    """How far each region is from a place, 0 to 1 of the picture; for sizes, how far from the extreme one."""
    width, height = found.size
    x = (found.boxes[:, 0] + found.boxes[:, 2]).astype(np.float64) / (2 * width)
    y = (found.boxes[:, 1] + found.boxes[:, 3]).astype(np.float64) / (2 * height)
    size = found.areas.astype(np.float64) / found.areas.max()
    if place == "middle":
        return np.asarray(np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)))
    distances = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y, "largest": 1 - size, "smallest": size}
    return np.asarray(distances[place])
