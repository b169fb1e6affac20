"""``ChatOnnx``: a small LLaMA-family model that plans on a CPU with nothing of torch or transformers loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import PrivateAttr

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.llm.decoding import PlanDecoder, choose_token
from visiongpt_agent.llm.fitting import Turn
from visiongpt_agent.llm.local_chat import UNBOUNDED, DecodingChat
from visiongpt_agent.llm.onnx_network import OnnxPrefixes
from visiongpt_agent.untrusted import defused

if TYPE_CHECKING:
    from jinja2 import Template
    from tokenizers import Tokenizer


class ChatOnnx(DecodingChat):
    """A chat model over an ONNX graph, with the model's own tokenizer and chat template.

    Attributes:
        folder: Has the graph, ``config.json``, ``tokenizer.json`` and ``chat_template.jinja``.
        graph: The network's file in it, as :func:`~visiongpt_agent.llm.llama_onnx.write_llama` writes one.

    Raises:
        WeightsError: If one of them is not there or cannot be read.
    """

    folder: Path
    graph: str

    _network: OnnxPrefixes = PrivateAttr()
    _tokenizer: Tokenizer = PrivateAttr()
    _template: Template = PrivateAttr()
    _config: dict[str, Any] = PrivateAttr()

    @classmethod
    def from_folder(cls, folder: Path, **settings: Any) -> Self:
        """Load a model.

        Args:
            folder: See the class.
            settings: Fields of this class.
        """
        return cls(folder=folder, **settings)

    def model_post_init(self, context: Any, /) -> None:
        """Read the files."""
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        super().model_post_init(context)
        try:
            self._config = json.loads((self.folder / "config.json").read_text("utf-8"))
            self._tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            source = (self.folder / "chat_template.jinja").read_text("utf-8")
            self._network = OnnxPrefixes(self.folder / self.graph, folder=self.prefixes)
        except Exception as fault:  # tokenizers and onnxruntime raise bare exceptions of their own
            raise WeightsError(f"the language model in {self.folder} cannot be read: {fault}") from fault
        # As transformers renders chat templates: https://huggingface.co/docs/transformers/chat_templating_writing
        self._template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)

    @property
    def _llm_type(self) -> str:
        return "chat-onnx"

    @property
    def model_name(self) -> str:
        """The folder."""
        return str(self.folder)

    def _context(self) -> int:
        return int(self._config.get("max_position_embeddings") or UNBOUNDED)

    @cached_property
    def _end_tokens(self) -> list[int]:
        ends = self._config["eos_token_id"]
        return [ends] if isinstance(ends, int) else list(ends)

    def _new_plan_tokens(self) -> Any:
        from llguidance import LLTokenizer

        size = max(self._network.vocabulary, self._tokenizer.get_vocab_size())
        return LLTokenizer(self._tokenizer.to_str(), n_vocab=size, eos_token=self._end_tokens)

    def _leading_space(self) -> bool:
        return self._tokenizer.encode("#", add_special_tokens=False).tokens[0].startswith("▁")

    def _decode(self, decoder: PlanDecoder, prompt: str, prefix: int, temperature: float, budget: int) -> None:
        tokens = self._encode(prompt)
        with self._network.start(tokens[:prefix], len(tokens) + budget) as network:
            decoder.decode(network, tokens[prefix:], temperature)

    def _prose(self, prompt: str, stop: Sequence[str], temperature: float, max_tokens: int) -> Iterator[str]:
        pending, written, told = self._encode(prompt), list[int](), ""
        with self._network.start([], len(pending) + max_tokens) as network:
            while len(written) < max_tokens:
                token = choose_token(network.read(pending), temperature)
                if token in self._end_tokens:
                    break
                written.append(token)
                pending, text = [token], self._tokenizer.decode(written)
                ends = [place for word in stop if (place := text.find(word)) >= 0]
                if ends:
                    yield text[len(told) : min(ends)]
                    return
                settled = text[: len(text) - max((len(word) - 1 for word in stop), default=0)].removesuffix("\ufffd")
                if len(settled) > len(told):
                    yield settled[len(told) :]
                    told = settled
            yield self._tokenizer.decode(written)[len(told) :]

    def _render(self, turns: Sequence[Turn]) -> str:
        marks = [token.content for token in self._tokenizer.get_added_tokens_decoder().values() if token.special]
        # The tokenizer reads marks of roles and turns wherever they stand: those in what somebody wrote are words.
        messages = [{**turn, "content": defused(turn["content"], marks)} for turn in turns]
        return self._template.render(messages=messages, add_generation_prompt=True)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids
