"""The paper's models under one card's memory: their real sizes, random weights, a sequence of the paper's requests.

``make bench`` runs it where there is a card of 24 GB or more; by itself it is ``python -m tests.bench.memory``, which
takes 40 GB of disk (or of main memory, with ``--folder /dev/shm/...``). The budget is also set as the limit of torch's
allocator: CUDA stops a process that would take more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from langchain_core.messages import BaseMessage
from PIL import Image

from tests.bench.random_weights import WEIGHTS
from visiongpt_agent.graphs.resources import LanguageModel
from visiongpt_agent.llm.plans import plan_of
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.prompts import planner_user
from visiongpt_agent.samples import sample_photo
from visiongpt_agent.settings import Settings

JOBS: Final = {
    jobs.DETECTION_OPEN_VOCABULARY: "grounding-dino-tiny",
    jobs.SEGMENTATION_PROMPTABLE: "sam-vit-base",
    jobs.CAPTION: "blip2-opt-2.7b",
    jobs.VQA: "blip2-opt-2.7b",
    jobs.TEXT_TO_IMAGE: "stable-diffusion-xl",
}
REQUESTS: Final = (
    ("find the dogs and the lemons", (jobs.DETECTION_OPEN_VOCABULARY,)),
    ("segment the bus", (jobs.DETECTION_OPEN_VOCABULARY, jobs.SEGMENTATION_PROMPTABLE)),
    ("describe the picture", (jobs.CAPTION,)),
    ("what is the man doing?", (jobs.VQA,)),
    ("a bus in the rain, and cut it out", (jobs.TEXT_TO_IMAGE, jobs.SEGMENTATION_PROMPTABLE)),
    ("draw a lemon tree and describe it", (jobs.TEXT_TO_IMAGE, jobs.CAPTION)),
)


@dataclass(frozen=True)
class Turn:
    """One request: its words, seconds, and the highest share of the card's memory while it ran, in bytes."""

    request: str
    seconds: float
    peak: int


def sequence(folder: Path, device: str, budget: int, *, small: bool = False, rounds: int = 2) -> Iterator[Turn]:
    """Run the requests, each after a plan by LLaMA-2, over one pool; yields each when it is done.

    Args:
        folder: Where the checkpoints are written.
        device: As torch spells it.
        budget: Bytes for all models.
        small: Small networks in place of the real sizes, to try the code.
        rounds: How often; in later rounds the models come back from main memory.
    """
    own = {}
    for name, write in WEIGHTS.items():
        own[name] = folder / name
        own[name].mkdir(parents=True)
        write(own[name], small)
    llm = str(own.pop("llama-2-7b-chat"))
    settings = Settings(home=folder / "home", llm=llm, device=device, memory=budget, models=JOBS, weights=own)
    _limit(device, budget)
    with ModelPool(settings=settings) as pool:
        for request, wanted in REQUESTS * rounds:
            begun = time.perf_counter()
            _plan(pool, request)
            for job in wanted:
                _DO[job](pool, request)
            yield Turn(request, time.perf_counter() - begun, _peak(device))


def _plan(pool: ModelPool, request: str) -> None:
    """A plan of random weights says nothing; what it takes of memory and time is that of any plan."""
    from visiongpt_agent.pictures.images import ImageStore
    from visiongpt_agent.tools import catalog

    tools = [spec.bind(ImageStore(), pool) for spec in catalog().values()]
    words, options = planner_user(["$1 user bus.jpg 810x1080"], request), {"images": 1, "max_tokens": 64}

    def ask(chat: Any) -> BaseMessage:
        answer: BaseMessage = chat.bind_tools(tools, **options).invoke(words)
        return answer

    with pool.use(jobs.LLM, LanguageModel) as llm:
        plan_of(llm.call(ask))


def _detect(pool: ModelPool, request: str) -> None:
    with pool.use(jobs.DETECTION_OPEN_VOCABULARY, jobs.OpenVocabularyDetector) as detector:
        detector.detect(_photo(), ["dog", "lemon"], threshold=0.3)


def _segment(pool: ModelPool, request: str) -> None:
    with pool.use(jobs.SEGMENTATION_PROMPTABLE, jobs.PromptableSegmenter) as segmenter:
        segmenter.segment(_photo(), np.array([[10.0, 10.0, 400.0, 500.0]]))


def _caption(pool: ModelPool, request: str) -> None:
    with pool.use(jobs.CAPTION, jobs.Captioner) as captioner:
        captioner.caption(_photo())


def _answer(pool: ModelPool, request: str) -> None:
    with pool.use(jobs.VQA, jobs.VisualAnswerer) as answerer:
        answerer.answer(_photo(), request)


def _generate(pool: ModelPool, request: str) -> None:
    with pool.use(jobs.TEXT_TO_IMAGE, jobs.TextToImage) as generator:
        generator.generate(request, seed=0)


_DO: Final[dict[str, Callable[[ModelPool, str], None]]] = {
    jobs.DETECTION_OPEN_VOCABULARY: _detect,
    jobs.SEGMENTATION_PROMPTABLE: _segment,
    jobs.CAPTION: _caption,
    jobs.VQA: _answer,
    jobs.TEXT_TO_IMAGE: _generate,
}


def _photo() -> Image.Image:
    return Image.open(sample_photo("astronaut")).convert("RGB")


def _limit(device: str, budget: int) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()  # of what wrote the checkpoints
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.set_per_process_memory_fraction(budget / torch.cuda.get_device_properties(0).total_memory)


def _peak(device: str) -> int:
    import torch

    if not device.startswith("cuda"):
        return 0
    peak = torch.cuda.max_memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    return peak


def measured(folder: Path, device: str, budget: int, *, small: bool = False) -> str:
    """One line that sums the sequence up; each turn is printed when it is done."""
    turns: list[Turn] = []
    for turn in sequence(folder, device, budget, small=small):
        turns.append(turn)
        print(f"{turn.seconds:6.1f} s  {turn.peak / 1e9:5.1f} GB  {turn.request}", flush=True)
    highest, seconds = max(turn.peak for turn in turns), sorted(turn.seconds for turn in turns)
    return f"{highest / 1e9:.1f} GB at most, {seconds[0]:.1f} to {seconds[-1]:.1f} s a request"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--gigabytes", type=float, default=24.0)
    parser.add_argument("--folder", type=Path, help="where the checkpoints are written for the time")
    parser.add_argument("--small", action="store_true", help="small networks, to try the code")
    given = parser.parse_args()
    budget = int(given.gigabytes * 1e9)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        told = measured(Path(folder), given.device, budget, small=given.small)
    print(f"nothing ran out of memory: {told}")


if __name__ == "__main__":
    main()
