"""A chat model that answers from a script, for tests of what is done with an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field

from visiongpt_agent.llm.plans import tool_calls_of
from visiongpt_agent.plan import parse_plan


class ScriptedChat(BaseChatModel):
    """Answers the n-th call with the n-th line of the script; the last line is repeated.

    A line that is a plan's text comes as native tool calls, any other as prose; ``{pointed}`` in it stands for the
    boxes that the question says a person points at. ``asked`` keeps the questions, ``bound`` the tools of each.
    """

    script: list[str]
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    bound: list[list[str]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(  # type: ignore[override]
        self, tools: Sequence[dict[str, Any] | BaseTool], **kwargs: Any
    ) -> Runnable[Any, BaseMessage]:
        self.bound.append([tool["name"] if isinstance(tool, dict) else tool.name for tool in tools])
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(messages)
        line = self.script[min(len(self.asked), len(self.script)) - 1]
        line = line.replace("{pointed}", ", ".join(re.findall(r'box ("[\d. ]+")', messages[-1].text)))
        message = AIMessage(line)
        if line.startswith("#"):
            message = AIMessage("", tool_calls=tool_calls_of(parse_plan(line)))
        return ChatResult(generations=[ChatGeneration(message=message)])
