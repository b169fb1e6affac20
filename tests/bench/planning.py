"""Planning by this package against the stock way: the same weights and prompts through ``generate``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from visiongpt_agent.graphs.planning.ask import request_plan
from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.llm.chat_onnx import ChatOnnx
from visiongpt_agent.models.smollm2_planner import SmolLM2Planner
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Signature
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.prompts import planner_system, planner_user
from visiongpt_agent.tools import catalog

IMAGES = ("$1 user street.jpg 1280x960",)
REQUESTS = (
    "how many bicycles are there?",
    "blur the licence plates",
    "remove the man on the left",
    "read the sign above the door",
    "make the sky look like a sunset",
    "cut out the dog and enlarge it twice",
    "turn it black and white",
    "blur everything but the girl with the red umbrella",
)


def planning_seconds() -> tuple[float, float]:
    """Median seconds a plan takes: by this package (grammar, kept prefix), and by transformers' ``generate``."""
    with ModelPool() as pool, pool.lease(SmolLM2Planner) as planner:
        tools = [spec.bind(ImageStore(), pool) for spec in catalog().values()]

        def ours(request: str) -> None:
            request_plan(planner, tools, Brief(request, IMAGES, len(IMAGES), {t.name: t.signature for t in tools}))

        assert isinstance(planner.chat, ChatOnnx)
        same = ChatLlama.from_folder(planner.chat.folder)

        def stock(request: str) -> None:
            _generate(same, [tool.signature for tool in tools], request)

        return _median_seconds(ours), _median_seconds(stock)


def _generate(chat: ChatLlama, signatures: Sequence[Signature], request: str) -> None:
    model, tokenizer = chat.llm.pipeline.model, chat.llm.pipeline.tokenizer
    turns = [
        {"role": "system", "content": planner_system(signatures)},
        {"role": "user", "content": planner_user(IMAGES, request)},
    ]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    model.generate(**prompt.to(model.device), do_sample=False, max_new_tokens=256)


def _median_seconds(plan: Callable[[str], None]) -> float:
    plan("describe it")  # warms up; the package reads its catalogue once a process
    seconds: list[float] = []
    for request in REQUESTS:
        begun = time.perf_counter()
        plan(request)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)
