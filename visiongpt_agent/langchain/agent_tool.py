"""The whole agent as one LangChain tool for a larger agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, create_model

from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.langchain.blocks import Block
from visiongpt_agent.langchain.nested import Nested, told
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
        messages: Sequence[BaseMessage] | None = None,
    ) -> tuple[list[Block], dict[str, Any]]:
        try:
            sources = [self.pictures.source(name, messages or ()) for name in images]
            result = self._nested.carry_out({"request": request, "images": sources}, config)
            return told(self.agent, result, previews=self.previews), result.to_dict()
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
    injected: Any = Annotated[Any, InjectedState("messages")]
    return create_model(
        name,
        __config__=ConfigDict(extra="forbid"),
        request=(Annotated[str, request], ...),
        images=(Annotated[list[str], images], []),
        messages=(injected, None),
    )
