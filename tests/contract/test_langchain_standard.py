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
from visiongpt_agent import ImageStore, VisionGPT, sample_photo
from visiongpt_agent.langchain.pictures import Pictures
from visiongpt_agent.langchain.toolkit import naming_tool
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec


class _Given:
    """The tool and its arguments that a fixture makes."""

    _tool: BaseTool
    _example: dict[str, Any]

    @property
    def tool_constructor(self) -> BaseTool:
        return self._tool

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self._example


class _OneTool(_Given):
    """A tool of the catalogue over a small photo."""

    _spec: ToolSpec

    @pytest.fixture(autouse=True)
    def _made(self, pool: ModelPool, store: ImageStore) -> None:
        self._tool = naming_tool(self._spec, Pictures(store), pool)
        self._example = example(self._spec, Image.open(sample_photo("coffee")).resize((150, 100)), store)


class _OneToolThatRuns(_OneTool):
    @pytest.fixture(autouse=True)
    def _runs(self, pool: ModelPool) -> None:
        if lack := self._spec.lacks(pool):
            pytest.skip(f"no model for {self._spec.name} here: {lack}")


def _suites_of(spec: ToolSpec) -> dict[str, type]:
    """The two suites as test classes; to run a model over and over counts as slow."""
    name = spec.name.title().replace("_", "")
    works = type(f"Test{name}Works", (_OneToolThatRuns, ToolsIntegrationTests), {"_spec": spec})
    if spec.needs:
        pytest.mark.slow(works)
    return {f"Test{name}": type(f"Test{name}", (_OneTool, ToolsUnitTests), {"_spec": spec}), works.__name__: works}


for _spec in catalog().values():
    globals().update(_suites_of(_spec))


class _Agent(_Given):
    """The whole agent."""

    @pytest.fixture(autouse=True)
    def _made(self, pool: ModelPool) -> None:
        chat = ScriptedChat(script=["#1 = transform_image(image=$1, rotate=90)", "It is turned."])
        self._tool = VisionGPT(chat, pool=pool).as_tool({"cat": sample_photo("chelsea")})
        self._example = {"request": "turn it", "images": ["cat"]}


class TestAgent(_Agent, ToolsUnitTests): ...


class TestAgentWorks(_Agent, ToolsIntegrationTests): ...
