"""One picture of a batch: the agent's graph with a plan that is made already, from the file to what is written."""

from __future__ import annotations

import io
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig

from visiongpt_agent.batch.pictures import Picture
from visiongpt_agent.batch.table import Row
from visiongpt_agent.errors import InputError, StorageError
from visiongpt_agent.files import write_atomically
from visiongpt_agent.graphs.answering.report import build_result
from visiongpt_agent.graphs.build import SUPERSTEPS, build_graph
from visiongpt_agent.graphs.resources import LanguageModel, Resources
from visiongpt_agent.graphs.state import AgentState, ImageEntry, fresh_turn
from visiongpt_agent.pictures.color_profiles import srgb_profile
from visiongpt_agent.pictures.decoding import pages_of
from visiongpt_agent.pictures.images import Provenance
from visiongpt_agent.pictures.memory_store import MemoryStore
from visiongpt_agent.redaction import redacted
from visiongpt_agent.request import title_of
from visiongpt_agent.result import RegionResult, VisionResult

logger = logging.getLogger(__name__)
T = TypeVar("T")

PICTURES: Final = "pictures"
REGIONS: Final = "regions"
"""The folders of what is made, below the batch's output folder."""


@dataclass(frozen=True)
class Job:
    """What is the same for every picture.

    Attributes:
        resources: The agent's.
        request: In words.
        plan: In its text form.
        version: Of the package.
        digest: Gives the sha256 of a model's weights.
        out: The batch's output folder.
        keep_regions: Whether regions are kept with their masks.
    """

    resources: Resources
    request: str
    plan: str
    version: str
    digest: Callable[[str], str]
    out: Path
    keep_regions: bool = False


def result_file(picture: str, number: int) -> str:
    """Where a result of a picture goes, below the batch's output folder.

    The picture's whole name is in it: what else a folder holds, now or when the batch goes on, changes no result's
    place, and no picture takes that of another.

    Args:
        picture: The picture's name, unique in the batch.
        number: Which of its results, from 1.
    """
    return f"{PICTURES}/{picture}{'' if number == 1 else f'~{number}'}.png"


class Worker:
    """Works on one picture at a time, each in a store that is emptied after it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._store = MemoryStore()

    def work(self, picture: Picture, data: bytes, sha256: str) -> Row:
        """Carry the plan out on a picture and write what is made of it.

        Returns:
            Its row; where the picture could not be used, one that says why.

        Raises:
            StorageError: If what was made could not be written.
        """
        begun, job = time.perf_counter(), self._job
        row = Row(picture.name, sha256, plan=job.plan, version=job.version)
        try:
            row = self._worked(picture, data, row)
        except StorageError:
            raise
        except InputError as fault:
            row = replace(row, error=str(fault))
        except Exception as fault:  # one picture is never the end of a batch
            redacted(fault)
            logger.exception("%s failed", picture.name)
            row = replace(row, error=f"{type(fault).__name__}: {fault}"[:500])
        finally:
            self._store.clear()
        return replace(row, seconds=round(time.perf_counter() - begun, 3))

    def _worked(self, picture: Picture, data: bytes, row: Row) -> Row:
        entry, notes = self._entry(picture, data)
        turn = fresh_turn(self._job.request, 1, [entry], notes=notes, plan=self._job.plan)
        config = RunnableConfig(recursion_limit=SUPERSTEPS, configurable={"thread_id": str(uuid.uuid4())})
        state = cast(AgentState, self._graph.invoke(turn, config))
        result = build_result(state, self._store, "")
        if self._job.keep_regions:
            self._keep_regions(result, entry["id"], picture.name)
        row = replace(row, width=entry["width"], height=entry["height"])
        return _with_findings(row, result, self._written(result, picture.name), self._models(state))

    def _entry(self, picture: Picture, data: bytes) -> tuple[ImageEntry, list[str]]:
        title, pages = title_of(picture.path), pages_of(data)
        image = self._store.add(data, Provenance("user", title, path=str(picture.path)), name=picture.name)
        entry = ImageEntry(id=image.id, origin="user", title=title, width=image.width, height=image.height, turn=1)
        left = pages.count - 1
        return entry, [f"Of {title} only the first of {pages.count} {pages.unit}s was used."] if left else []

    @cached_property
    def _graph(self) -> Any:
        own = self._job.resources
        limits = replace(own.limits, rounds=1)
        return build_graph(replace(own, store=self._store, llm=_nobody, limits=limits, ask_before=()))

    def _written(self, result: VisionResult, picture: str) -> tuple[str, ...]:
        names = list[str]()
        for number, image in enumerate(result.images, 1):
            name = result_file(picture, number)
            buffer = io.BytesIO()
            self._store.open(image.id).save(buffer, "PNG", compress_level=3, icc_profile=srgb_profile())
            write_atomically(self._job.out / name, buffer.getvalue())
            names.append(name)
        return tuple(names)

    def _keep_regions(self, result: VisionResult, image: str, picture: str) -> None:
        from visiongpt_agent.exports.dataset import regions_by_picture

        if (regions := regions_by_picture(result).get(image)) is not None:
            write_atomically(self._job.out / REGIONS / f"{picture}.npz", regions.to_bytes())

    def _models(self, state: AgentState) -> Mapping[str, str]:
        named = [name for step in state["steps"] for name in step["model"].split(", ") if name]
        return {name: self._job.digest(name) for name in dict.fromkeys(named)}


class Workers:
    """A worker for each thread that asks."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._local = threading.local()

    def work(self, picture: Picture, data: bytes, sha256: str) -> Row:
        """:meth:`Worker.work`, by this thread's worker."""
        if not hasattr(self._local, "worker"):
            self._local.worker = Worker(self._job)
        worker: Worker = self._local.worker
        return worker.work(picture, data, sha256)


class _Nobody:
    """The language model of a batch: the plan is made, and the answers are composed from the results alone."""

    writes = False

    @property
    def chat(self) -> BaseChatModel:
        raise LookupError("a batch asks no language model for each picture")

    def call(self, work: Callable[[BaseChatModel], T]) -> T:
        return work(self.chat)


def _nobody() -> AbstractContextManager[LanguageModel]:
    return nullcontext(_Nobody())


def _with_findings(row: Row, result: VisionResult, pictures: tuple[str, ...], models: Mapping[str, str]) -> Row:
    regions = tuple(_items([region for region in result.regions if not region.outlined]))
    failures = [step.told for step in result.steps if step.verdict in ("failed", "rejected")]
    return replace(
        row,
        status=result.status,
        answer=result.answer,
        counts=dict(Counter(str(item["label"]) for item in regions)),
        regions=regions,
        text=result.text,
        codes=tuple({"format": code.format, "text": code.text} for code in result.codes),
        labels=tuple({"name": label.name, "score": label.score} for label in result.labels),
        pictures=pictures,
        warnings=result.warnings,
        error="; ".join(failures) if result.status == "failed" else "",
        models=models,
    )


def _items(regions: list[RegionResult]) -> Iterator[dict[str, Any]]:
    """Each region found; what two steps found in one place under one label is there once."""
    known = set[tuple[Any, ...]]()
    for region in regions:
        for item in region.items:
            key = (item["label"], *item["box"])
            if key not in known:
                known.add(key)
                yield {"tool": region.tool, **item}
