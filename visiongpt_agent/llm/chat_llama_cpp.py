"""``ChatLlamaCpp``: any model that llama.cpp runs, in this process from a GGUF file, or on a server of llama.cpp.

Both are spoken to over HTTP: the file's server listens on this machine alone, under a key of its own. A plan is asked
for line by line, each under the GBNF grammar of what may follow, so that it checks as a plan decoded here does. See
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md for the interface.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pydantic import PrivateAttr, SecretStr

from visiongpt_agent.errors import PlanError, WeightsError
from visiongpt_agent.llm.copying import RequestWords
from visiongpt_agent.llm.fitting import Turn
from visiongpt_agent.llm.gbnf import line_grammar
from visiongpt_agent.llm.grammar import PlanRules
from visiongpt_agent.llm.local_chat import UNBOUNDED, LocalChat, system_into_user
from visiongpt_agent.plan import Plan, Proposal, parse_plan
from visiongpt_agent.untrusted import defused

LONGEST_CONTEXT: Final = 8192
"""Tokens that a file is loaded for at most: the keys and values of more take memory that the card does not count."""


class ChatLlamaCpp(LocalChat):
    """A chat model that llama.cpp runs, with the chat template of its file.

    Attributes:
        url: Of the server, without ``/v1``.
        key: What the server asks for as ``Authorization: Bearer``; empty for none.
        seconds: How long an answer may take.
    """

    url: str
    key: SecretStr = SecretStr("")
    seconds: float = 600.0

    _server: Any = PrivateAttr(default=None)

    @classmethod
    def from_file(cls, file: Path, *, threads: int | None = None, **settings: Any) -> Self:
        """Run a GGUF file in this process, on the CPU; of one in parts the first is named.

        Args:
            file: The file.
            threads: How many threads compute; as many as there are cores where None.
            settings: Fields of this class.

        Raises:
            WeightsError: If the file is not there, or llama.cpp cannot read it.
        """
        from xllamacpp import CommonParams, Server

        if not file.is_file():
            raise WeightsError(f"{file} is not there")
        key = secrets.token_hex(16)
        params = CommonParams()
        params.model.path = str(file)
        params.n_parallel, params.n_gpu_layers, params.port, params.verbosity = 1, 0, 0, 0
        params.ui = params.warmup = False
        params.api_keys = [key]
        params.cpuparams.n_threads = threads or os.cpu_count() or 1
        params.n_ctx = min(_trained_context(file), LONGEST_CONTEXT)
        try:
            server = Server(params)
        except Exception as error:  # a bare RuntimeError, whatever the cause
            raise WeightsError(f"llama.cpp cannot run {file}: {error}") from error
        chat = cls(url=server.listening_address, key=SecretStr(key), **settings)
        chat._server = server
        return chat

    def check(self) -> None:
        """See that a server of llama.cpp with a model is there.

        Raises:
            WeightsError: If it is not.
        """
        if "default_generation_settings" not in self._props:
            raise WeightsError(f"{self.url} is no server of llama.cpp; start one: llama-server -m FILE.gguf --jinja")

    @property
    def _llm_type(self) -> str:
        return "chat-llama-cpp"

    @property
    def model_name(self) -> str:
        """What the server calls the model, mostly its file."""
        return str(self._props.get("model_alias") or self._props.get("model_path") or self.url)

    @cached_property
    def _props(self) -> dict[str, Any]:
        return self._ask("/props")

    def _context(self) -> int:
        return int(self._props["default_generation_settings"].get("n_ctx") or UNBOUNDED)

    def _leading_space(self) -> bool:
        """True of all: the grammar allows the space, and whether one is written is the model's to know."""
        return True

    def _encode(self, text: str) -> list[int]:
        body = {"content": text, "add_special": True, "parse_special": True}
        tokens: list[int] = self._ask("/tokenize", body)["tokens"]
        return tokens

    def _render(self, turns: Sequence[Turn]) -> str:
        special = [self._props.get(name) for name in ("bos_token", "eos_token")]
        messages = [{**turn, "content": defused(turn["content"], filter(None, special))} for turn in turns]
        try:
            answer = self._ask("/apply-template", {"messages": messages})
        except _RefusedError:  # a template without a system role
            answer = self._ask("/apply-template", {"messages": system_into_user(messages)})
        return str(answer["prompt"])

    def _write_plan(
        self, prompt: str, prefix: int, rules: PlanRules, words: RequestWords, temperature: float, budget: int
    ) -> tuple[Plan, int]:
        proposals: list[Proposal] = []
        text, written = "", 0
        while written < budget and (grammar := line_grammar(rules, proposals)):
            answer = self._complete(prompt + text, temperature, budget - written, grammar=grammar)
            line, written = answer["content"], written + answer["tokens_predicted"]
            proposal = _proposal(line, len(proposals) + 1)
            if proposal is None or proposal.call() in [earlier.call() for earlier in proposals]:
                break
            proposals.append(proposal)
            text += line
            if not line.endswith("\n"):
                break
        if not proposals:
            raise PlanError(f"{self.model_name} wrote no step within {budget} tokens")
        return Plan(tuple(proposals)), written

    def _prose(self, prompt: str, stop: Sequence[str], temperature: float, max_tokens: int) -> Iterator[str]:
        yield self._complete(prompt, temperature, max_tokens, stop=list(stop))["content"]

    def _complete(self, prompt: str, temperature: float, longest: int, **options: Any) -> dict[str, Any]:
        body = {"prompt": prompt, "temperature": temperature, "n_predict": longest, "cache_prompt": True, **options}
        return self._ask("/completion", body)

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The server's answer to a JSON body, or to none.

        Raises:
            WeightsError: If it does not answer, or refuses.
        """
        headers = {"Content-Type": "application/json"}
        if key := self.key.get_secret_value():
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, headers), timeout=self.seconds) as answer:
                read = json.load(answer)
        except HTTPError as error:
            reason = error.read(200).decode("utf-8", "replace")
            raise _RefusedError(f"{self.url}{path} answered {error.code}: {reason}") from error
        except (URLError, TimeoutError, ConnectionError) as error:
            raise WeightsError(
                f"no language model answers at {self.url} ({getattr(error, 'reason', error)}): start it, or set "
                "VISIONGPT_LLM to another"
            ) from error
        except ValueError as error:
            raise WeightsError(f"{self.url}{path} answered with something other than JSON") from error
        return dict(read)


class _RefusedError(WeightsError):
    """The server answered, but with an error."""


def _proposal(line: str, number: int) -> Proposal | None:
    """The proposal of a line; None where the line was cut short."""
    try:
        (proposal,) = parse_plan(line.strip())
    except PlanError:
        return None
    return Proposal(number, proposal.tool, proposal.args)


def _trained_context(file: Path) -> int:
    """The tokens of context that a GGUF file was trained for; as many as possible where it does not say."""
    from gguf import GGUFReader

    try:
        fields = GGUFReader(file).fields
        architecture = str(fields["general.architecture"].contents())
        return int(fields[f"{architecture}.context_length"].contents())
    except KeyError:
        return LONGEST_CONTEXT
    except (ValueError, OSError) as error:
        raise WeightsError(f"{file} is no GGUF file: {error}") from error
