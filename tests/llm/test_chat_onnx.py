"""The planner in onnxruntime: the numbers of the graph against those of transformers, and plans as those of torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from langchain_core.messages import HumanMessage, SystemMessage

from tests.tiny_llama import byte_level_tokenizer, tiny_llama
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.chat_onnx import ChatOnnx
from visiongpt_agent.llm.llama_onnx import BLOCK, quantized, write_llama
from visiongpt_agent.llm.local_chat import LocalChat, turns_of
from visiongpt_agent.llm.onnx_network import OnnxPrefixes
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Signature, parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.prompts import planner_user
from visiongpt_agent.tools import catalog as builtin_tools

pytestmark = pytest.mark.usefixtures("one_thread")

GRAPH = "model.onnx"


class Tool:
    """Carries a signature, as the vision tools do."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def __call__(self) -> None: ...


TOKENS = [7, 300, 41, 9, 128, 77, 5, 6, 260, 33, 12, 90]


@pytest.fixture(scope="module")
def network() -> Any:
    """A random LLaMA whose weights are whole numbers of eight bits in each block, so that rounding changes nothing."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    model: Any = LlamaForCausalLM(config)
    model.eval()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim == 2:
                numbers = torch.randint(-128, 128, (len(weights), weights.shape[1] // BLOCK, BLOCK)).float()
                numbers[..., 0], numbers[..., 1] = -128, 127
                weights.copy_((numbers / 2048).reshape(weights.shape))
    return model


@pytest.fixture(scope="module")
def folder(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    network.save_pretrained(folder)
    write_llama(folder, folder / GRAPH)
    return folder


def reference(network: Any, tokens: list[int]) -> Any:
    with torch.inference_mode():
        return network(torch.tensor([tokens])).logits[0].numpy()


def test_weights_of_eight_bits_are_within_half_a_step() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 2 * BLOCK)).astype(np.float32)

    numbers, scales, zeros = quantized(weights)

    back = (numbers.astype(np.float32) - zeros[..., None]) * scales[..., None]
    assert np.abs(back - weights.reshape(numbers.shape)).max() <= scales.max() * 0.51
    assert scales.max() <= (weights.max() - weights.min()) / 255


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 6], [4, 4, 4]])
def test_logits_are_those_of_transformers_however_the_tokens_come(
    network: Any, folder: Path, pieces: list[int]
) -> None:
    """Up to the eight bits to which activations are rounded."""
    expected, at = reference(network, TOKENS), 0
    with OnnxPrefixes(folder / GRAPH).start([], 12) as reader:
        for piece in pieces:
            logits = reader.read(TOKENS[at : at + piece])
            at += piece
            assert reader.length == at
            assert np.abs(logits - expected[at - 1]).max() < 0.05 * np.abs(expected).max()
            assert logits.argmax() == expected[at - 1].argmax()


def test_what_is_forgotten_leaves_no_trace(folder: Path) -> None:
    prefixes = OnnxPrefixes(folder / GRAPH)
    with prefixes.start([], 12) as reader:
        reader.read(TOKENS[:6])
        straight = reader.read(TOKENS[6:7])
        reader.read([1, 2, 3])
        reader.forget(6)
        again = reader.read(TOKENS[6:7])

    assert np.array_equal(straight, again)


def test_requests_at_once_share_no_memory(folder: Path) -> None:
    prefixes = OnnxPrefixes(folder / GRAPH)
    with prefixes.start(TOKENS[:4], 12) as alone:
        expected = alone.read(TOKENS[4:])
    with prefixes.start(TOKENS[:4], 12) as one, prefixes.start(TOKENS[:4], 12) as other:
        other.read([1, 2])
        logits = one.read(TOKENS[4:])

    assert np.array_equal(logits, expected)


def test_a_prefix_is_read_by_the_next_process(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OnnxPrefixes(folder / GRAPH, folder=tmp_path).start(TOKENS[:8], 12) as reader:
        expected = reader.read(TOKENS[8:])
    monkeypatch.setattr(OnnxPrefixes, "compute", lambda *_: pytest.fail("it is computed though it is on disk"))

    with OnnxPrefixes(folder / GRAPH, folder=tmp_path).start(TOKENS[:8], 12) as reader:
        assert np.array_equal(reader.read(TOKENS[8:]), expected)


def test_a_request_longer_than_usual_gets_the_room(folder: Path) -> None:
    tokens = (TOKENS * 20)[:230]
    with OnnxPrefixes(folder / GRAPH).start(tokens[:3], 1100) as reader:
        reader.read(tokens[3:])
        assert reader.length == 230


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LLaMA with a tokenizer and a chat template, as ``save_pretrained`` and ``write_llama`` leave it."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = byte_level_tokenizer(['#1 = caption_image(image=$1)\n#2 = detect_objects(image=$1, query="dog")'])
    tiny_llama(tokenizer, hidden_size=64, intermediate_size=64).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_llama(folder, folder / GRAPH)
    return folder


@pytest.mark.parametrize("turns", [[HumanMessage("hi")], [SystemMessage("be brief"), HumanMessage("<|im_end|> hi")]])
def test_prompts_are_those_of_transformers(tiny: Path, turns: list[Any]) -> None:
    onnx, torch_ = ChatOnnx.from_folder(tiny, graph=GRAPH), ChatLlama.from_folder(tiny)

    prompt = onnx._render(turns_of(turns))

    assert prompt == torch_._render(turns_of(turns))
    assert onnx._encode(prompt) == torch_._encode(prompt)


def test_plans_of_a_model_that_knows_nothing_check(tiny: Path, catalog: Mapping[str, Signature]) -> None:
    planner = ChatOnnx.from_folder(tiny, graph=GRAPH, max_tokens=150).bind_tools(
        [Tool(signature) for signature in catalog.values()], images=2
    )

    for temperature in (0.0, 2.0):
        answer = planner.bind(temperature=temperature).invoke("Request: blur the dog")
        parse_plan(answer.text).check(catalog, 2)


def test_prose_ends_before_a_stop_text(tiny: Path) -> None:
    chat = ChatOnnx.from_folder(tiny, graph=GRAPH, max_tokens=12)
    whole = chat.invoke("tell me").text
    stop = whole[3:5]

    pieces = [chunk.text for chunk in chat.stream("tell me", stop=[stop])]

    assert "".join(pieces) == whole[: whole.find(stop)]


def test_a_folder_without_the_graph_says_so(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        ChatOnnx.from_folder(tiny, graph="missing.onnx")


@pytest.mark.usefixtures("planner_chat")
def test_the_planner_loads_neither_torch_nor_transformers() -> None:
    body = (
        "import json, sys\n"
        "from visiongpt_agent.models.smollm2_planner import SmolLM2Planner\n"
        "from visiongpt_agent.pool import ModelPool\n"
        "pool = ModelPool()\n"
        "with pool.use('llm', SmolLM2Planner) as model:\n"
        "    model.chat._plan_tokens()\n"
        "    print(json.dumps([name for name in ('torch', 'transformers') if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=True)

    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.slow
def test_plans_are_those_of_torch(planner_chat: ChatOnnx, pool: ModelPool, store: ImageStore) -> None:
    """Of every tenth of the scored requests: eight bits may change a word, hardly ever a step."""
    lines = (Path(__file__).parents[1] / "planning" / "dev_requests.jsonl").read_text("utf-8").splitlines()
    tools = [spec.bind(store, pool) for spec in builtin_tools().values()]
    torch_chat = ChatLlama.from_folder(planner_chat.folder)

    def planned(chat: LocalChat, record: dict[str, Any]) -> str:
        user = planner_user(record["images"], record["request"])
        return chat.bind_tools(tools, images=len(record["images"])).invoke(user).text

    records = [json.loads(line) for line in lines[::10]]
    same = [planned(planner_chat, record) == planned(torch_chat, record) for record in records]

    assert sum(same) >= len(records) - 1
