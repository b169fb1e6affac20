"""llama.cpp's own server, run in this process and spoken to from outside, plans under the grammar."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.llm.gguf_files import write_gguf
from tests.tiny_llama import byte_level_tokenizer, tiny_llama
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.llm.chat_llama_cpp import ChatLlamaCpp
from visiongpt_agent.llm.gbnf import line_grammar
from visiongpt_agent.llm.grammar import PlanRules
from visiongpt_agent.llm.plans import plan_of
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.llama_cpp import gguf_file
from visiongpt_agent.models.named import llm_named
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.smollm2_planner import SmolLM2Planner
from visiongpt_agent.plan import Signature, parse_plan
from visiongpt_agent.prompts import planner_user
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools import catalog as vision_tools

runs_gguf = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="pip install 'visiongpt-agent[gguf]'")


class Tool:
    """Carries a signature, as the vision tools do."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def __call__(self) -> None: ...


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, catalog: Mapping[str, Signature]) -> Path:
    """A LLaMA with random weights as a GGUF file."""
    folder = tmp_path_factory.mktemp("gguf")
    tokenizer = byte_level_tokenizer([*map(str, catalog.values()), "#1 = reply()"])
    tiny_llama(tokenizer).save_pretrained(folder / "saved")
    tokenizer.save_pretrained(folder / "saved")
    return write_gguf(folder / "saved", folder / "tiny.gguf")


@pytest.fixture(scope="module")
def chat(file: Path) -> ChatLlamaCpp:
    return ChatLlamaCpp.from_file(file, threads=1, max_tokens=200)


@runs_gguf
@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize("images", [0, 1, 3])
def test_plans_of_a_model_that_knows_nothing_check(
    chat: ChatLlamaCpp, catalog: Mapping[str, Signature], images: int, temperature: float
) -> None:
    planner = chat.bind_tools([Tool(tool) for tool in catalog.values()], images=images, temperature=temperature)
    for request in ("Blur the faces", "Tell me everything about it", ""):
        answer = planner.invoke(planner_user([f"$1 user {request}.jpg"], request))
        plan = plan_of(answer, catalog)
        plan.check(catalog, images)
        assert str(plan) == answer.text
        calls = [proposal.call() for proposal in plan]
        assert len(set(calls)) == len(calls), "no step twice"


@runs_gguf
def test_prose_ends_where_it_is_told(chat: ChatLlamaCpp) -> None:
    text = chat.bind(max_tokens=30).invoke("Hello").text
    assert text
    middle = text[len(text) // 2]
    assert chat.bind(max_tokens=30).invoke("Hello", stop=[middle]).text == text.partition(middle)[0]


@runs_gguf
def test_the_server_is_closed_to_others(chat: ChatLlamaCpp) -> None:
    assert chat.url.startswith("http://127.0.0.1:")
    assert chat.key.get_secret_value() not in repr(chat)
    with pytest.raises(WeightsError, match="answered 401"):
        ChatLlamaCpp(url=chat.url).bind(max_tokens=2).invoke("Hello")


@runs_gguf
def test_a_server_elsewhere_gives_the_same_plan(chat: ChatLlamaCpp, catalog: Mapping[str, Signature]) -> None:
    elsewhere = ChatLlamaCpp(url=chat.url, key=SecretStr(chat.key.get_secret_value()), max_tokens=200)
    elsewhere.check()
    tools = [Tool(tool) for tool in catalog.values()]
    question = planner_user(["$1 user bus.jpg 810x1080"], "Blur the faces")
    here, there = (one.bind_tools(tools, images=1).invoke(question) for one in (chat, elsewhere))
    assert here.text == there.text


@runs_gguf
def test_a_file_or_its_folder_is_the_language_model(file: Path, tmp_path: Path) -> None:
    for name in (file, file.parent):
        registry = Registry(Settings(home=tmp_path, llm=str(name)))
        (model,) = registry.for_job("llm")
        assert model.card.name == "tiny"
        assert registry.usable(model.card) == ""


def test_of_several_files_one_must_be_named(tmp_path: Path) -> None:
    for name in ("a.gguf", "b-00001-of-00002.gguf", "b-00002-of-00002.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(WeightsError, match=r"2 GGUF models: name one, such as VISIONGPT_LLM=.*a\.gguf"):
        gguf_file(str(tmp_path))
    (tmp_path / "a.gguf").unlink()
    assert gguf_file(str(tmp_path)) == tmp_path / "b-00001-of-00002.gguf"
    (tmp_path / "config.json").write_text("{}")
    assert gguf_file(str(tmp_path)) is None, "a folder of save_pretrained is that first"


@runs_gguf
def test_what_is_no_gguf_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"no model")
    with pytest.raises(WeightsError, match=r"model\.gguf is no GGUF file"):
        ChatLlamaCpp.from_file(tmp_path / "model.gguf")


class _Other(BaseHTTPRequestHandler):
    """A server that is not llama.cpp's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"hello": "world"}).encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def other() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_server_is_told(other: str) -> None:
    with pytest.raises(WeightsError, match=r"is no server of llama\.cpp"):
        llm_named(f"{other}/v1").load(None, Placement())


def test_no_server_is_told() -> None:
    with pytest.raises(WeightsError, match=r"no language model answers at http://127\.0\.0\.1:9 "):
        llm_named("http://127.0.0.1:9").load(None, Placement())


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("#1 = caption_image(image=$1)", True),
        (" #1 = caption_image(image=$1)", True),
        ("#1 = caption_image(image=$2)", False),
        ("#2 = caption_image(image=$1)", False),
        ("#1 = blur_regions(image=$1", False),
        ('#1 = detect_objects(image=$1, query="собака, 犬")', True),
        ('#1 = detect_objects(image=$1, query="")', False),
        ('#1 = detect_objects(query="dog", image=$1)', False),
        ('#1 = flip_image(way="left/right", image=$1)', True),
        ('#1 = flip_image(way="left", image=$1)', False),
        ("#1 = adjust_image(image=$1, brightness=-1.25)", True),
        ("#1 = resize_image(image=$1, width=0800)", False),
        ('#1 = classify_image(image=$1, labels=["a", "b"])', True),
        ("reply()", True),
        ('decline(reason="no tool for audio")', True),
        ("decline()", False),
    ],
)
def test_the_grammar_allows_what_the_other_allows(catalog: Mapping[str, Signature], text: str, allowed: bool) -> None:
    grammar = line_grammar(PlanRules(catalog, 1, leading_space=True), [])
    assert _derives(grammar, text) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("#2 = blur_regions(image=$1, regions=#1, invert=true)", True),
        ("#2 = caption_image(image=#1)", False),
        (" #2 = caption_image(image=$1)", False),
        ("reply()", False),
    ],
)
def test_a_later_line_may_use_what_is_there(catalog: Mapping[str, Signature], text: str, allowed: bool) -> None:
    (first,) = parse_plan('#1 = detect_objects(image=$1, query="dog")')
    assert _derives(line_grammar(PlanRules(catalog, 1, leading_space=True), [first]), text) is allowed


def _derives(grammar: str, text: str) -> bool:
    """Whether a GBNF grammar derives a text, as another library reads it."""
    from llguidance import LLMatcher, LLTokenizer
    from llguidance.gbnf_to_lark import gbnf_to_lark

    matcher = LLMatcher(LLTokenizer("byte"), gbnf_to_lark(grammar), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return bool(matcher.consume_tokens(list(text.encode()))) and bool(matcher.is_accepting())


@runs_gguf
@pytest.mark.slow
def test_the_embedded_planner_plans_from_a_file(tmp_path: Path, needs: Callable[[str], None]) -> None:
    needs("llm")
    folder = Registry().store.folder(SmolLM2Planner.card)
    assert folder is not None
    chat = ChatLlamaCpp.from_file(write_gguf(folder, tmp_path / "planner.gguf"), threads=1)
    planner = chat.bind_tools([Tool(spec.signature) for spec in vision_tools().values()], images=1)
    for request, plan in {
        "how many dogs are there?": '#1 = detect_objects(image=$1, query="dog")',
        "blur the faces": "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)",
        "make it black and white": "#1 = adjust_image(image=$1, saturation=0)",
        "hello": "reply()",
    }.items():
        answer = planner.invoke(planner_user(["$1 user bus.jpg 810x1080"], request))
        assert parse_plan(answer.text) == parse_plan(plan)
