"""A batch: its pictures, the plan for all of them, and the work, which a stop at any moment only interrupts."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from filelock import FileLock, Timeout

from visiongpt_agent.batch.pictures import Picture, Selection, pictures_of
from visiongpt_agent.batch.table import Row, Table
from visiongpt_agent.batch.worker import PICTURES, Job, Workers, result_file
from visiongpt_agent.errors import InputError, PlanError
from visiongpt_agent.files import remove_leftovers, write_atomically
from visiongpt_agent.pictures.decoding import MAX_FILE_BYTES
from visiongpt_agent.pictures.sources import Sources
from visiongpt_agent.plan import Plan, Ref, parse_plan
from visiongpt_agent.request import check_mentioned, checked_request
from visiongpt_agent.weights import WeightStore

if TYPE_CHECKING:
    from visiongpt_agent.agent import VisionGPT

TABLE: Final = "table.jsonl"
MANIFEST: Final = "batch.json"
_LOCK: Final = ".visiongpt-batch.lock"
_AHEAD: Final = 2
"""So many pictures for each worker are read before their turn."""

_LOOKED_AT: Final = 3
"""So many of the first pictures are planned for; the plan that most of them get is proposed."""


class Batch:
    """Pictures, a request for all of them, and a folder for the results; made by :meth:`open`.

    Attributes:
        request: In words.
        out: The folder of the results.
        plan: The plan in its text form, once it is decided; ``""`` before.
        pictures: All that are selected, in their order.
    """

    def __init__(
        self, agent: VisionGPT, request: str, out: Path, pictures: list[Picture], *, owns_agent: bool, keep: bool
    ) -> None:
        self.request, self.out, self.pictures, self.plan = request, out, pictures, ""
        self._agent, self._owns_agent, self._keep = agent, owns_agent, keep
        self._lock = FileLock(out / _LOCK, timeout=0, thread_local=False)
        self._table: Table | None = None

    @classmethod
    def open(
        cls,
        pictures: Any,
        request: str,
        out: str | Path,
        *,
        agent: VisionGPT | None = None,
        selection: Selection | None = None,
        retry_errors: bool = False,
        keep_regions: bool = False,
    ) -> Self:
        """Begin a batch, or go on with the one that ``out`` holds; see :func:`visiongpt_agent.batch.run`.

        Raises:
            InputError: If there are no pictures, ``out`` holds a batch of another request, or another process is
                working there.
        """
        words = checked_request({"request": request})
        check_mentioned(words, 1)
        folder = Path(out).expanduser()
        chosen = (selection or Selection()).of(pictures_of(pictures, folder))
        if agent is None:
            from visiongpt_agent.agent import VisionGPT

            batch = cls(VisionGPT(), words, folder, chosen, owns_agent=True, keep=keep_regions)
        else:
            batch = cls(agent, words, folder, chosen, owns_agent=False, keep=keep_regions)
        try:
            batch._take_up(retry_errors)
        except BaseException:
            batch.close()
            raise
        return batch

    @property
    def done(self) -> int:
        """How many of the pictures have a row."""
        return sum(picture.name in self.table.names for picture in self.pictures)

    @property
    def table(self) -> Table:
        """The rows so far."""
        assert self._table is not None, "open() opens it"
        return self._table

    def propose(self) -> str:
        """A plan for the request, made by the language model from the first pictures that can be read.

        Raises:
            InputError: If there is no plan for it; says why.
            WeightsError: If there is no language model.
        """
        from visiongpt_agent.batch.planning import plan_for

        plans, why = list[str](), "none of the pictures can be read"
        for picture in self.pictures:
            if len(plans) == _LOOKED_AT:
                break
            try:
                plans.append(plan_for(self._agent, self.request, picture))
            except InputError as fault:
                why = str(fault)
        if not plans:
            raise InputError(f"there is no plan for this: {why}")
        return Counter(plans).most_common(1)[0][0]

    def decide(self, plan: str) -> None:
        """Settle the plan, in its text form; it stays with the folder of the results.

        Raises:
            InputError: If it is none, or not one of ``$1``; or another was decided on before.
        """
        text = str(self._checked(plan))
        if self.plan and text != self.plan:
            raise InputError(f"{self.out} holds a batch with another plan: name another folder for the results")
        if not self.plan:
            self.plan = text
            values = {"request": self.request, "plan": text, "version": _version()}
            write_atomically(self.out / MANIFEST, json.dumps(values, ensure_ascii=False, indent=1).encode())

    def rows(self, workers: int = 0) -> Iterator[Row]:
        """Work on the pictures that have no row yet, and yield each row once it is written, in the pictures' order.

        Args:
            workers: Pictures side by side; by default one a core.

        Raises:
            StorageError: If a result could not be written; what is done stays, and the same call goes on.
        """
        assert self.plan, "decide() settles the plan"
        job = Job(self._agent.resources, self.request, self.plan, _version(), self._digests(), self.out, self._keep)
        count = workers or cores()
        pool, waiting = ThreadPoolExecutor(count, "visiongpt-batch"), deque[_Pending]()
        work, left = Workers(job).work, (one for one in self.pictures if one.name not in self.table.names)
        try:
            for pending in self._begun(left, pool, work):
                waiting.append(pending)
                if len(waiting) >= count * (1 + _AHEAD):
                    yield self._finished(waiting.popleft())
            while waiting:
                yield self._finished(waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def export(self, form: str, val: float = 0.0) -> Path:
        """Write the regions of all rows as one data set; see :func:`visiongpt_agent.exports.export`.

        Returns:
            The folder of the data set; what it holds already is left.
        """
        from visiongpt_agent.batch.labels import export_rows

        paths = {picture.name: picture.path for picture in self.pictures}
        return export_rows(self.table, paths, self.out, form, val)

    def close(self) -> None:
        """Give the folder free, and close the agent where the batch made it."""
        if self._table is not None:
            self._table.close()
            self._table = None
        self._lock.release()
        if self._owns_agent:
            self._agent.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_up(self, retry_errors: bool) -> None:
        """Claim the folder, and read what it holds."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise InputError(f"another process is working in {self.out}: wait for it, or name another folder") from None
        except OSError as error:
            raise InputError(f"{self.out} cannot be written: {error.strerror or error}; name another folder") from None
        manifest = _read_manifest(self.out / MANIFEST)
        if manifest and manifest.get("request") != self.request:
            raise InputError(
                f"{self.out} holds the batch {manifest.get('request')!r}: name another folder for the results"
            )
        self.plan = str(manifest.get("plan", ""))
        for folder in (self.out, *(self.out / PICTURES).glob("**/")):
            remove_leftovers(folder)
        if retry_errors:
            Table.drop_errors(self.out / TABLE)
        self._table = Table(self.out / TABLE)

    def _checked(self, text: str) -> Plan:
        try:
            plan = parse_plan(text)
            plan.check({name: spec.signature for name, spec in self._agent.resources.tools.items()}, 1)
        except PlanError as fault:
            raise InputError(f"this plan cannot be carried out: {fault}") from None
        if plan.control is None and not any(Ref("$", 1) in proposal.refs for proposal in plan):
            raise InputError("this plan does not look at the picture: it would make the same of each")
        return plan

    def _begun(
        self,
        pictures: Iterator[Picture],
        pool: ThreadPoolExecutor,
        work: Callable[[Picture, bytes, str], Row],
    ) -> Iterator[_Pending]:
        """Read the files one after the other; each that is new is handed to the pool."""
        sources, under_way = Sources(self._agent.settings.image_roots), set[str]()
        for picture in pictures:
            pending = _Pending(picture)
            try:
                data = _content(sources, picture)
            except InputError as fault:
                yield replace(pending, error=str(fault))
                continue
            digest = hashlib.sha256(data).hexdigest()
            pending = replace(pending, sha256=digest)
            if digest in under_way or self.table.worked(digest):
                yield pending
                continue
            under_way.add(digest)
            yield replace(pending, row=pool.submit(work, picture, data, digest))

    def _finished(self, pending: _Pending) -> Row:
        """The row of a picture, written."""
        if pending.error:
            row = Row(pending.picture.name, error=pending.error, plan=self.plan, version=_version())
        elif pending.row is not None:
            row = pending.row.result()
        else:
            row = self._of_equal(pending)
        self.table.append(row)
        return row

    def _of_equal(self, pending: _Pending) -> Row:
        worked = self.table.worked(pending.sha256)
        assert worked is not None, "rows are written in order, the first of equal pictures first"
        numbers = range(1, len(worked.pictures) + 1)
        names = tuple(result_file(pending.picture.name, number) for number in numbers)
        try:
            for made, name in zip(worked.pictures, names, strict=True):
                write_atomically(self.out / name, (self.out / made).read_bytes())
        except FileNotFoundError:
            return worked.of_equal(pending.picture.name, (), f"{worked.path} is the same file, and its result is gone")
        return worked.of_equal(pending.picture.name, names)

    def _digests(self) -> Callable[[str], str]:
        """The sha256 of a model's weights by its name, worked out once."""
        settings = self._agent.settings
        store = WeightStore(settings.home, settings.weights)

        @cache
        def digest(name: str) -> str:
            from visiongpt_agent.batch.provenance import weights_digest

            return weights_digest(store, name)

        return digest


@dataclass(frozen=True)
class _Pending:
    """A picture whose row is to be written: by a worker, from an equal picture's row, or because of an error."""

    picture: Picture
    sha256: str = ""
    row: Future[Row] | None = None
    error: str = ""


def cores() -> int:
    """The cores that this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _content(sources: Sources, picture: Picture) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: If it is not there, may not be read, or is too large.
    """
    taken = sources.take(picture.path)
    if isinstance(taken, bytes):
        return taken
    try:
        if not picture.path.is_file():
            raise InputError(f"{picture.name} does not exist, or is no file")
        if picture.path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{picture.name} has more than {MAX_FILE_BYTES // 2**20} MB: make it smaller")
        return picture.path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{picture.name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        raise InputError(f"{path} is damaged: name another folder for the results") from None


@cache
def _version() -> str:
    return version("visiongpt-agent")
