"""The whole agent as one LangChain tool for a larger agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from contextvars import copy_context
from typing import TYPE_CHECKING, Annotated, Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, ToolException
from langgraph.config import get_stream_writer
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel, ConfigDict, Field, create_model

from visiongpt_agent.errors import ToolError, VisionGPTError
from visiongpt_agent.langchain.blocks import image_block, text_block
from visiongpt_agent.langchain.pictures import Pictures
from visiongpt_agent.langchain.refusals import in_one_line

if TYPE_CHECKING:
    from visiongpt_agent.agent import Request, VisionGPT
    from visiongpt_agent.result import VisionResult


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

    def _run(
        self,
        config: RunnableConfig,
        request: str,
        images: Sequence[str] = (),
        messages: Sequence[BaseMessage] | None = None,
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        try:
            sources = [self.pictures.source(name, messages or ()) for name in images]
            result = self._carry_out({"request": request, "images": sources}, config)
        except VisionGPTError as error:
            raise ToolException(str(error)) from error
        return self._content(result), result.to_dict()

    def _carry_out(self, request: Request, config: RunnableConfig) -> VisionResult:
        """Run the agent as a graph of its own, not as a part of the one that called; tell that one how it goes."""
        own, tell = copy_context(), _writer()
        own.run(var_child_runnable_config.set, None)
        with closing(self.agent.stream(request, RunnableConfig(callbacks=config.get("callbacks")))) as events:
            while event := own.run(next, events, None):
                if "result" in event:
                    result: VisionResult = event["result"]
                    return result
                tell(event)
        raise ToolError("the request came to no result: say it in another way")

    def _content(self, result: VisionResult) -> list[dict[str, Any]]:
        made = [f"{image.id}: {image.title}, {image.width}x{image.height} pixels" for image in result.images]
        text = "\n".join([result.answer, *(["Pictures made:", *made] if made else [])])
        shown = result.images if self.previews else ()
        return [text_block(text), *(image_block(self.pictures.store.open(image.id), image.id) for image in shown)]


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
        __config__=ConfigDict(extra="forbid"),
        request=(Annotated[str, request], ...),
        images=(Annotated[list[str], images], []),
        messages=(Annotated[Any, InjectedState("messages")], None),
    )


def _writer() -> Callable[[Any], None]:
    """The stream writer of the graph that called, or one that does nothing."""
    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # called by hand, outside any graph

        def nowhere(event: Any) -> None: ...

        return nowhere
