"""Any instruction-tuned LLaMA-family model as the language model: LLaMA-2 (arXiv 2307.09288) and its kin.

Which one is the user's choice (``VISIONGPT_LLM``), a folder that ``save_pretrained`` wrote or a repository of the
Hugging Face hub, so its card is made when it is named and not listed beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import LLM
from visiongpt_agent.weights import Hub, LocalFolder, Source

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from visiongpt_agent.llm.local_chat import LocalChat

T = TypeVar("T")

_BYTES_A_PARAMETER = 2  # bfloat16
_ACTIVATIONS = 1.15  # keys and values of a 4,096-token context take about a seventh of a 7B model
_UNKNOWN_PARAMETERS = 7e9


class Llama(Model):
    """A loaded chat model that plans, and writes.

    Attributes:
        chat: The chat model.
        writes: True: it was tuned to answer in prose.
    """

    writes: bool = True

    def __init__(self, chat: LocalChat) -> None:
        self.chat = chat

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        from visiongpt_agent.llm.chat_llama import ChatLlama

        if folder is None or not (folder / "config.json").is_file():
            raise WeightsError(f"{folder} holds no config.json: name a folder that save_pretrained wrote")
        return cls(ChatLlama.from_folder(folder, device=placement.device, dtype=placement.dtype))

    def call(self, work: Callable[[BaseChatModel], T]) -> T:
        """Do some work with the chat model. Where memory runs out in it the pool has it done again, as any call."""
        return work(self.chat)

    def networks(self) -> Iterator[Any]:
        """The language model's network."""
        from visiongpt_agent.llm.chat_llama import ChatLlama

        if isinstance(self.chat, ChatLlama):
            yield self.chat.llm.pipeline.model


def llama_named(name: str) -> type[Model]:
    """The adapter of the model that a user names.

    Args:
        name: A folder, or a hub repository such as ``meta-llama/Llama-2-7b-chat-hf``.

    Raises:
        WeightsError: If it is neither.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        source: Source = LocalFolder(folder)
        weights = list(folder.glob("*.safetensors")) or list(folder.glob("*.bin"))
        memory = sum(file.stat().st_size for file in weights)
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        source = Hub(name, "main", networks=("",))
        memory = int(_parameters(name) * _BYTES_A_PARAMETER)
    else:
        raise WeightsError(
            f"VISIONGPT_LLM={name!r} is no folder, GGUF file, server's address, hub repository or model's name"
        )
    card = ModelCard(
        name=re.sub(r"[^a-z0-9._-]+", "-", folder.name.lower()).strip("-._") or "llm",
        title=name,
        jobs=(LLM,),
        licence="the model's own",
        homepage=f"https://huggingface.co/{name}" if isinstance(source, Hub) else str(folder),
        memory=int(memory * _ACTIVATIONS),
        source=source,
        notice="LLaMA-family models have licences of their own, some gated: read the model's page first.",
        dtypes=("bfloat16",),
        devices=("cuda", "cpu"),
    )
    return type("Llama", (Llama,), {"card": card})


def _parameters(name: str) -> float:
    """How many parameters a model's name tells of: ``Llama-2-7b`` has 7e9."""
    match = re.search(r"(\d+(?:\.\d+)?)([bm])(?![a-z])", name.lower())
    return float(match[1]) * (1e9 if match[2] == "b" else 1e6) if match else _UNKNOWN_PARAMETERS
