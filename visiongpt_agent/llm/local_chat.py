"""What every local LLaMA-family model has in common as a LangChain chat model, whichever library runs it."""

from __future__ import annotations

import json
import logging
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from visiongpt_agent.errors import InputError
from visiongpt_agent.llm.copying import RequestWords
from visiongpt_agent.llm.decoding import PlanDecoder
from visiongpt_agent.llm.fitting import Fitted, Turn, fitted
from visiongpt_agent.llm.grammar import PlanMatcher, PlanRules
from visiongpt_agent.llm.inventions import Invention, invention, without_inventions
from visiongpt_agent.llm.plans import plan_of, tool_calls_of
from visiongpt_agent.llm.signatures import ToolLike, signatures_of
from visiongpt_agent.plan import CONTROL, MAX_PROPOSALS, REPLY, Plan, Refusal, Signature
from visiongpt_agent.prompts import planner_system, planner_user

logger = logging.getLogger(__name__)

UNBOUNDED: Final = 10**9
"""The context of a model that names none, in tokens."""


class LocalChat(BaseChatModel):
    """A chat model on this machine that writes with its own chat template.

    With tools bound it answers with a plan, decoded under the grammar of the tools' signatures: whatever the weights,
    the plan parses and its calls fit their tools. Without tools it answers in prose.

    Attributes:
        temperature: 0 decodes greedily.
        max_tokens: Most tokens of an answer.
        stop: Texts before which an answer ends.
        prefixes: A folder in which what the catalogue computes to is kept for the next process; it must be used with
            these weights alone. In memory alone where None.
    """

    temperature: float = 0.0
    max_tokens: int = 512
    stop: list[str] | None = None
    prefixes: Path | None = None

    @property
    @abstractmethod
    def model_name(self) -> str:
        """What the model is called in answers' metadata."""

    @abstractmethod
    def _context(self) -> int:
        """The most tokens that the model reads and writes together."""

    @abstractmethod
    def _encode(self, text: str) -> list[int]:
        """The tokens of a text that carries its own special tokens."""

    @abstractmethod
    def _render(self, turns: Sequence[Turn]) -> str:
        """The chat by the model's own template, special tokens included, up to where the answer begins."""

    @abstractmethod
    def _leading_space(self) -> bool:
        """Whether the first token of an answer holds a space, as it does for LLaMA-2."""

    @abstractmethod
    def _write_plan(
        self, prompt: str, prefix: int, rules: PlanRules, words: RequestWords, temperature: float, budget: int
    ) -> tuple[Plan, int]:
        """Write a plan after a prompt, and count its tokens.

        Args:
            prompt: The rendered chat.
            prefix: How many tokens of the prompt are the same for every request.
            rules: Which plans are allowed.
            words: Those that the strings of the plan are to keep to.
            temperature: 0 writes the likeliest plan.
            budget: The most tokens of the plan.

        Raises:
            PlanError: If no plan can be written.
        """

    @abstractmethod
    def _prose(self, prompt: str, stop: Sequence[str], temperature: float, max_tokens: int) -> Iterator[str]:
        """Free text after a prompt, in pieces, up to a text of ``stop``."""

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_id": self.model_name, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_model_name"] = str(kwargs.get("model", self.model_name))
        return params

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: str | Mapping[str, Any] | bool | None = None,
        images: int | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools, so that answers are plans over them.

        Args:
            tools: What :func:`~visiongpt_agent.llm.signatures.signature_of` takes.
            tool_choice: ``"any"``, ``"required"`` or True: at least one tool is called; a tool's name: that tool alone.
            images: How many images the conversation holds. Given, the model plans: the human message is one of
                :func:`~visiongpt_agent.prompts.planner_user`, and the answer may be ``reply()`` or
                ``decline(reason=...)``. Left out, the model chats: where it calls no tool it answers in prose.
            kwargs: Passed on to each call.

        Returns:
            This model with the tools; its answers hold the plan as text, and one tool call a proposal with ids
            ``"1"``, ``"2"``, ... and references as ``"$1"``, ``"#2"``. A value that a tool read from a JSON schema
            requires and that nothing said gives is asked for, unless ``tool_choice`` says that a tool must be called.

        Raises:
            PlanError: If no tool is left that a plan can call; those that take what a plan cannot hold are left out.
            InputError: If ``tool_choice`` names none of the tools.
        """
        signatures = signatures_of(tools)
        return self.bind(tools=signatures, tool_choice=_chosen(tool_choice, signatures), images=images, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        chunks = [chunk.message for chunk in self._stream(messages, stop, None, **kwargs)]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole = whole + chunk
        assert isinstance(whole, AIMessageChunk)
        answer = AIMessage(whole.content, tool_calls=whole.tool_calls, usage_metadata=whole.usage_metadata)
        answer.response_metadata = whole.response_metadata
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        tools: Sequence[Signature] = (),
        tool_choice: str | None = None,
        images: int | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = self._chunks(messages, stop, tools, tool_choice, images, kwargs)
        for chunk in chunks:
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _chunks(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        tools: Sequence[Signature],
        tool_choice: str | None,
        images: int | None,
        settings: Mapping[str, Any],
    ) -> Iterator[ChatGenerationChunk]:
        turns = turns_of(messages)
        if tools:
            plan, usage, shown = self._plan(turns, tools, tool_choice, images, settings)
            plan, lacking = _settled(plan, tools, turns)
            lacking = None if tool_choice else lacking
            if lacking and images is None:
                yield _question(lacking, usage, self.model_name)
                return
            if lacking:
                plan = Plan.decline(
                    Refusal(cause="request", tool=lacking.tool, detail=f"{lacking}, which is not given")
                )
            if images is not None or plan.control is None:
                yield _plan_chunk(plan, tools, usage, {"model_name": self.model_name, **_left_out(shown)})
                return
        yield from self._prose_chunks(turns, stop or self.stop or [], settings)

    # ------------------------------------------------------------------------------------------------------- plans

    def _plan(
        self,
        turns: Sequence[Turn],
        tools: Sequence[Signature],
        tool_choice: str | None,
        images: int | None,
        settings: Mapping[str, Any],
    ) -> tuple[Plan, UsageMetadata, Fitted]:
        turns = turns if images is not None else _as_request(turns)
        named = [tool for tool in tools if tool.tool == tool_choice]
        budget = settings.get("max_tokens", self.max_tokens)
        room = self._context() - budget
        shown = fitted(turns, tools, lambda form: self._prompt_length(form) <= room)
        turns, tools = shown.turns, shown.tools
        prompt, prefix = self._planner_prompt(turns, planner_system(tools))
        controls = () if tool_choice else tuple(CONTROL) if images is not None else (REPLY.tool,)
        rules = PlanRules(
            {tool.tool: tool for tool in named or tools},
            images or 0,
            controls,
            1 if named else MAX_PROPOSALS,
            self._leading_space(),
        )
        words = RequestWords(next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), ""))
        plan, written = self._write_plan(prompt, prefix, rules, words, self._heat(settings), budget)
        return plan, _usage(len(self._encode(prompt)), written), shown

    def _prompt_length(self, form: Fitted) -> int:
        return len(self._encode(self._planner_prompt(form.turns, planner_system(form.tools))[0]))

    def _planner_prompt(self, turns: Sequence[Turn], catalog: str) -> tuple[str, int]:
        """The prompt, and how many of its tokens do not depend on the conversation."""
        own = [turn["content"] for turn in turns if turn["role"] == "system"]
        system = {"role": "system", "content": "\n\n".join([*own, catalog])}
        prompt = self._render([system, *(turn for turn in turns if turn["role"] != "system")])
        # Two requests that differ from their first letter on share exactly what is the same for all requests.
        one, other = (self._encode(self._render([system, {"role": "user", "content": word}])) for word in ("a", "Z"))
        shared = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        return prompt, shared if self._encode(prompt)[:shared] == one[:shared] else 0

    # ------------------------------------------------------------------------------------------------------- prose

    def _prose_chunks(
        self, turns: Sequence[Turn], stop: Sequence[str], settings: Mapping[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        prompt, text = self._render(turns), ""
        max_tokens = settings.get("max_tokens", self.max_tokens)
        for piece in self._prose(prompt, stop, self._heat(settings), max_tokens):
            text += piece
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        usage = _usage(len(self._encode(prompt)), len(self._encode(text)))
        metadata = {"model_name": self.model_name}
        last = AIMessageChunk(content="", usage_metadata=usage, response_metadata=metadata, chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _heat(self, settings: Mapping[str, Any]) -> float:
        return float(settings.get("temperature", self.temperature) or 0.0)


class DecodingChat(LocalChat):
    """A chat model whose network is at hand here, so that plans are decoded token by token."""

    _tokens: Any = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @abstractmethod
    def _new_plan_tokens(self) -> Any:
        """The tokenizer as the grammar reads it, see :mod:`~visiongpt_agent.llm.grammar`."""

    @abstractmethod
    def _decode(self, decoder: PlanDecoder, prompt: str, prefix: int, temperature: float, budget: int) -> None:
        """Have the decoder write a plan after a prompt whose first ``prefix`` tokens are the same for every request."""

    def _write_plan(
        self, prompt: str, prefix: int, rules: PlanRules, words: RequestWords, temperature: float, budget: int
    ) -> tuple[Plan, int]:
        decoder = PlanDecoder(PlanMatcher(self._plan_tokens(), rules, budget), words)
        self._decode(decoder, prompt, prefix, temperature, budget)
        return decoder.matcher.plan, len(decoder.generated)

    def _plan_tokens(self) -> Any:
        with self._lock:
            if self._tokens is None:
                self._tokens = self._new_plan_tokens()
            return self._tokens


def _chosen(choice: str | Mapping[str, Any] | bool | None, tools: Sequence[Signature]) -> str | None:
    """``"any"``, a tool's name, or None where the model is free."""
    if isinstance(choice, Mapping):  # OpenAI's {"type": "function", "function": {"name": ...}}
        choice = str(choice.get("function", choice).get("name"))
    if choice in (None, False, "auto", "none"):
        return None
    if choice in (True, "any", "required"):
        return "any"
    named = {tool.name or tool.tool: tool.tool for tool in tools}
    if choice not in named:
        raise InputError(f"tool_choice {choice!r} is not one of the tools {', '.join(named)}")
    return named[str(choice)]


def turns_of(messages: Sequence[BaseMessage]) -> list[Turn]:
    """The messages as a system turn and strictly alternating user and assistant turns, as LLaMA-2's template wants."""
    system = [_text(message) for message in messages if isinstance(message, SystemMessage)]
    turns: list[Turn] = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        role: Literal["user", "assistant"] = "assistant" if isinstance(message, AIMessage) else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += "\n\n" + _text(message)
        elif role == "assistant" and (not turns or turns[-1]["role"] == "system"):
            turns += [{"role": "user", "content": ""}, {"role": role, "content": _text(message)}]
        else:
            turns.append({"role": role, "content": _text(message)})
    return turns


def _text(message: BaseMessage) -> str:
    if isinstance(message, ToolMessage):
        return f"Result of {message.name or 'the tool'}: {_words(message)}"
    if isinstance(message, AIMessage) and message.tool_calls and not message.text:
        return str(plan_of(message))
    return _words(message)


def _words(message: BaseMessage) -> str:
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, dict) and block.get("type") in ("image", "image_url", "audio", "file", "video"):
            raise InputError(f"a local model reads text, not {block['type']} blocks: hand images to the tools")
    return message.text


def _as_request(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the last user turn worded as a planner's request without images."""
    last = max((i for i, turn in enumerate(turns) if turn["role"] == "user"), default=-1)
    return [
        {**turn, "content": planner_user([], turn["content"])} if i == last else turn for i, turn in enumerate(turns)
    ]


def system_into_user(turns: Sequence[Turn]) -> list[Turn]:
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    rest = [dict(turn) for turn in turns if turn["role"] != "system"]
    if system and rest:
        rest[0]["content"] = f"{system}\n\n{rest[0]['content']}"
    return rest


def _left_out(shown: Fitted) -> dict[str, Any]:
    """For the answer's metadata: what did not fit into the context; nothing where all of it did."""
    if shown.is_whole:
        return {}
    left_out = {"turns": shown.turns_left_out, "tools": list(shown.tools_left_out)}
    logger.warning("the prompt was too long for the model's context; left out: %s", left_out)
    return {"left_out": left_out}


def _settled(plan: Plan, tools: Sequence[Signature], turns: Sequence[Turn]) -> tuple[Plan, Invention | None]:
    """The plan without values that nothing said gives, and the first of them that a tool requires."""
    catalog = {tool.tool: tool for tool in tools}
    said = "\n".join(turn["content"] for turn in turns)  # by whomever: a result of a tool gives values too
    return without_inventions(plan, catalog, said), invention(plan, catalog, said)


def _question(lacking: Invention, usage: UsageMetadata, model: str) -> ChatGenerationChunk:
    """The answer that asks for a value."""
    what = f"{lacking.argument} ({lacking.description})" if lacking.description else lacking.argument
    message = AIMessageChunk(
        content=f"To call {lacking.tool} I need {what}: the request does not give it.",
        usage_metadata=usage,
        response_metadata={"model_name": model},
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def _plan_chunk(
    plan: Plan, tools: Sequence[Signature], usage: UsageMetadata, metadata: Mapping[str, Any]
) -> ChatGenerationChunk:
    """The answer that holds a plan over these tools."""
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(tool_calls_of(plan, tools))
    ]
    message = AIMessageChunk(
        content=str(plan),
        tool_call_chunks=calls,
        usage_metadata=usage,
        response_metadata=dict(metadata),
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def _usage(read: int, written: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
