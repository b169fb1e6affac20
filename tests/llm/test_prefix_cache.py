"""What the catalogue computes to is kept on disk, and what is kept gives the same plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_llama import byte_level_tokenizer, tiny_llama
from visiongpt_agent.llm.decoding import PrefixCache

pytestmark = pytest.mark.usefixtures("one_thread")

PREFIX = list(range(5, 45))


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama(byte_level_tokenizer(["#1 = caption_image(image=$1)"])).eval()


def logits_after(cache: PrefixCache, model: Any, prefix: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        kept = cache.start(model, prefix)
        logits: torch.Tensor = model(input_ids=torch.tensor([[7, 8]]), cache=kept, use_cache=True).logits
    return logits


def test_the_next_process_reads_what_was_kept(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = logits_after(PrefixCache(), model, PREFIX)
    logits_after(PrefixCache(folder=tmp_path), model, PREFIX)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr(PrefixCache, "_compute", lambda *_: pytest.fail("it is computed though it was kept"))

    again = logits_after(PrefixCache(folder=tmp_path), model, PREFIX)

    assert file.suffix == ".safetensors"
    assert torch.equal(again, fresh)


def test_a_damaged_file_is_made_anew(model: Any, tmp_path: Path) -> None:
    fresh = logits_after(PrefixCache(folder=tmp_path), model, PREFIX)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])

    again = logits_after(PrefixCache(folder=tmp_path), model, PREFIX)

    assert torch.equal(again, fresh)
    assert file.stat().st_size == len(whole)


def test_only_the_newest_are_kept(model: Any, tmp_path: Path) -> None:
    cache = PrefixCache(size=2, folder=tmp_path)
    for length in (10, 20, 30):
        logits_after(cache, model, PREFIX[:length])

    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(model: Any, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    kept = logits_after(PrefixCache(folder=in_the_way / "prefixes"), model, PREFIX)

    assert torch.equal(kept, logits_after(PrefixCache(), model, PREFIX))
