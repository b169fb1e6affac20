"""Language models that llama.cpp runs: a GGUF file on the CPU of this machine, or a server of llama.cpp.

Gerganov and others, https://github.com/ggml-org/llama.cpp. LLaMA-2-7B-chat takes 4 GB in a GGUF file of four bits, in
place of 13.5 GB; such files are made by the tools of llama.cpp, or come from the hub.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Final, Self

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.jobs import LLM
from visiongpt_agent.models.llama import Llama
from visiongpt_agent.weights import LocalFolder

_PART: Final = re.compile(r"-(\d{5})-of-\d{5}\.gguf$")
_CONTEXT_BYTES: Final = 2_000_000_000
"""What keys and values of 4,096 tokens take of a model of 7 billion parameters, at most."""


class LlamaFile(Llama):
    """A GGUF file, run in this process."""

    file: ClassVar[Path]

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Run the file, whatever the folder; where it is comes with the class."""
        from visiongpt_agent.llm.chat_llama_cpp import ChatLlamaCpp

        return cls(ChatLlamaCpp.from_file(cls.file))


class LlamaServer(Llama):
    """A server of llama.cpp, here or elsewhere."""

    url: ClassVar[str]

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """See that the server answers; it has loaded its model itself."""
        from visiongpt_agent.llm.chat_llama_cpp import ChatLlamaCpp

        chat = ChatLlamaCpp(url=cls.url)
        chat.check()
        return cls(chat)


def gguf_file(name: str) -> Path | None:
    """The GGUF file that a name means: itself, or the only model in a folder without a ``config.json``; else None.

    Raises:
        WeightsError: If a folder holds several.
    """
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path
    if not path.is_dir() or (path / "config.json").is_file():
        return None
    parts = {file: _PART.search(file.name) for file in sorted(path.glob("*.gguf"))}
    files = [file for file, part in parts.items() if part is None or int(part[1]) == 1]
    if len(files) > 1:
        raise WeightsError(f"{path} holds {len(files)} GGUF models: name one, such as VISIONGPT_LLM={files[0]}")
    return files[0] if files else None


def llama_of_file(file: Path) -> type[Llama]:
    """The adapter of a GGUF file."""
    parts = file.parent.glob(_PART.sub("-*.gguf", file.name)) if _PART.search(file.name) else [file]
    size = sum(part.stat().st_size for part in parts)
    card = ModelCard(
        name=card_name(_PART.sub("", file.name).removesuffix(".gguf")),
        title=str(file),
        jobs=(LLM,),
        licence="the model's own",
        homepage=str(file),
        memory=size + min(size, _CONTEXT_BYTES),
        source=LocalFolder(file.parent),
        modules=("xllamacpp",),
        extra="gguf",
        notice="LLaMA-family models have licences of their own: read the model's page first.",
    )
    return type("LlamaFile", (LlamaFile,), {"card": card, "file": file})


def llama_of_server(url: str) -> type[Llama]:
    """The adapter of a server of llama.cpp; a path ``/v1`` is that of its other interface, and is left out."""
    address = url.rstrip("/").removesuffix("/v1")
    card = ModelCard(
        name=card_name(address.partition("://")[2]),
        title=address,
        jobs=(LLM,),
        licence="the model's own",
        homepage=address,
        memory=1,  # it lies on the server
    )
    return type("LlamaServer", (LlamaServer,), {"card": card, "url": address})


def card_name(text: str) -> str:
    """A name for a card from a file's or a server's."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "llm"
