"""ChatLlama against LangChain's own suites for chat models, with the planner's real weights."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.chat_onnx import ChatOnnx


@pytest.fixture(scope="module")
def torch_chat(planner_chat: ChatOnnx) -> ChatLlama:
    """The planner's weights as transformers runs them."""
    return ChatLlama.from_folder(planner_chat.folder)


class _OverThePlanner:
    """What both suites are told of the model."""

    planner: ChatLlama

    @pytest.fixture(autouse=True)
    def _load(self, torch_chat: ChatLlama) -> None:
        type(self).planner = torch_chat

    @property
    def chat_model_class(self) -> type[ChatLlama]:
        return ChatLlama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"llm": self.planner.llm}

    @property
    def supports_json_mode(self) -> bool:
        return False

    @property
    def supports_image_inputs(self) -> bool:
        return False


class TestUnit(_OverThePlanner, ChatModelUnitTests):
    pass


@pytest.mark.slow
class TestIntegration(_OverThePlanner, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        # Enough for a plan; what it has to say in prose is worth no more of the time.
        return {"llm": self.planner.llm, "max_tokens": 64}
