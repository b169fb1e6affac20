"""What the catalogue computes to is kept on disk, and what is kept gives the same plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_llama import byte_level_tokenizer, tiny_llama
from visiongpt_agent.llm.torch_network import TorchPrefixes

pytestmark = pytest.mark.usefixtures("one_thread")

PREFIX = list(range(5, 45))


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama(byte_level_tokenizer(["#1 = caption_image(image=$1)"])).eval()


def logits_after(cache: TorchPrefixes, prefix: list[int]) -> list[float]:
    logits: list[float] = cache.start(prefix).read([7, 8]).tolist()
    return logits


def test_the_next_process_reads_what_was_kept(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = logits_after(TorchPrefixes(model), PREFIX)
    logits_after(TorchPrefixes(model, folder=tmp_path), PREFIX)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr(TorchPrefixes, "compute", lambda *_: pytest.fail("it is computed though it was kept"))

    again = logits_after(TorchPrefixes(model, folder=tmp_path), PREFIX)

    assert file.suffix == ".safetensors"
    assert again == fresh


def test_a_damaged_file_is_made_anew(model: Any, tmp_path: Path) -> None:
    fresh = logits_after(TorchPrefixes(model, folder=tmp_path), PREFIX)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])

    again = logits_after(TorchPrefixes(model, folder=tmp_path), PREFIX)

    assert again == fresh
    assert file.stat().st_size == len(whole)


def test_only_the_newest_are_kept(model: Any, tmp_path: Path) -> None:
    cache = TorchPrefixes(model, size=2, folder=tmp_path)
    for length in (10, 20, 30):
        logits_after(cache, PREFIX[:length])

    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(model: Any, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    kept = logits_after(TorchPrefixes(model, folder=in_the_way / "prefixes"), PREFIX)

    assert kept == logits_after(TorchPrefixes(model), PREFIX)
