"""The language model that a user names, in whatever form it is."""

from __future__ import annotations

from visiongpt_agent.models.base import Model
from visiongpt_agent.models.llama import llama_named
from visiongpt_agent.models.llama_cpp import gguf_file, llama_of_file, llama_of_server


def llm_named(name: str) -> type[Model]:
    """The adapter of the language model that ``VISIONGPT_LLM`` names.

    Args:
        name: A GGUF file or a folder with one, the address of a server of llama.cpp, a folder that
            ``save_pretrained`` wrote, or a hub repository such as ``meta-llama/Llama-2-7b-chat-hf``.

    Raises:
        WeightsError: If it is none of these.
    """
    if name.startswith(("http://", "https://")):
        return llama_of_server(name)
    if file := gguf_file(name):
        return llama_of_file(file)
    return llama_named(name)
