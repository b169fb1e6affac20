"""What the tools see of transparent pictures, and what is left of colour and alpha after an edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog

Photo = Callable[[str], Image.Image]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def ask(tool: str, store: ImageStore, pool: ModelPool, *images: Image.Image, **args: Any) -> dict[str, Any]:
    """The artifact of a tool on pictures that went in through the store, as a person's do."""
    names = [argument.name for argument in catalog()[tool].signature.arguments]
    given = {name: store.add(image).id for name, image in zip(names, images, strict=False)}
    call = {"name": tool, "args": {**given, **args}, "id": "1", "type": "tool_call"}
    artifact: dict[str, Any] = catalog()[tool].bind(store, pool).invoke(call).artifact
    assert not artifact["problems"]
    return artifact


# ---------------------------------------------------------------------------------------------------- whoever looks


def written(words: str, ink: tuple[int, int, int], alpha: int = 255) -> Image.Image:
    """Words on a transparent ground, whose hidden colour is that of the ink."""
    image = Image.new("RGBA", (900, 200), (*ink, 0))
    ImageDraw.Draw(image).text((40, 60), words, font=ImageFont.load_default(size=44), fill=(*ink, alpha))
    return image


@pytest.mark.parametrize("alpha", [255, 170])
@pytest.mark.parametrize("ink", [BLACK, WHITE, (180, 20, 20), (255, 240, 150)])
def test_words_on_a_transparent_ground_are_read(
    ink: tuple[int, int, int], alpha: int, store: ImageStore, pool: ModelPool
) -> None:
    assert "4711" in ask("read_text", store, pool, written("Invoice number 4711", ink, alpha))["text"]


@pytest.mark.parametrize("ink", [BLACK, (20, 20, 120)])
def test_a_code_on_a_transparent_ground_is_read(ink: tuple[int, int, int], store: ImageStore, pool: ModelPool) -> None:
    made = zxingcpp.create_barcode("https://example.org/menu", zxingcpp.BarcodeFormat.QRCode).to_image(scale=8)
    dark = np.array(made) < 128
    code = np.dstack([*(np.full(dark.shape, channel, np.uint8) for channel in ink), dark.astype(np.uint8) * 255])
    assert "https://example.org/menu" in ask("read_codes", store, pool, Image.fromarray(code))["text"]


def test_erased_words_are_not_read(store: ImageStore, pool: ModelPool) -> None:
    page = Image.new("RGBA", (800, 240), (*WHITE, 255))
    for row, words in ((30, "Account holder: M. Moss"), (150, "PIN 7391 secret")):
        ImageDraw.Draw(page).text((30, row), words, font=ImageFont.load_default(size=44), fill=(*BLACK, 255))
    pixels = np.array(page)
    pixels[120:, :, 3] = 0
    text = ask("read_text", store, pool, Image.fromarray(pixels))["text"]
    assert "Moss" in text
    assert "7391" not in text


def faint(image: Image.Image, alpha: int) -> Image.Image:
    """A picture on a plain ground of which this much shows, in 255ths; it can still be read from its colours."""
    clear = image.convert("RGBA")
    clear.putalpha(alpha)
    ground = Image.new("RGBA", (900, 400), (180, 200, 180, 255))
    ground.paste(clear, (200, 50))  # with its alpha, which nothing lies behind
    return ground


@pytest.mark.parametrize("alpha", [0, 2])
def test_an_erased_thing_is_not_found(alpha: int, photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    assert not ask("detect_objects", store, pool, faint(photo("chelsea"), alpha), query="cat")["items"]
    assert not ask("detect_faces", store, pool, faint(photo("astronaut"), alpha))["items"]


def test_what_shows_is_found(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    assert ask("detect_objects", store, pool, faint(photo("chelsea"), 254), query="cat")["items"]


def test_pictures_that_look_alike_are_told_as_alike(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    """Whether the ground is white paint or transparent, a person sees no difference."""
    painted = photo("coffee").convert("RGBA")
    painted.paste(WHITE, (0, 0, 200, 400))
    erased = photo("coffee").convert("RGBA")
    erased.paste((0, 0, 0, 0), (0, 0, 200, 400))
    assert ask("compare_images", store, pool, painted, erased)["facts"]["identical"]
    assert not ask("compare_images", store, pool, photo("coffee"), erased)["facts"]["identical"]


def test_a_drawing_does_not_show_what_was_erased(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    from visiongpt_agent.pictures.drawing import draw_heat, draw_regions
    from visiongpt_agent.regions import Regions

    erased = photo("coffee").convert("RGBA")
    erased.putalpha(0)
    erased.paste((200, 0, 0, 255), (100, 100, 300, 300))
    drawn = draw_regions(erased, Regions(erased.size, np.array([[100, 100, 300, 300]], np.float32), ("square",)))
    heated = draw_heat(erased, Image.new("L", erased.size, 0))
    assert (np.asarray(drawn)[320:] == 255).all()
    assert (np.asarray(heated)[320:] == 255).all()
