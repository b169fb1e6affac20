"""Tokenizers that split text as their ``tokenizer.json`` says.

transformers 5 takes only the vocabulary, the merges and the post-processor from ``tokenizer.json``; normalizer,
pre-tokenizer and decoder it makes anew, as the tokenizer's class has them today. For LLaMA-2 these differ: its file
prepends ``▁`` to each piece between special tokens, the class to the first piece alone, so that ``<s>[INST]`` would
begin with ``[``, which LLaMA-2 never saw there, in place of ``▁[``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

_FILE: Final = "tokenizer.json"


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer that a folder holds, a ``PreTrainedTokenizerFast``; nothing is fetched.

    Raises:
        OSError, ValueError: If the folder holds no tokenizer.
    """
    from transformers import AutoTokenizer

    return as_stored(AutoTokenizer.from_pretrained(folder, local_files_only=True), folder)


def as_stored(tokenizer: Any, folder: Path) -> Any:
    """The tokenizer itself, its normalizer, pre-tokenizer and decoder replaced by those of the folder's file.

    Args:
        tokenizer: What ``transformers`` loaded from the folder; one that it runs in Python stays as it is.
        folder: The folder; where it holds no ``tokenizer.json`` nothing is replaced.
    """
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer) or not (folder / _FILE).is_file():
        return tokenizer
    stored = Tokenizer.from_file(str(folder / _FILE))
    backend.normalizer = stored.normalizer
    backend.pre_tokenizer = stored.pre_tokenizer
    backend.decoder = stored.decoder
    return tokenizer
