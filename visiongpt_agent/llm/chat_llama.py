"""``ChatLlama``: a local LLaMA-family model as a LangChain chat model that really calls tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Self

from langchain_huggingface import HuggingFacePipeline
from pydantic import PrivateAttr

from visiongpt_agent.errors import InputError
from visiongpt_agent.llm.decoding import PlanDecoder
from visiongpt_agent.llm.fitting import Turn
from visiongpt_agent.llm.grammar import begins_with_space, plan_tokens
from visiongpt_agent.llm.local_chat import UNBOUNDED, DecodingChat, system_into_user
from visiongpt_agent.llm.prose import prose
from visiongpt_agent.llm.tokenizer import as_stored
from visiongpt_agent.llm.torch_network import PipelineDecoder, TorchPrefixes
from visiongpt_agent.untrusted import defused


class ChatLlama(DecodingChat):
    """A chat model over a Hugging Face text-generation pipeline, with the model's own chat template.

    With tools bound it answers with a plan, decoded under the grammar of the tools' signatures: whatever the weights,
    the plan parses and its calls fit their tools. Without tools it answers in prose.

    Attributes:
        llm: The LangChain pipeline that holds model and tokenizer.

    Example:
        .. code-block:: python

            chat = ChatLlama.from_folder("meta-llama/Llama-2-7b-chat-hf")
            planner = chat.bind_tools(tools, images=1)
            print(planner.invoke(planner_user(["$1 user bus.jpg 810x1080"], "Blur the faces")).text)
    """

    llm: HuggingFacePipeline

    _prefixes: TorchPrefixes = PrivateAttr()

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
        self._prefixes = TorchPrefixes(self.llm.pipeline.model, folder=self.prefixes)

    @property
    def _llm_type(self) -> str:
        return "chat-llama"

    @property
    def model_name(self) -> str:
        """The pipeline's name: a folder or a repository."""
        return str(self.llm.model_id)

    def _context(self) -> int:
        """The most tokens that the model reads and writes together."""
        config = self.llm.pipeline.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or UNBOUNDED)

    def _new_plan_tokens(self) -> Any:
        model, tokenizer = self.llm.pipeline.model, self.llm.pipeline.tokenizer
        ends = model.generation_config.eos_token_id
        ends = [tokenizer.eos_token_id] if ends is None else ends
        vocabulary = model.config.get_text_config().vocab_size
        return plan_tokens(tokenizer, [ends] if isinstance(ends, int) else ends, vocabulary)

    def _leading_space(self) -> bool:
        return begins_with_space(self.llm.pipeline.tokenizer)

    def _decode(self, decoder: PlanDecoder, prompt: str, prefix: int, temperature: float, budget: int) -> None:
        self.llm.pipeline(
            prompt,
            custom_generate=PipelineDecoder(decoder, self._prefixes, prefix),
            add_special_tokens=False,
            return_full_text=False,
            **_sampling(temperature, budget),
        )

    def _prose(self, prompt: str, stop: Sequence[str], temperature: float, max_tokens: int) -> Iterator[str]:
        return prose(self.llm.pipeline, prompt, stop, **_sampling(temperature, max_tokens))

    def _render(self, turns: Sequence[Turn]) -> str:
        from jinja2 import TemplateError

        tokenizer = self.llm.pipeline.tokenizer
        render = tokenizer.apply_chat_template
        special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        # The pipeline reads marks of roles and turns wherever they stand: those in what somebody wrote are words.
        said = [{**turn, "content": defused(turn["content"], special)} for turn in turns]
        try:
            text = render(said, tokenize=False, add_generation_prompt=True)
        except TemplateError:  # a template without a system role
            text = render(system_into_user(said), tokenize=False, add_generation_prompt=True)
        assert isinstance(text, str)
        return text

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.llm.pipeline.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def _sampling(temperature: float, max_tokens: int) -> dict[str, Any]:
    chosen = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    return {**chosen, "max_new_tokens": max_tokens, "min_new_tokens": 1}


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
