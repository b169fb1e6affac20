"""A language model of the user's own, in the format that save_pretrained writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from visiongpt_agent import Settings, VisionGPT, WeightsError, parse_plan
from visiongpt_agent.models.llama import llama_named
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.tools import catalog

LLAMA_2_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = '' %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% set content = (system_message if loop.index0 == 0 else '') + message['content'] %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaMA of two tiny layers with random weights, a byte-level tokenizer and LLaMA-2's chat format."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {token: i for i, token in enumerate(["<s>", "</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = LLAMA_2_TEMPLATE
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        max_position_embeddings=16384,
    )
    target = tmp_path_factory.mktemp("llama") / "My-Llama-2-tiny"
    LlamaForCausalLM(config).save_pretrained(target)
    fast.save_pretrained(target)
    return target


def test_a_folder_becomes_the_only_language_model(folder: Path, tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path, llm=str(folder)))

    (model,) = registry.for_job("llm")

    assert model.card.name == "my-llama-2-tiny"
    assert registry.usable(model.card) == ""


@pytest.mark.slow
def test_whatever_its_weights_the_agent_answers(
    folder: Path, tmp_path: Path, photo: Callable[[str], Image.Image]
) -> None:
    agent = VisionGPT(settings=Settings(home=tmp_path, llm=str(folder), device="cpu"))

    result = agent.run("turn it by ninety degrees", photo("rocket").resize((64, 48)))

    parse_plan(result.plan).check({name: spec.signature for name, spec in catalog().items()}, images=1)
    assert result.answer


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [("meta-llama/Llama-2-7b-chat-hf", 16.1), ("HuggingFaceTB/SmolLM2-135M-Instruct", 0.31), ("someone/chat", 16.1)],
)
def test_a_hub_repository_tells_its_size_and_how_to_get_it(name: str, gigabytes: float, tmp_path: Path) -> None:
    card = llama_named(name).card
    registry = Registry(Settings(home=tmp_path, llm=name))

    assert card.memory / 1e9 == pytest.approx(gigabytes, rel=0.02)
    assert f"visiongpt models pull {card.name}" in registry.missing_for("llm")


def test_what_is_neither_folder_nor_repository_is_refused() -> None:
    with pytest.raises(WeightsError, match="neither a folder"):
        llama_named("/nowhere/at/all")
