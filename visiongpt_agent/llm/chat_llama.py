"""``ChatLlama``: a local LLaMA-family model as a LangChain chat model that really calls tools."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, Self

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_huggingface import HuggingFacePipeline
from pydantic import PrivateAttr

from visiongpt_agent.errors import InputError
from visiongpt_agent.llm.copying import RequestWords
from visiongpt_agent.llm.decoding import PlanDecoder, PrefixCache
from visiongpt_agent.llm.fitting import Fitted, Turn, fitted
from visiongpt_agent.llm.grammar import PlanMatcher, PlanRules, begins_with_space, plan_tokens
from visiongpt_agent.llm.plans import plan_of, tool_calls_of
from visiongpt_agent.llm.prose import prose
from visiongpt_agent.llm.signatures import ToolLike, signature_of
from visiongpt_agent.llm.tokenizer import as_stored
from visiongpt_agent.plan import CONTROL, MAX_PROPOSALS, REPLY, Plan, Signature
from visiongpt_agent.prompts import planner_system, planner_user
from visiongpt_agent.untrusted import defused

logger = logging.getLogger(__name__)

_UNBOUNDED: Final = 10**9


class ChatLlama(BaseChatModel):
    """A chat model over a Hugging Face text-generation pipeline, with the model's own chat template.

    With tools bound it answers with a plan, decoded under the grammar of the tools' signatures: whatever the weights,
    the plan parses and its calls fit their tools. Without tools it answers in prose.

    Attributes:
        llm: The LangChain pipeline that holds model and tokenizer.
        temperature: 0 decodes greedily.
        max_tokens: Most tokens of an answer.
        stop: Texts before which an answer ends.
        prefixes: A folder in which what the catalogue computes to is kept for the next process; it must be used with
            these weights alone. In memory alone where None.

    Example:
        .. code-block:: python

            chat = ChatLlama.from_folder("meta-llama/Llama-2-7b-chat-hf")
            planner = chat.bind_tools(tools, images=1)
            print(planner.invoke(planner_user(["$1 user bus.jpg 810x1080"], "Blur the faces")).text)
    """

    llm: HuggingFacePipeline
    temperature: float = 0.0
    max_tokens: int = 512
    stop: list[str] | None = None
    prefixes: Path | None = None

    _prefixes: PrefixCache = PrivateAttr(default_factory=PrefixCache)
    _tokens: Any = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @classmethod
    def from_folder(
        cls, folder: str | PathLike[str], *, device: str = "cpu", dtype: str | None = None, **settings: Any
    ) -> Self:
        """Load a model.

        Args:
            folder: A folder that ``save_pretrained`` wrote, or a model's name on the Hugging Face hub.
            device: Where it runs, as torch spells it.
            dtype: ``float32``, ``bfloat16`` or ``float16``; by default float32 on the CPU, bfloat16 elsewhere.
            settings: Fields of this class.

        Raises:
            InputError: If the model has no chat template.
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

        name = str(folder)
        precision = getattr(torch, dtype or ("float32" if device == "cpu" else "bfloat16"))
        tokenizer = as_stored(AutoTokenizer.from_pretrained(name), Path(name))
        if not tokenizer.chat_template:
            raise InputError(f"{name} has no chat template: use an instruction-tuned model, such as Llama-2-7b-chat-hf")
        with _quiet():
            model = AutoModelForCausalLM.from_pretrained(name, dtype=precision)
        generator = pipeline("text-generation", model=model, tokenizer=tokenizer, device=torch.device(device))
        return cls(llm=HuggingFacePipeline(pipeline=generator, model_id=name), **settings)

    def model_post_init(self, context: Any, /) -> None:
        """Keep prompt beginnings on disk too, where a folder is given for them."""
        super().model_post_init(context)
        self._prefixes = PrefixCache(folder=self.prefixes)

    @property
    def _llm_type(self) -> str:
        return "chat-llama"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_id": self.llm.model_id, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_model_name"] = str(kwargs.get("model", self.llm.model_id))
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
            ``"1"``, ``"2"``, ... and references as ``"$1"``, ``"#2"``.

        Raises:
            PlanError: If a tool takes an argument that a plan cannot hold.
            InputError: If ``tool_choice`` names none of the tools.
        """
        signatures = [signature_of(tool) for tool in tools]
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
        turns = _turns(messages)
        if tools:
            plan, usage, shown = self._plan(turns, tools, tool_choice, images, settings)
            if images is not None or plan.control is None:
                yield _plan_chunk(plan, usage, {"model_name": self.llm.model_id, **_left_out(shown)})
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
            begins_with_space(self.llm.pipeline.tokenizer),
        )
        words = RequestWords(next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), ""))
        decoder = PlanDecoder(PlanMatcher(self._plan_tokens(), rules, budget), self._prefixes, prefix, words)
        self.llm.pipeline(
            prompt,
            custom_generate=decoder,
            add_special_tokens=False,
            return_full_text=False,
            **self._sampling(settings, budget),
        )
        return decoder.matcher.plan, _usage(len(self._encode(prompt)), len(decoder.generated)), shown

    def _context(self) -> int:
        """The most tokens that the model reads and writes together."""
        config = self.llm.pipeline.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or _UNBOUNDED)

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

    def _plan_tokens(self) -> Any:
        with self._lock:
            if self._tokens is None:
                model, tokenizer = self.llm.pipeline.model, self.llm.pipeline.tokenizer
                ends = model.generation_config.eos_token_id
                ends = [tokenizer.eos_token_id] if ends is None else ends
                self._tokens = plan_tokens(
                    tokenizer, [ends] if isinstance(ends, int) else ends, model.config.get_text_config().vocab_size
                )
            return self._tokens

    # ------------------------------------------------------------------------------------------------------- prose

    def _prose_chunks(
        self, turns: Sequence[Turn], stop: Sequence[str], settings: Mapping[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        prompt, text = self._render(turns), ""
        sampling = self._sampling(settings, settings.get("max_tokens", self.max_tokens))
        for piece in prose(self.llm.pipeline, prompt, stop, **sampling):
            text += piece
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        usage = _usage(len(self._encode(prompt)), len(self._encode(text)))
        metadata = {"model_name": self.llm.model_id}
        last = AIMessageChunk(content="", usage_metadata=usage, response_metadata=metadata, chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _sampling(self, settings: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
        temperature = settings.get("temperature", self.temperature)
        chosen = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        return {**chosen, "max_new_tokens": max_tokens, "min_new_tokens": 1}

    # ------------------------------------------------------------------------------------------------- chat template

    def _render(self, turns: Sequence[Turn]) -> str:
        """The chat by the model's own template, special tokens included, up to where the answer begins."""
        from jinja2 import TemplateError

        tokenizer = self.llm.pipeline.tokenizer
        render = tokenizer.apply_chat_template
        special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        # The pipeline reads marks of roles and turns wherever they stand: those in what somebody wrote are words.
        said = [{**turn, "content": defused(turn["content"], special)} for turn in turns]
        try:
            text = render(said, tokenize=False, add_generation_prompt=True)
        except TemplateError:  # a template without a system role
            text = render(_system_into_user(said), tokenize=False, add_generation_prompt=True)
        assert isinstance(text, str)
        return text

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.llm.pipeline.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would break into what a command prints."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _chosen(choice: str | Mapping[str, Any] | bool | None, tools: Sequence[Signature]) -> str | None:
    """``"any"``, a tool's name, or None where the model is free."""
    if isinstance(choice, Mapping):  # OpenAI's {"type": "function", "function": {"name": ...}}
        choice = str(choice.get("function", choice).get("name"))
    if choice in (None, False, "auto", "none"):
        return None
    if choice in (True, "any", "required"):
        return "any"
    if choice not in [tool.tool for tool in tools]:
        raise InputError(f"tool_choice {choice!r} is not one of the tools {', '.join(tool.tool for tool in tools)}")
    return str(choice)


def _turns(messages: Sequence[BaseMessage]) -> list[Turn]:
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
            raise InputError(f"ChatLlama reads text, not {block['type']} blocks: hand images to the tools")
    return message.text


def _as_request(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the last user turn worded as a planner's request without images."""
    last = max((i for i, turn in enumerate(turns) if turn["role"] == "user"), default=-1)
    return [
        {**turn, "content": planner_user([], turn["content"])} if i == last else turn for i, turn in enumerate(turns)
    ]


def _system_into_user(turns: Sequence[Turn]) -> list[Turn]:
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


def _plan_chunk(plan: Plan, usage: UsageMetadata, metadata: Mapping[str, Any]) -> ChatGenerationChunk:
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(tool_calls_of(plan))
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
