"""LangChain's standard suites over every tool of the catalogue, and over the agent as a tool."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from PIL import Image

from tests.contract.examples import example
from tests.scripted import ScriptedChat
from visiongpt_agent import ImageStore, VisionGPT, sample_photo, visiongpt_tools
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec


class _Suite(ToolsUnitTests, ToolsIntegrationTests):
    """Both suites over the tool that the fixture ``tool`` gives."""

    _tool: BaseTool
    _example: dict[str, Any]

    @property
    def tool_constructor(self) -> BaseTool:
        return self._tool

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self._example


def _suite_of(spec: ToolSpec) -> type[_Suite]:
    class Suite(_Suite):
        @pytest.fixture(autouse=True)
        def _made(self, pool: ModelPool, store: ImageStore) -> None:
            if lack := spec.lacks(pool):
                pytest.skip(f"no model for {spec.name} here: {lack}")
            (self._tool,) = visiongpt_tools(only=[spec.name], store=store, pool=pool)
            photo = Image.open(sample_photo("coffee")).resize((150, 100))
            self._example = example(spec, photo, store)

    Suite.__name__ = Suite.__qualname__ = "Test" + spec.name.title().replace("_", "")
    return Suite


globals().update({suite.__name__: suite for suite in map(_suite_of, catalog().values())})


class TestVisionGPT(_Suite):
    @pytest.fixture(autouse=True)
    def _made(self, pool: ModelPool) -> None:
        chat = ScriptedChat(script=["#1 = transform_image(image=$1, rotate=90)", "It is turned."])
        self._tool = VisionGPT(chat, pool=pool).as_tool({"cat": sample_photo("chelsea")})
        self._example = {"request": "turn it", "images": ["cat"]}
