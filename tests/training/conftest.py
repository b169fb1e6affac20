"""The stream of training records, and a tiny LLaMA with a chat template of SmolLM2's form to train on it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.conftest import one_thread
from tests.tiny_llama import byte_level_tokenizer, tiny_llama
from visiongpt_agent.graphs.planning.prompt import trained_signatures
from visiongpt_agent.plan import Signature
from visiongpt_agent.training.records import Records

__all__ = ["one_thread"]  # a fixture


@pytest.fixture(scope="session")
def own() -> tuple[Signature, ...]:
    return trained_signatures()


@pytest.fixture(scope="session")
def records(own: tuple[Signature, ...]) -> Records:
    return Records(own, seed=3)


@pytest.fixture(scope="session")
def tokenizer(own: tuple[Signature, ...]) -> Any:
    return byte_level_tokenizer([*map(str, own), '#1 = detect_objects(image=$1, query="dog")'])


@pytest.fixture
def model(tokenizer: Any) -> Any:
    return tiny_llama(tokenizer)
