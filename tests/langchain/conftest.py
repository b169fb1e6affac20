"""Fixtures of the doors for LangChain: a photo as a message, and tools that share the pool of real models."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from langchain_core.messages import HumanMessage

from visiongpt_agent import sample_photo

Say = Callable[..., HumanMessage]


@pytest.fixture(scope="session")
def say() -> Say:
    """A human message with words and sample photos, by name, as image blocks."""

    def message(words: str, *photos: str) -> HumanMessage:
        blocks = [
            {
                "type": "image",
                "base64": base64.b64encode(sample_photo(name).read_bytes()).decode(),
                "mime_type": "image/jpeg",
            }
            for name in photos
        ]
        return HumanMessage([{"type": "text", "text": words}, *blocks])

    return message
