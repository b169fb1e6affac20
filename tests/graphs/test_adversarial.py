"""A language model that knows nothing, through the whole graph with real tools: nothing is raised, nothing invented."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.tiny_llama import byte_level_tokenizer, sentencepiece_tokenizer, tiny_llama
from visiongpt_agent import Limits, VisionGPT, parse_plan
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog

SIGNATURES = {name: spec.signature for name, spec in catalog().items()}
PICTURES = (
    (),
    (Image.new("RGB", (1, 1), "red"),),
    (Image.new("RGB", (96, 64), "white"), Image.new("RGBA", (30, 90), (0, 0, 255, 128))),
    (Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 72, 3), dtype=np.uint8)),),
)


def random_chat(make_tokenizer: Callable[[list[str]], object]) -> ChatLlama:
    """A chat model of random weights that samples, so that every request gets another plan."""
    from langchain_huggingface import HuggingFacePipeline
    from transformers import pipeline

    tokenizer = make_tokenizer([str(signature) for signature in SIGNATURES.values()])
    generator = pipeline("text-generation", model=tiny_llama(tokenizer).eval(), tokenizer=tokenizer)  # type: ignore[call-overload]
    return ChatLlama(llm=HuggingFacePipeline(pipeline=generator, model_id="tiny"), temperature=1.0, max_tokens=160)


@pytest.mark.parametrize(
    ("make_tokenizer", "times"),
    [
        (byte_level_tokenizer, 3),
        (sentencepiece_tokenizer, 3),
        pytest.param(byte_level_tokenizer, 60, marks=pytest.mark.slow),
        pytest.param(sentencepiece_tokenizer, 60, marks=pytest.mark.slow),
    ],
)
def test_nothing_is_raised_and_no_tool_has_a_bug(
    make_tokenizer: Callable[[list[str]], object], times: int, pool: ModelPool
) -> None:
    import torch

    torch.manual_seed(1)
    agent = VisionGPT(random_chat(make_tokenizer), pool=pool, limits=Limits(rounds=2))

    for number in range(times):
        images = PICTURES[number % len(PICTURES)]
        result = agent.run("do what you think is right", *images)

        # A second plan may use pictures that the first one made.
        parse_plan(result.plan).check(SIGNATURES, len(images) + len(result.steps))
        assert result.answer
        assert result.status in ("done", "partial", "declined", "failed")
        assert not [step for step in result.steps if "Error:" in step.told], result.plan  # as a bug would be told
    agent.store.close()
