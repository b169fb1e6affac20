"""Text is split as ``tokenizer.json`` says, LLaMA-2's as LLaMA-2 was trained on it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.llm.llama2_vocabulary import llama2_tokenizer
from tests.tiny_llama import tiny_llama
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.grammar import PlanMatcher, PlanRules, begins_with_space, plan_tokens
from visiongpt_agent.llm.plans import plan_of
from visiongpt_agent.llm.tokenizer import read_tokenizer
from visiongpt_agent.plan import Signature, parse_plan
from visiongpt_agent.prompts import planner_user


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama2_tokenizer(tmp_path_factory.mktemp("llama-2"))


@pytest.fixture(scope="module")
def words(folder: Path) -> Any:
    return read_tokenizer(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("<s>[INST] hi [/INST]", ["<s>", "▁[", "INST", "]", "▁hi", "▁[", "/", "INST", "]"]),
        ("#1", ["▁#", "1"]),
        ("a\nb", ["▁a", "<0x0A>", "b"]),
        ("🦜", ["▁", "<0xF0>", "<0x9F>", "<0xA6>", "<0x9C>"]),
        ("</s><s>[INST]", ["</s>", "<s>", "▁[", "INST", "]"]),
    ],
)
def test_llama_2_reads_what_it_was_trained_on(words: Any, text: str, pieces: list[str]) -> None:
    """The pieces are those of sentencepiece and of transformers 4.46 over the published repository."""
    assert words.tokenize(text) == pieces
    assert words.decode(words(text, add_special_tokens=False)["input_ids"]).replace(" ", "") == text.replace(" ", "")


@pytest.mark.slow
def test_llama_2_plans_under_the_grammar(words: Any, catalog: Mapping[str, Signature]) -> None:
    text = '#1 = detect_objects(image=$1, query="🦜")\n#2 = blur_regions(image=$1, regions=#1)'
    assert begins_with_space(words)
    matcher = PlanMatcher(plan_tokens(words, [2], 32_000), PlanRules(catalog, 1, leading_space=True))
    for token in words(text, add_special_tokens=False)["input_ids"]:
        assert matcher.allowed()[token], words.convert_ids_to_tokens(token)
        matcher.accept(token)
    matcher.accept(2)
    assert matcher.done
    assert matcher.plan == parse_plan(text)


@pytest.mark.slow
def test_random_tokens_of_llama_2_make_plans(words: Any, catalog: Mapping[str, Signature]) -> None:
    tokens, rng = plan_tokens(words, [2], 32_000), random.Random(0)
    for images in (0, 1, 3) * 5:
        matcher = PlanMatcher(tokens, PlanRules(catalog, images, leading_space=True), 150)
        while not matcher.done:
            if not matcher.forced():
                matcher.accept(int(rng.choice(np.flatnonzero(matcher.allowed()))))
        matcher.plan.check(catalog, images)


@pytest.mark.slow
def test_a_chat_model_over_it_plans(words: Any, folder: Path, catalog: Mapping[str, Signature]) -> None:
    tiny_llama(words).save_pretrained(folder)
    chat = ChatLlama.from_folder(folder, max_tokens=120)
    prompt = chat.llm.pipeline.tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert chat.llm.pipeline.tokenizer.tokenize(prompt)[:3] == ["<s>", "▁[", "INST"]
    answer = chat.bind_tools([_Tool(signature) for signature in catalog.values()], images=1).invoke(
        planner_user(["$1 user bus.jpg 810x1080"], "Blur the faces")
    )
    plan_of(answer, catalog).check(catalog, 1)


class _Tool:
    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def __call__(self) -> None: ...


def test_a_tokenizer_without_a_file_of_its_own_stays(tmp_path: Path) -> None:
    import transformers

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat"]))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    words = read_tokenizer(tmp_path)
    assert isinstance(words, transformers.PreTrainedTokenizerFast)
    assert words.tokenize("Cat") == ["cat"]


def test_the_file_decides_over_the_class(tmp_path: Path) -> None:
    """A normalizer that the class of today would not make: it must still be there after loading."""
    from tokenizers import Tokenizer, models, normalizers
    from transformers import LlamaTokenizer

    stored = Tokenizer(models.BPE({"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "[": 4, "▁[": 5}, [("▁", "[")]))
    stored.normalizer = normalizers.Prepend("▁")
    stored.add_special_tokens(["<s>"])
    stored.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    assert LlamaTokenizer.from_pretrained(tmp_path).tokenize("<s>[") == ["<s>", "["], "the library rebuilds it"
    assert read_tokenizer(tmp_path).tokenize("<s>[") == ["<s>", "▁["]
