"""Sixty clean chains of two to four edits, a third of them over pictures with transparency: nothing may be refused.

Each is a request in words and the plan that carries it out to the letter. A step that is rejected, a doubt that a
postcondition has, or a wish that is told as not met would be a false alarm.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

Photo = Callable[[str], Image.Image]

CHAINS: Final = 60
_LONG_SIDE: Final = 240

EDITS: Final = {
    "mirror it": 'transform_image(image={}, flip="horizontal")',
    "flip it top to bottom": 'transform_image(image={}, flip="vertical")',
    "turn it 90 degrees clockwise": "transform_image(image={}, rotate=90)",
    "turn it a quarter turn to the left": "transform_image(image={}, rotate=270)",
    "turn it by 180 degrees": "transform_image(image={}, rotate=180)",
    "rotate it by 30 degrees clockwise": "transform_image(image={}, rotate=30)",
    "resize it to 160 pixels wide": "transform_image(image={}, width=160)",
    "make it black and white": "adjust_image(image={}, saturation=0)",
    "make it 30 % brighter": "adjust_image(image={}, brightness=1.3)",
    "make it a bit darker": "adjust_image(image={}, brightness=0.8)",
    "double the contrast": "adjust_image(image={}, contrast=2)",
    "make it more colourful": "adjust_image(image={}, saturation=1.4)",
    "sharpen it": "adjust_image(image={}, sharpness=2)",
    "enlarge it twice": "upscale_image(image={}, scale=2)",
    "make it a pencil sketch": 'stylize_image(image={}, style="pencil sketch")',
}
"""By wish, the call that meets it."""


@dataclass(frozen=True)
class Chain:
    """A request, its plan, and the picture that it is about."""

    request: str
    plan: str
    picture: str


def chains() -> list[Chain]:
    """The chains, always the same."""
    chance = random.Random(20)
    pictures = ["chelsea", "coffee", "hard", "rocket", "astronaut", "soft"]
    return [_chain(chance, pictures[k % len(pictures)], 2 + k % 3) for k in range(CHAINS)]


def _chain(chance: random.Random, picture: str, length: int) -> Chain:
    wishes = chance.sample(sorted(EDITS), length)
    references = ["$1", *(f"#{k}" for k in range(1, length))]
    lines = [
        f"#{k} = {EDITS[wish].format(ref)}" for k, (wish, ref) in enumerate(zip(wishes, references, strict=True), 1)
    ]
    links = iter([", then ", " and then ", ", and "])
    request = "".join(wish if k == 0 else f"{next(links)}{wish}" for k, wish in enumerate(wishes))
    return Chain(request, "\n".join(lines), picture)


def picture_of(name: str, photo: Photo) -> Image.Image:
    """A small photo; ``hard`` is cut out with sharp edges and a hole, ``soft`` fades out, half clear in a corner."""
    image = photo({"hard": "chelsea", "soft": "coffee"}.get(name, name))
    image.thumbnail((_LONG_SIDE, _LONG_SIDE))
    if name == "hard":
        alpha = Image.new("L", image.size)
        draw = ImageDraw.Draw(alpha)
        draw.ellipse((20, 10, image.width - 20, image.height - 10), fill=255)
        draw.rectangle((100, 60, 130, 90), fill=0)
        image.putalpha(alpha)
    elif name == "soft":
        across = np.linspace(0, 1, image.width, dtype=np.float32)[None] * np.ones((image.height, 1), np.float32)
        across[: image.height // 3, : image.width // 2] = 0.5
        image.putalpha(Image.fromarray((across * 255).astype(np.uint8)))
    return image


def few(every: int) -> Iterator[Chain]:
    """Every n-th chain."""
    yield from chains()[::every]
