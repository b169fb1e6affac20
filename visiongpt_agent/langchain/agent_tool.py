"""The whole agent as one LangChain tool for a larger agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, create_model

from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.langchain.blocks import Block
from visiongpt_agent.langchain.injected import RUNTIME_FIELD, messages_around
from visiongpt_agent.langchain.nested import Nested, content_blocks
from visiongpt_agent.langchain.pictures import Pictures
from visiongpt_agent.langchain.refusals import in_one_line

if TYPE_CHECKING:
    from visiongpt_agent.agent import VisionGPT


class AgentTool(BaseTool):
    """A request in words and names of pictures in; the answer, the pictures made in small, and their ids out.

    The content is a text block and image blocks, the artifact ``VisionResult.to_dict()``. Inside a graph, the events
    of the request go to the stream mode ``custom``.
    """

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    agent: Any
    pictures: Pictures
    previews: bool = True
    model_config = ConfigDict(arbitrary_types_allowed=True)
    _nested: Nested = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._nested = Nested(self.agent)

    def _run(
        self,
        config: RunnableConfig,
        request: str,
        images: Sequence[str] = (),
        runtime: ToolRuntime[Any, Any] = None,  # type: ignore[assignment]  # LangChain finds it by its very type
    ) -> tuple[list[Block], dict[str, Any]]:
        try:
            sources = [self.pictures.source(name, messages_around(runtime)) for name in images]
            result = self._nested.carry_out({"request": request, "images": sources}, config)
            return content_blocks(self.agent, result, previews=self.previews), result.to_dict()
        except VisionGPTError as error:
            raise ToolException(str(error)) from error


def agent_tool(
    agent: VisionGPT, pictures: Pictures, *, name: str, description: str, previews: bool = True
) -> AgentTool:
    """The agent as a tool; see :meth:`VisionGPT.as_tool <visiongpt_agent.agent.VisionGPT.as_tool>`."""
    return AgentTool(
        name=name,
        description=description,
        args_schema=_arguments(name, pictures),
        agent=agent,
        pictures=pictures,
        previews=previews,
        handle_tool_error=True,
        handle_validation_error=in_one_line,
    )


def _arguments(name: str, pictures: Pictures) -> type[BaseModel]:
    request = Field(description="What is wanted, in words; $1 is the first of the images named in this call.")
    images = Field(description=f"The pictures; each is the {pictures.described()}.")
    return create_model(
        name,
        __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True),
        request=(Annotated[str, request], ...),
        images=(Annotated[list[str], images], []),
        runtime=RUNTIME_FIELD,
    )
