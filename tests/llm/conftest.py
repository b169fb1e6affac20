"""The planner with its real weights, and tiny random models with both kinds of tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.models.conftest import one_thread
from tests.tiny_llama import byte_level_tokenizer, sentencepiece_tokenizer, tiny_llama
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.local_chat import LocalChat
from visiongpt_agent.plan import Argument, Kind, Signature
from visiongpt_agent.pool import ModelPool

__all__ = ["one_thread"]  # a fixture


@pytest.fixture(scope="session")
def planner_chat(pool: ModelPool, needs: Callable[[str], None]) -> Iterator[LocalChat]:
    needs("llm")
    from visiongpt_agent.models.smollm2_planner import SmolLM2Planner

    with pool.use("llm", SmolLM2Planner) as model:
        yield model.chat


@pytest.fixture(scope="session")
def catalog() -> Mapping[str, Signature]:
    """Tools of every shape that a plan can hold."""
    image = Argument("image", (Kind.IMAGE,))
    regions = Argument("regions", (Kind.REGIONS,))
    tools = [
        Signature(
            "detect_objects", (image, Argument("query", (Kind.STRING,), False, "")), Kind.REGIONS, "find objects"
        ),
        Signature("segment_objects", (image, Argument("regions", (Kind.REGIONS,), False)), Kind.REGIONS, "masks"),
        Signature("caption_image", (image,), Kind.TEXT, "describe the image"),
        Signature("classify_image", (image, Argument("labels", (Kind.STRINGS,), False, ())), Kind.LABELS, "kind"),
        Signature("generate_image", (Argument("prompt", (Kind.STRING,)),), Kind.IMAGE, "new image from text"),
        Signature("stylize_image", (image, Argument("style", (Kind.STRING, Kind.IMAGE))), Kind.IMAGE, "style"),
        Signature(
            "blur_regions", (image, regions, Argument("invert", (Kind.BOOLEAN,), False, False)), Kind.IMAGE, "blur"
        ),
        Signature("resize_image", (image, Argument("width", (Kind.INTEGER,), False, 0)), Kind.IMAGE, "resize"),
        Signature("adjust_image", (image, Argument("brightness", (Kind.NUMBER,), False, 1.0)), Kind.IMAGE, "adjust"),
        Signature(
            "flip_image",
            (Argument("way", (Kind.STRING,), False, "", ("left/right", "up (down)")), Argument("image", (Kind.IMAGE,))),
            Kind.IMAGE,
            "flip",
        ),
    ]
    return {tool.tool: tool for tool in tools}


@pytest.fixture(scope="session", params=[byte_level_tokenizer, sentencepiece_tokenizer], ids=["bytes", "sentencepiece"])
def tokenizer(request: pytest.FixtureRequest, catalog: Mapping[str, Signature]) -> Any:
    """Both kinds of tokenizer that LLaMA-family models have."""
    plans = [f'#1 = {tool.tool}(image=$1, query="dog")\n#2 = reply()\ndecline(reason="")' for tool in catalog.values()]
    return request.param([*map(str, catalog.values()), *plans])


@pytest.fixture(scope="session")
def tiny_chat(tokenizer: Any) -> ChatLlama:
    """A chat model with random weights."""
    from langchain_huggingface import HuggingFacePipeline
    from transformers import pipeline

    generator = pipeline("text-generation", model=tiny_llama(tokenizer).eval(), tokenizer=tokenizer)
    return ChatLlama(llm=HuggingFacePipeline(pipeline=generator, model_id="tiny"), max_tokens=200)
