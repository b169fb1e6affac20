"""Pictures in messages, whichever provider's form they come in."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from PIL import Image

from visiongpt_agent import InputError
from visiongpt_agent.langchain.blocks import image_block, image_blocks, pictures_of_people, source_of, thumbnail_url
from visiongpt_agent.pictures.images import decode

_BUFFER = io.BytesIO()
Image.new("RGB", (6, 4), "red").save(_BUFFER, "PNG")
RED = base64.b64encode(_BUFFER.getvalue()).decode()


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": RED, "mime_type": "image/png"},
        {"type": "image", "url": f"data:image/png;base64,{RED}"},
        {"type": "image", "source_type": "base64", "data": RED, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED}},
    ],
    ids=["standard", "standard-url", "standard-v0", "openai", "anthropic"],
)
def test_a_picture_is_found_in_every_form(block: dict[str, Any]) -> None:
    (found,) = image_blocks(HumanMessage([{"type": "text", "text": "look"}, block]))

    picture = decode(source_of(found))
    assert (picture.size, picture.getpixel((0, 0))) == ((6, 4), (255, 0, 0))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "url": "https://example.org/a.png"},
        {"type": "image", "url": "file:///etc/hostname"},
        {"type": "image", "url": "/etc/hostname"},
        {"type": "image_url", "image_url": {"url": "http://localhost/a.png"}},
        {"type": "image", "file_id": "file-17"},
    ],
)
def test_an_address_is_never_followed(block: dict[str, Any]) -> None:
    (found,) = image_blocks(HumanMessage([block]))

    with pytest.raises(InputError, match="send its data as base64"):
        source_of(found)


def test_only_people_send_pictures() -> None:
    block = {"type": "image", "base64": RED, "mime_type": "image/png"}

    assert len(pictures_of_people([HumanMessage([block]), AIMessage([block]), HumanMessage([block, block])])) == 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_block_is_small_however_large_the_picture(mode: str) -> None:
    block = image_block(Image.effect_noise((4000, 3000), 90).convert(mode), "img-0123456789abcdef")

    seen = decode(source_of(block))
    assert seen.size == (768, 576)
    assert len(block["base64"]) < 600_000
    assert block["id"] == "img-0123456789abcdef"


def test_a_thumbnail_lays_what_is_transparent_over_white() -> None:
    assert decode(thumbnail_url(Image.new("RGBA", (900, 30), (0, 0, 0, 0)))).getpixel((3, 3)) == (255, 255, 255)
