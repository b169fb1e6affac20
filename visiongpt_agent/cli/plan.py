"""``visiongpt plan``: plans for many requests, without carrying them out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from visiongpt_agent.cli.background import in_background
from visiongpt_agent.errors import InputError, PlanError, WeightsError
from visiongpt_agent.hosting.quiet import quiet
from visiongpt_agent.plan import Plan

if TYPE_CHECKING:
    from visiongpt_agent.pool import ModelPool


@dataclass(frozen=True)
class PlanRequest:
    """One line of the input: an id, the images as the planner reads them (``$1 user a.jpg 640x480``), the words."""

    id: str | int
    images: tuple[str, ...]
    request: str


def plan(
    source: Annotated[Path, typer.Option("--input", help='Lines of {"id", "images": ["$1 user a.jpg 640x480"], ...}.')],
    target: Annotated[Path, typer.Option("--output", help='Lines of {"id", "plan", "seconds"}, one as each is made.')],
) -> None:
    """Plan the requests of a JSON-lines file with all tools, whether they can run here or not; no pictures are read."""
    requests = read_requests(source)
    with quiet():
        pool = pool_that_plans()
    with opened(target) as lines, quiet():
        for request, made, seconds in in_background(plans(requests, pool)):
            answer = {"id": request.id, "plan": str(made), "seconds": round(seconds, 3)}
            lines.write(json.dumps(answer, ensure_ascii=False) + "\n")
            lines.flush()  # what is planned is kept, whatever comes


def opened(target: Path) -> TextIO:
    try:
        return target.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from None


def read_requests(path: Path) -> list[PlanRequest]:
    """Read and check all lines; empty ones are passed over.

    Raises:
        InputError: If the file cannot be read; names the first line that cannot be used.
    """
    return [request_of(record, where) for record, where in read_records(path)]


def read_records(path: Path) -> list[tuple[Any, str]]:
    """The JSON value of each line that is not empty, and where it stands: the file and the line's number.

    Raises:
        InputError: If the file cannot be read, or a line is not JSON.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [_parse(line, f"{path} line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _parse(line: bytes, where: str) -> tuple[Any, str]:
    try:
        return json.loads(line), where
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}") from None


def request_of(record: Any, where: str) -> PlanRequest:
    """Check a record.

    Raises:
        InputError: If a field is missing or not as it should be; begins with ``where``.
    """
    from visiongpt_agent.request import MAX_REQUEST_CHARACTERS

    if not isinstance(record, dict) or not {"id", "images", "request"} <= record.keys():
        raise InputError(f'{where} must be an object with "id", "images" and "request"')
    identity, images, request = record["id"], record["images"], record["request"]
    if not isinstance(identity, str | int) or isinstance(identity, bool):
        raise InputError(f'{where}: "id" must be a string or a whole number')
    if not isinstance(request, str) or not request.strip():
        raise InputError(f'{where}: "request" must be a string that says what is wanted')
    if len(request) > MAX_REQUEST_CHARACTERS:
        raise InputError(f"{where}: the request is over {MAX_REQUEST_CHARACTERS} characters long: say it shorter")
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise InputError(f'{where}: "images" must be a list of strings like "$1 user a.jpg 640x480"')
    for number, image in enumerate(images, 1):
        if not re.fullmatch(rf"\${number} (user|result of) \S.*", image):
            raise InputError(f'{where}: image {number} must read "${number} user a.jpg 640x480", not {image[:60]!r}')
    return PlanRequest(identity, tuple(images), request.strip())


def pool_that_plans() -> ModelPool:
    from visiongpt_agent.models import jobs
    from visiongpt_agent.pool import ModelPool

    pool = ModelPool()
    if not pool.has(jobs.LLM):
        raise WeightsError(f"there is no language model to plan with: {pool.remedy(jobs.LLM)}")
    return pool


def plans(requests: list[PlanRequest], pool: ModelPool) -> Iterator[tuple[PlanRequest, Plan, float]]:
    """Each request with its plan and the seconds that it took."""
    from visiongpt_agent.graphs.planning.ask import no_usable_plan, request_plan
    from visiongpt_agent.graphs.planning.brief import Brief
    from visiongpt_agent.graphs.resources import LanguageModel
    from visiongpt_agent.models import jobs
    from visiongpt_agent.pictures.images import ImageStore
    from visiongpt_agent.tools import catalog

    store = ImageStore()
    tools = [spec.bind(store, pool) for spec in catalog().values()]
    signatures = {tool.name: tool.signature for tool in tools}
    with pool.use(jobs.LLM, LanguageModel) as llm:
        for request in requests:
            begun = time.perf_counter()
            try:
                made = request_plan(llm, tools, Brief(request.request, request.images, len(request.images), signatures))
            except PlanError as fault:
                made = no_usable_plan(fault)
            yield request, made, time.perf_counter() - begun
