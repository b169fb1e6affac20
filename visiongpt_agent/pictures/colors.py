"""Colour words and what they look like: words to sRGB, and sRGB back to a plain word.

:func:`parse_color` knows the CSS colour names, names that people use beyond them (``sage green``, ``mustard``),
finishes and modifiers (``matte black``, ``pale blue``, ``reddish brown``) and hexadecimal notation; :func:`name_color`
says which plain colour something is nearest to as people see it (distance in CIELAB, CIE 15).
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from functools import cache
from typing import Final

RGB = tuple[int, int, int]
"""sRGB, each channel from 0 to 255."""

_PLAIN: Final[Mapping[str, RGB]] = {
    "black": (0, 0, 0),
    "dark grey": (80, 80, 80),
    "grey": (128, 128, 128),
    "light grey": (205, 205, 205),
    "white": (255, 255, 255),
    "red": (230, 20, 20),
    "dark red": (120, 10, 15),
    "orange": (250, 140, 20),
    "brown": (120, 70, 30),
    "beige": (225, 205, 170),
    "yellow": (250, 230, 30),
    "olive": (115, 115, 20),
    "green": (30, 150, 40),
    "light green": (140, 230, 140),
    "dark green": (5, 85, 20),
    "lime green": (50, 235, 40),
    "turquoise": (64, 224, 208),
    "teal": (0, 128, 128),
    "light blue": (150, 205, 240),
    "blue": (20, 70, 225),
    "dark blue": (5, 10, 100),
    "purple": (125, 30, 150),
    "light purple": (190, 150, 225),
    "magenta": (255, 0, 255),
    "pink": (255, 150, 190),
}
"""The colours that :func:`name_color` tells apart."""

_NAMED: Final[Mapping[str, RGB]] = {
    "amber": (255, 191, 0),
    "amethyst": (153, 102, 204),
    "apricot": (251, 206, 177),
    "army": (75, 83, 32),
    "aubergine": (72, 33, 63),
    "baby blue": (137, 207, 240),
    "baby pink": (244, 194, 194),
    "blonde": (230, 200, 130),
    "blood": (138, 3, 3),
    "blush": (222, 145, 151),
    "blue green": (10, 130, 130),
    "bottle": (0, 106, 78),
    "brass": (181, 166, 66),
    "brick": (178, 60, 45),
    "bronze": (176, 112, 54),
    "burgundy": (110, 15, 40),
    "burnt orange": (204, 85, 0),
    "burnt sienna": (233, 116, 81),
    "butter": (250, 225, 130),
    "camel": (193, 154, 107),
    "canary": (255, 239, 80),
    "candy apple": (220, 10, 25),
    "caramel": (190, 115, 50),
    "cardinal": (196, 30, 58),
    "cerulean": (42, 120, 190),
    "champagne": (240, 222, 190),
    "charcoal": (54, 60, 66),
    "cherry": (200, 20, 50),
    "chestnut": (149, 69, 53),
    "cobalt": (0, 71, 171),
    "coffee": (95, 65, 45),
    "copper": (184, 115, 51),
    "cranberry": (150, 20, 50),
    "cream": (255, 250, 220),
    "denim": (40, 90, 150),
    "ebony": (40, 38, 36),
    "ecru": (205, 190, 150),
    "eggplant": (72, 33, 63),
    "eggshell": (240, 234, 214),
    "electric blue": (30, 100, 255),
    "emerald": (30, 160, 95),
    "fire engine": (206, 32, 41),
    "forest": (34, 100, 34),
    "fuchsia": (255, 0, 200),
    "ginger": (190, 100, 30),
    "graphite": (65, 68, 72),
    "hazel": (142, 118, 70),
    "hot pink": (255, 90, 180),
    "hunter": (53, 94, 59),
    "ice": (190, 225, 245),
    "jade": (0, 168, 107),
    "jet": (18, 18, 18),
    "kelly": (76, 187, 23),
    "khaki": (195, 176, 145),
    "leaf": (90, 150, 50),
    "lemon": (255, 240, 60),
    "lilac": (200, 162, 200),
    "lime": (120, 230, 30),
    "mahogany": (110, 40, 30),
    "mauve": (180, 140, 175),
    "mint": (152, 230, 190),
    "mocha": (120, 85, 65),
    "moss": (110, 125, 60),
    "mulberry": (150, 45, 95),
    "mustard": (215, 165, 35),
    "navy": (0, 0, 128),
    "neon green": (57, 255, 20),
    "neon pink": (255, 20, 147),
    "neon yellow": (225, 255, 20),
    "nude": (227, 188, 154),
    "oat": (223, 210, 185),
    "ocean": (20, 95, 150),
    "ochre": (204, 119, 34),
    "off white": (245, 242, 235),
    "olive": (128, 128, 0),
    "onyx": (35, 37, 38),
    "oxblood": (90, 10, 15),
    "peach": (255, 205, 165),
    "pearl": (240, 234, 225),
    "periwinkle": (160, 165, 235),
    "petrol": (0, 95, 106),
    "pine": (25, 90, 75),
    "pistachio": (165, 200, 120),
    "platinum": (229, 228, 226),
    "prussian blue": (0, 49, 83),
    "raspberry": (215, 25, 95),
    "rose": (225, 90, 130),
    "rose gold": (183, 110, 121),
    "royal blue": (50, 90, 215),
    "royal purple": (110, 60, 160),
    "ruby": (190, 15, 60),
    "russet": (128, 70, 27),
    "rust": (183, 65, 14),
    "saffron": (244, 190, 40),
    "sage": (155, 170, 130),
    "salmon": (250, 128, 114),
    "sand": (215, 190, 145),
    "sapphire": (15, 82, 186),
    "scarlet": (230, 30, 15),
    "sea": (46, 140, 110),
    "seafoam": (150, 225, 190),
    "sepia": (112, 66, 20),
    "silver": (192, 192, 192),
    "sky": (110, 185, 240),
    "slate": (90, 105, 120),
    "steel": (110, 130, 150),
    "strawberry": (250, 80, 85),
    "sunflower": (255, 205, 20),
    "tangerine": (245, 130, 0),
    "taupe": (130, 115, 100),
    "terracotta": (205, 100, 70),
    "ultramarine": (30, 20, 175),
    "vanilla": (243, 229, 171),
    "vermilion": (227, 66, 52),
    "walnut": (92, 65, 45),
    "wine": (114, 25, 50),
    # CSS makes these lighter, or less like the word, than people expect
    "dark grey": (80, 80, 80),
    "light grey": (211, 211, 211),
    "light green": (144, 238, 144),
    "green": (0, 140, 30),
    "brown": (125, 75, 40),
    "chocolate": (90, 50, 25),
    "pink": (255, 140, 185),
}

_LEFT_OUT: Final = frozenset(
    re.findall(
        r"\w+",
        "a an the color colour colored coloured hue shade tone tint of paint in very some nice solid plain pure flat "
        "matte matt metallic glossy gloss shiny satin glitter pearlescent classic rich soft natural",
    )
)
"""Words that say nothing about hue or lightness, or that a flat colour cannot show."""

_MODIFIERS: Final = frozenset(
    {
        *("light", "lighter", "pale", "pastel", "dark", "darker", "deep", "bright", "vivid", "neon", "hot"),
        *("muted", "dusty", "dull", "medium"),
    }
)
_JOINERS: Final = re.compile(r"\b(and|with|at|on|or|not|no|to|from|into|over|under|by|for)\b")


def parse_color(text: str) -> RGB | None:
    """The colour that a text names, or None where it names none.

    Args:
        text: A colour in words or as ``#rgb``, ``#rrggbb``, ``rgb(r, g, b)``; case, hyphens and articles do not count.

    Example:
        >>> parse_color("navy blue"), parse_color("#ff8000"), parse_color("a happy dog")
        ((0, 0, 128), (255, 128, 0), None)
    """
    cleaned = text.strip().strip(".!\"'").lower()
    if cleaned.startswith(("#", "rgb(")):
        return _notation(cleaned)
    words = re.sub(r"[\s_-]+", " ", cleaned.replace("gray", "grey")).split()
    if not words or len(words) > 6 or not all(re.fullmatch(r"[a-z]+", word) for word in words):
        return None
    if _JOINERS.search(" ".join(words)):
        return None
    return _phrase(words) or _phrase([word for word in words if word not in _LEFT_OUT])


def _notation(text: str) -> RGB | None:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        return None
    return red, green, blue


def _phrase(words: list[str]) -> RGB | None:
    """The colour of words that are all meant to say something."""
    if not words:
        return None
    exact = _lookup(" ".join(words))
    if exact:
        return exact
    first, rest = words[0], words[1:]
    if rest and rest[-1] in _families():
        # "candy apple red", "emerald green": the first words are the finer name, the last only says the family.
        finer = " ".join(words[:-1])
        if finer not in _families() and finer == _without_ish(finer) and _lookup(finer):
            return _lookup(finer)
    inner = _phrase(rest)
    if inner is None:
        return None
    if first in _MODIFIERS:
        return _modified(first, inner)
    tint = _lookup(_without_ish(first))
    if tint and first != _without_ish(first):
        return _mixed(inner, tint, 0.35)
    if tint:
        return _mixed(inner, tint, 0.5) if first in _families() and rest[-1] in _families() else tint
    # One descriptive word before a colour ("racing green") narrows the family down in a way not known here.
    return inner if len(rest) == 1 and rest[0] in _families() and not first.endswith("ly") else None


@cache
def _families() -> frozenset[str]:
    return frozenset(name for name in _PLAIN if " " not in name) | {"gold", "violet", "cyan", "blonde"}


def _lookup(name: str) -> RGB | None:
    from PIL import ImageColor

    if name in _NAMED:
        return _NAMED[name]
    joined = name.replace(" ", "")
    for spelling in (joined, joined.replace("grey", "gray")):
        code = ImageColor.colormap.get(spelling)
        if code is not None:
            return _notation(code if isinstance(code, str) else spelling)
    return _PLAIN.get(name) or _ish(name)


def _ish(name: str) -> RGB | None:
    return _lookup(_without_ish(name)) if _without_ish(name) != name else None


def _without_ish(word: str) -> str:
    """``reddish`` to ``red``, ``bluish`` to ``blue``; other words as they are."""
    stem = word.removesuffix("ish")
    if stem == word or len(stem) < 3:
        return word
    return {"redd": "red", "blu": "blue", "purpl": "purple", "whit": "white", "orang": "orange"}.get(stem, stem)


def _mixed(one: RGB, other: RGB, share: float) -> RGB:
    """``one`` with ``share`` (0 to 1) of ``other``."""
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _modified(modifier: str, color: RGB) -> RGB:
    match modifier:
        case "light" | "lighter":
            return _mixed(color, (255, 255, 255), 0.45)
        case "pale" | "pastel":
            return _mixed(color, (255, 255, 255), 0.6)
        case "dark" | "darker":
            return _mixed(color, (0, 0, 0), 0.45)
        case "deep":
            return _mixed(_saturated(color, 0), (0, 0, 0), 0.3)
        case "bright" | "vivid" | "neon" | "hot":
            return _saturated(color, 0.95)
        case "muted" | "dusty" | "dull":
            return _mixed(color, (150, 150, 150), 0.4)
        case _:
            return color


def _saturated(color: RGB, least: float) -> RGB:
    """More saturated, and at least as bright as ``least`` (the V of HSV, 0 to 1)."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in color))
    if saturation < 0.05:  # white and the greys have no hue to strengthen
        return color
    red, green, blue = (round(c * 255) for c in colorsys.hsv_to_rgb(hue, min(1, saturation + 0.25), max(value, least)))
    return red, green, blue


def name_color(color: RGB) -> str:
    """The plain name that is nearest to a colour as people see it.

    Example:
        >>> name_color((250, 10, 5)), name_color((30, 30, 32))
        ('red', 'black')
    """
    return min(_PLAIN, key=lambda name: color_difference(color, _PLAIN[name]))


def color_difference(one: RGB, other: RGB) -> float:
    """Distance of two colours in CIELAB (CIE 1976 Delta E): about 2 is just visible, 100 is black against white."""
    return float(sum((a - b) ** 2 for a, b in zip(to_lab(one), to_lab(other), strict=True)) ** 0.5)


def to_lab(color: RGB) -> tuple[float, float, float]:
    """CIELAB of an sRGB colour under D65: L from 0 to 100, a and b about -110 to 110."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (channel / 255 for channel in color)]
    x, y, z = (
        sum(weight * channel for weight, channel in zip(row, linear, strict=True)) / white
        for row, white in zip(_TO_XYZ, (0.95047, 1.0, 1.08883), strict=True)
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.119192, 0.9503041),
)
