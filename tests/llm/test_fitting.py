"""What is left out where a prompt is longer than the model's context, in which order, and that it is said."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_huggingface import HuggingFacePipeline

from tests.tiny_llama import tiny_llama
from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.fitting import Fitted, fitted
from visiongpt_agent.plan import Argument, Kind, Signature
from visiongpt_agent.prompts import planner_user

pytestmark = pytest.mark.usefixtures("one_thread")

TURNS = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "reply()"},
    {"role": "user", "content": "sharpen the portrait of my cat"},
]


def tool(name: str, summary: str) -> Signature:
    return Signature(name, (Argument("image", (Kind.IMAGE,)),), Kind.IMAGE, summary)


TOOLS = [tool(f"tool_{n}", "does other things") for n in range(7)] + [tool("crisp", "sharpen pictures")]

FUNCTIONS = [
    {
        "name": tool.tool,
        "description": tool.summary,
        "parameters": {"type": "object", "properties": {"strength": {"type": "number"}}},
    }
    for tool in TOOLS
]


def letters(form: Fitted) -> int:
    return sum(len(turn["content"]) for turn in form.turns) + sum(len(str(tool)) for tool in form.tools)


WHOLE = letters(Fitted(TURNS, TOOLS))
WITHOUT_TURNS = letters(Fitted([TURNS[0], TURNS[-1]], TOOLS))


@pytest.mark.parametrize(
    ("room", "turns", "tools"), [(WHOLE, 4, 8), (WHOLE - 1, 2, 8), (WITHOUT_TURNS, 2, 8), (WITHOUT_TURNS - 1, 2, 4)]
)
def test_earlier_turns_go_first_then_the_tools_least_like_the_request(room: int, turns: int, tools: int) -> None:
    form = fitted(TURNS, TOOLS, lambda form: letters(form) <= room)

    assert (len(form.turns), len(form.tools)) == (turns, tools)
    assert form.turns[0] == TURNS[0]
    assert form.turns[-1] == TURNS[-1]
    assert "crisp" in [tool.tool for tool in form.tools]
    assert form.is_whole == (room == WHOLE)
    assert {*form.tools_left_out, *(tool.tool for tool in form.tools)} == {tool.tool for tool in TOOLS}


def test_a_request_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PlanError, match="say it shorter"):
        fitted(TURNS, TOOLS, lambda form: False)


def test_the_answer_says_what_was_left_out(tokenizer: Any) -> None:
    from transformers import pipeline

    model = tiny_llama(tokenizer)
    model.config.max_position_embeddings = 900
    chat = ChatLlama(
        llm=HuggingFacePipeline(pipeline=pipeline("text-generation", model=model, tokenizer=tokenizer)), max_tokens=64
    )
    user = planner_user(["$1 user a.jpg 10x10"], "sharpen the cat")
    said = [HumanMessage(user), AIMessage("reply()")] * 12

    short = chat.bind_tools(FUNCTIONS[-1:], images=1).invoke([HumanMessage(user)])
    long = chat.bind_tools(FUNCTIONS, images=1).invoke([*said, HumanMessage(user)])

    assert "left_out" not in short.response_metadata
    assert long.response_metadata["left_out"]["turns"] > 0
    assert long.usage_metadata is not None
    assert long.usage_metadata["total_tokens"] <= 900
