"""Many conversations on one agent and one pool at once: each keeps its own pictures, names and answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zxingcpp
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

from visiongpt_agent import Request, VisionGPT
from visiongpt_agent.llm.plans import tool_calls_of
from visiongpt_agent.plan import parse_plan
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.result import VisionResult
from visiongpt_agent.settings import Settings

PLANS = {
    "what does the code say?": "#1 = read_codes(image=$1)",
    "make it black and white": "#1 = adjust_image(image=$1, saturation=0)",
    "turn the result": "#1 = transform_image(image=$2, rotate=90)",
    "how many people are there?": '#1 = detect_objects(image=$1, query="person")',
}
SECONDS = 120


class ByRequest(BaseChatModel):
    """Plans by the words of the request alone, so that any number of conversations may ask in any order."""

    @property
    def _llm_type(self) -> str:
        return "by-request"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, BaseMessage]:  # type: ignore[override]
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = str(messages[-1].content)
        plan = next((plan for request, plan in PLANS.items() if f"Request: {request}" in text), "")
        planning = "Images:" in text and plan
        answer = AIMessage("", tool_calls=tool_calls_of(parse_plan(plan))) if planning else AIMessage("Well.")
        return ChatResult(generations=[ChatGeneration(message=answer)])


def picture(number: int, folder: Path) -> Path:
    """A coloured picture of a size of its own with a code that says whose it is."""
    code = zxingcpp.create_barcode(f"this is {number:04d}", zxingcpp.BarcodeFormat.QRCode)
    drawn = Image.fromarray(np.array(code.to_image(scale=4))).convert("RGB")
    image = Image.new("RGB", (240 + 2 * number, 150), (250, 200 - number, 180))
    image.paste(drawn, (20, 20))
    path = folder / f"mine-{number:04d}.png"
    image.save(path)
    return path


def requests_of(number: int, folder: Path, *, people: bool) -> Iterator[tuple[Request, Callable[[VisionResult], None]]]:
    """The requests of one conversation in turn, each with what must hold of its result."""
    width = 240 + 2 * number

    def told_its_own_code(result: VisionResult) -> None:
        assert f'"this is {number:04d}"' in result.answer

    def has(size: tuple[int, int], name: str, title: str) -> Callable[[VisionResult], None]:
        def check(result: VisionResult) -> None:
            assert result.status == "done", result.answer
            made = [image for image in result.images if image.role == "made"]
            assert [(image.name, (image.width, image.height)) for image in made] == [(name, size)]
            assert result.picture().size == size
            assert made[0].title == title

        return check

    def done(result: VisionResult) -> None:
        assert result.status == "done", result.answer
        assert result.regions[0].of == "$1"

    yield Request(request="what does the code say?", images=[picture(number, folder)]), told_its_own_code
    yield Request(request="make it black and white"), has((width, 150), "$2", f"mine-{number:04d}-adjust_image")
    if people:
        yield Request(request="how many people are there?"), done
    yield Request(request="turn the result"), has((150, width), "$3", "adjust_image-transform_image")
    yield Request(request="what does the code say?"), told_its_own_code


def config(number: int, way: str) -> RunnableConfig:
    return RunnableConfig(configurable={"thread_id": f"{way}-{number}"})


@contextmanager
def within_budget(pool: ModelPool, budget: int) -> Iterator[list[int]]:
    """Looks all the while at what the models in memory take."""
    ended, taken = threading.Event(), list[int]()

    def look() -> None:
        while not ended.wait(0.02):
            taken.append(sum(model.bytes for model in pool.resident()))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    yield taken
    ended.set()
    watcher.join()
    assert max(taken, default=0) <= budget


@pytest.fixture
def small_pool() -> Iterator[ModelPool]:
    """Room for some of the models at a time, so that they push each other out."""
    with ModelPool(settings=Settings.load({"VISIONGPT_MEMORY": "120MB"})) as pool:
        yield pool


def check_conversations(pool: ModelPool, folder: Path, count: int, people: Callable[[int], bool]) -> None:
    agent = VisionGPT(ByRequest(), pool=pool, checkpointer=InMemorySaver())

    def converse(number: int) -> None:
        for request, check in requests_of(number, folder, people=people(number)):
            check(agent.invoke(request, config(number, "thread")))

    async def aconverse(number: int) -> None:
        for request, check in requests_of(number, folder, people=people(number)):
            check(await agent.ainvoke(request, config(number, "async")))

    async def together() -> None:
        await asyncio.wait_for(asyncio.gather(*map(aconverse, range(count // 2, count))), SECONDS)

    began = time.monotonic()
    with within_budget(pool, 120_000_000) as taken, ThreadPoolExecutor(count) as threads:
        running = [threads.submit(converse, number) for number in range(count // 2)]
        asyncio.run(together())
        for future in running:
            future.result(max(SECONDS - (time.monotonic() - began), 1))
    agent.close()
    assert taken
    assert max(taken) > 0


def test_conversations_keep_apart(small_pool: ModelPool, tmp_path: Path) -> None:
    check_conversations(small_pool, tmp_path, 6, people=lambda number: False)


@pytest.mark.slow
def test_many_conversations_keep_apart(small_pool: ModelPool, tmp_path: Path, needs: Callable[[str], None]) -> None:
    needs("detection.closed")
    check_conversations(small_pool, tmp_path, 32, people=lambda number: number % 8 == 0)
