"""ChatLlama over tiny random models with both kinds of tokenizer and template: what does not depend on weights."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

import pytest
import torch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from visiongpt_agent.errors import InputError
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.decoding import PlanDecoder
from visiongpt_agent.llm.grammar import PlanMatcher, PlanRules
from visiongpt_agent.llm.plans import plan_of
from visiongpt_agent.llm.torch_network import TorchPrefixes
from visiongpt_agent.plan import MAX_PROPOSALS, Signature
from visiongpt_agent.prompts import planner_user

pytestmark = pytest.mark.usefixtures("one_thread")


class Tool:
    """Carries a signature, as the vision tools do."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def __call__(self) -> None: ...


@pytest.fixture(scope="session")
def tools(catalog: Mapping[str, Signature]) -> list[Tool]:
    return [Tool(signature) for signature in catalog.values()]


def rendered(chat: ChatLlama, monkeypatch: pytest.MonkeyPatch, messages: list[BaseMessage]) -> str:
    """The very text that the pipeline is given."""
    seen: list[str] = []
    generate = type(chat.llm.pipeline).__call__

    def record(self: Any, prompt: str, **settings: Any) -> Any:
        assert settings["add_special_tokens"] is False
        seen.append(prompt)
        return generate(self, prompt, **settings)

    monkeypatch.setattr(type(chat.llm.pipeline), "__call__", record)
    chat.bind(max_tokens=2).invoke(messages)
    return seen[0]


@pytest.mark.parametrize("temperature", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("images", [0, 1, 3])
def test_plans_of_a_model_that_knows_nothing_check(
    tiny_chat: ChatLlama, tools: list[Tool], catalog: Mapping[str, Signature], images: int, temperature: float
) -> None:
    planner = tiny_chat.bind_tools(tools, images=images, temperature=temperature)
    for request in ("Blur the faces", "Tell me everything about it", ""):
        answer = planner.invoke(planner_user([f"$1 user {request}.jpg"], request))
        plan = plan_of(answer, catalog)
        plan.check(catalog, images)
        assert str(plan) == answer.text
        assert len(answer.tool_calls) == (0 if plan.control else len(plan))


def test_the_kept_prefix_changes_nothing(tiny_chat: ChatLlama, tools: list[Tool]) -> None:
    question = planner_user(["$1 user bus.jpg 810x1080"], "How many people?")
    fresh = ChatLlama(llm=tiny_chat.llm).bind_tools(tools, images=1)
    first = fresh.invoke(question)
    fresh.invoke(planner_user(["$1 user cat.jpg 9x9"], "Remove the cat"))
    again = fresh.invoke(question)
    assert first.text == again.text
    assert first.usage_metadata == again.usage_metadata


REQUESTS = (
    "Blur the faces of all the people in this picture.",
    "How many people?",
    "make it grey",
    "is the lemon on the plate?",
)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_plan_is_the_likeliest_that_was_looked_at(tiny_chat: ChatLlama, tools: list[Tool], request_: str) -> None:
    """By the logits of one forward over prompt and plan at once, without any cache.

    Each token is the likeliest of those allowed, but for at most one, where the second likeliest began a likelier plan;
    and the plan is no less likely than the one that the likeliest tokens alone make.
    """
    rules = PlanRules({tool.signature.tool: tool.signature for tool in tools}, 1)
    tokens, model = tiny_chat._plan_tokens(), tiny_chat.llm.pipeline.model
    prompt = tiny_chat._encode(request_)
    decoder = PlanDecoder(PlanMatcher(tokens, rules, 200))
    decoder.decode(TorchPrefixes(model).start(prompt[:5]), prompt[5:])

    matcher, score, ranks = PlanMatcher(tokens, rules, 200), 0.0, list[int]()
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + decoder.generated])).logits[0]
    for i, token in enumerate(decoder.generated):
        if (allowed := choice(matcher)) is not None:
            row = logits[len(prompt) - 1 + i].masked_fill(~allowed, float("-inf")).log_softmax(dim=-1)
            score += float(row[token])
            ranks.append(int((row > row[token] + 1e-4).sum()))
        matcher.accept(token)
    assert matcher.plan == decoder.matcher.plan
    assert sorted(ranks)[:-1] == [0] * (len(ranks) - 1)
    assert max(ranks) <= 1
    assert score >= greedy_score(model, prompt, PlanMatcher(tokens, rules, 200)) - 1e-3


def choice(matcher: PlanMatcher) -> torch.Tensor | None:
    """The tokens there are to choose from, None where one is forced."""
    allowed = torch.from_numpy(matcher.allowed())
    return None if allowed.sum() <= 1 or matcher._matcher.compute_ff_tokens() else allowed


def greedy_score(model: Any, prompt: list[int], matcher: PlanMatcher) -> float:
    """Log-probability of the plan of the likeliest tokens, each by a forward over all before it."""
    written, score = list(prompt), 0.0
    with torch.inference_mode():
        while True:
            written += matcher.forced()
            if matcher.done:
                return score
            row = model(torch.tensor([written])).logits[0, -1]
            row = row.masked_fill(~torch.from_numpy(matcher.allowed()), float("-inf")).log_softmax(dim=-1)
            written.append(int(row.argmax()))
            score += float(row.max())
            matcher.accept(written[-1])
            if matcher.done:
                return score


@pytest.mark.parametrize(("choice", "first"), [("caption_image", "caption_image"), ("any", ""), ("required", "")])
def test_tool_choice(tiny_chat: ChatLlama, tools: list[Tool], choice: str, first: str) -> None:
    answer = tiny_chat.bind_tools(tools, tool_choice=choice, images=1).invoke("Hello")
    assert isinstance(answer, AIMessage)
    assert 1 <= len(answer.tool_calls) <= (1 if first else MAX_PROPOSALS)
    assert answer.tool_calls[0]["name"] == (first or answer.tool_calls[0]["name"])


def test_a_tool_is_called_by_its_own_name_though_plans_cannot_hold_it(tiny_chat: ChatLlama) -> None:
    search = {"name": "web-search", "description": "Search.", "parameters": {"type": "object", "properties": {}}}

    answer = tiny_chat.bind_tools([search], tool_choice="web-search", images=0).invoke("Hello")

    assert isinstance(answer, AIMessage)
    assert answer.text == "#1 = web_search()"
    assert [call["name"] for call in answer.tool_calls] == ["web-search"]


def test_tool_choice_must_name_a_tool(tiny_chat: ChatLlama, tools: list[Tool]) -> None:
    with pytest.raises(InputError, match="tool_choice 'fly' is not one of the tools"):
        tiny_chat.bind_tools(tools, tool_choice="fly")


def test_streamed_and_whole_answers_agree(tiny_chat: ChatLlama, tools: list[Tool]) -> None:
    planner = tiny_chat.bind_tools(tools, images=1)
    whole = planner.invoke("Hello")
    streamed = reduce(operator.add, planner.stream("Hello"))
    assert (streamed.text, streamed.tool_calls) == (whole.text, whole.tool_calls)
    chat = tiny_chat.bind(max_tokens=20)
    assert "".join(chunk.text for chunk in chat.stream("Hello")) == chat.invoke("Hello").text


def test_a_stream_can_be_left(tiny_chat: ChatLlama) -> None:
    """Closing the stream ends the generation: 4,000 tokens would take many seconds."""
    import time

    start = time.monotonic()
    stream = tiny_chat.bind(max_tokens=4000).stream("Hello")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 3


async def test_many_at_once(tiny_chat: ChatLlama, tools: list[Tool]) -> None:
    planner = tiny_chat.bind_tools(tools, images=1)
    questions = [f"Request {i}" for i in range(6)]
    together = await asyncio.gather(*(planner.ainvoke(question) for question in questions))
    assert [answer.text for answer in together] == [planner.invoke(question).text for question in questions]


CONVERSATION = [
    SystemMessage("Be brief."),
    HumanMessage("One"),
    HumanMessage("Two"),
    AIMessage("", tool_calls=[{"name": "look", "args": {"image": "$1"}, "id": "1"}]),
    ToolMessage("a cat", name="look", tool_call_id="1"),
    HumanMessage("And now?"),
]


def test_the_template_gets_alternating_turns(
    tiny_chat: ChatLlama, monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    prompt = rendered(tiny_chat, monkeypatch, list(CONVERSATION))
    if tokenizer.bos_token == "<s>":
        assert prompt == (
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nOne\n\nTwo [/INST] #1 = look(image=$1) </s>"
            "<s>[INST] Result of look: a cat\n\nAnd now? [/INST]"
        )
        assert tiny_chat._encode(prompt).count(tokenizer.bos_token_id) == 2, "one for each turn, none added"
    else:
        assert prompt == (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOne\n\nTwo<|im_end|>\n"
            "<|im_start|>assistant\n#1 = look(image=$1)<|im_end|>\n"
            "<|im_start|>user\nResult of look: a cat\n\nAnd now?<|im_end|>\n<|im_start|>assistant\n"
        )


def test_a_template_without_a_system_role(tiny_chat: ChatLlama, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    )
    monkeypatch.setattr(tiny_chat.llm.pipeline.tokenizer, "chat_template", strict)
    prompt = rendered(tiny_chat, monkeypatch, [SystemMessage("Be brief."), HumanMessage("Hi")])
    assert prompt == "user: Be brief.\n\nHi\n"


def test_pictures_are_refused(tiny_chat: ChatLlama) -> None:
    message = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])
    with pytest.raises(InputError, match="a local model reads text, not image_url blocks"):
        tiny_chat.invoke([message])


def test_from_folder(tiny_chat: ChatLlama, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = tiny_chat.llm.pipeline
    generator.model.save_pretrained(tmp_path)
    generator.tokenizer.save_pretrained(tmp_path)
    loaded = ChatLlama.from_folder(tmp_path, max_tokens=20)
    assert loaded.invoke("Hello").text == tiny_chat.bind(max_tokens=20).invoke("Hello").text
    monkeypatch.setattr(generator.tokenizer, "chat_template", None)
    (tmp_path / "bare").mkdir()
    generator.model.save_pretrained(tmp_path / "bare")
    generator.tokenizer.save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match="has no chat template"):
        ChatLlama.from_folder(tmp_path / "bare")
