"""Between pictures and the content blocks of LangChain messages."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage, HumanMessage

from visiongpt_agent.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Block = dict[str, Any]
"""A content block of LangChain's standard form."""

PREVIEW_PIXELS: Final = 768
"""Longest side of a picture that goes into a message: about what a multimodal LLM looks at in one tile or two."""


def text_block(text: str) -> Block:
    return {"type": "text", "text": text}


def image_block(image: Image.Image, key: str = "", *, pixels: int = PREVIEW_PIXELS) -> Block:
    """A picture as LangChain's standard image block: a JPEG of bounded size, what is transparent laid over white.

    Args:
        image: The picture, of any size.
        key: Its content id in the store; becomes the block's ``id``, so that the full picture can be found again.
        pixels: The longest side that it may have.
    """
    block = {"type": "image", "base64": base64.b64encode(_jpeg(image, pixels)).decode(), "mime_type": "image/jpeg"}
    return {**block, "id": key} if key else block


def thumbnail_url(image: Image.Image, *, pixels: int = 256) -> str:
    """A small JPEG of the picture as a data URL."""
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(image, pixels)).decode()}"


def _jpeg(image: Image.Image, pixels: int) -> bytes:
    from visiongpt_agent.pictures.transparency import flatten

    small, buffer = image.copy(), io.BytesIO()
    small.thumbnail((pixels, pixels))
    flatten(small).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def image_blocks(message: BaseMessage) -> list[Block]:
    """The image blocks of a message in LangChain's standard form, whichever provider's form they came in."""
    if isinstance(message.content, str):
        return []
    return [dict(block) for block in message.content_blocks if block["type"] == "image"]


def source_of(block: Block) -> str:
    """The picture of an image block as a data URL, for ``images.decode``.

    Raises:
        InputError: If the block holds no data but an address: words of a message never become a path or a download.
    """
    if block.get("base64"):
        return f"data:image/unknown;base64,{block['base64']}"
    url = block.get("url")
    if isinstance(url, str) and url.startswith("data:"):
        return url
    raise InputError("a picture of the conversation is given by its address: send its data as base64")


def pictures_of_people(messages: Sequence[BaseMessage]) -> list[Block]:
    """The image blocks of the human messages, in order: ``$1``, ``$2``, ... of a conversation."""
    return [block for message in messages if isinstance(message, HumanMessage) for block in image_blocks(message)]
