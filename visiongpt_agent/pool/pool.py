"""The owner of every loaded model, the LLM included.

A model is loaded when it is first used and stays until its memory is wanted. What is loaded never counts for more than
the budget of its device, by what it was measured to take or else by its card: the least recently used *idle* models
make room, those that the user pinned never do. From a GPU a model goes to main memory first, where there is room.

When a model needs room that only models in use could give, the thread that wants it waits; :mod:`.waiting` says how
long, and who gives way.

The real memory may run out all the same, in a load or in a call. Then idle models are freed and it is tried once more;
then in a smaller dtype that the card allows, then on the CPU. A call that runs out there too fails by itself, with a
:class:`ModelMemoryError`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, cast

from visiongpt_agent.errors import ModelMemoryError, WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool.budgets import DTYPE_BYTES, Budgets, is_out_of_memory
from visiongpt_agent.pool.entry import Entry
from visiongpt_agent.pool.loader import Loader
from visiongpt_agent.pool.memory import NoRoomError, bare
from visiongpt_agent.pool.room import Room
from visiongpt_agent.pool.sizes import Sizes
from visiongpt_agent.pool.view import ModelView
from visiongpt_agent.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")
M = TypeVar("M", bound=Model)

_log = logging.getLogger(__name__)


class Resident(NamedTuple):
    """A loaded model: its card, where it is, the bytes it counts for, when it was last released, how many use it.

    One that made room on a GPU and waits in main memory is on ``cpu``.
    """

    card: ModelCard
    device: str
    bytes: int
    last_used: float
    in_use: int


class Load(NamedTuple):
    """A model on its way into memory: its card, where to, the bytes it is to take, how long it has been on its way."""

    card: ModelCard
    device: str
    bytes: int
    seconds: float


class ModelPool:
    """Leases models to tools and graphs, from any thread.

    Args:
        registry: The models there are; made from ``settings`` where None.
        settings: Read from the environment where None.
        budget: Bytes that loaded models may take on each device; that of the settings where None.
        patience: Seconds that a thread waits at most, for room or for another thread's load.
    """

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        settings: Settings | None = None,
        budget: int | None = None,
        patience: float = 600.0,
    ) -> None:
        self.registry = registry or Registry(settings)
        self._settings = settings or self.registry.settings
        sizes = Sizes(self._settings.home)
        self._room = Room(Budgets(self._settings, budget or 0), sizes, self._settings.keep, patience)
        self._changed = self._room.waiting.changed
        self._loader = Loader(self.registry.store, self._room)
        self._thread = threading.local()

    @contextmanager
    def use(self, job: str, kind: TypeForm[T], *, without: Collection[str] = ()) -> Iterator[T]:
        """Lease the model for a job: ``with models.use(jobs.OCR, jobs.TextReader) as reader: ...``.

        Where the first choice does not fit into memory the next one is taken.

        Args:
            job: What is to be done, of :mod:`visiongpt_agent.models.jobs`.
            kind: The job's protocol, which types the model.
            without: Names of models that are not to be taken.

        Raises:
            WeightsError: If no model for the job is usable here; the message says what to do.
            ModelMemoryError: If none of the usable ones fits.
        """
        with self._released_after(self._acquire_for(job, without)) as model:
            yield cast(T, model)

    def without(self, names: Collection[str]) -> ModelView:
        """The pool without some models, which keeps note of those that are leased through it."""
        return ModelView(self, frozenset(names))

    @contextmanager
    def lease(self, model: type[M]) -> Iterator[M]:
        """Lease one model by its class.

        Raises:
            WeightsError: If its weights are not here or are not what the adapter expects.
            ModelMemoryError: If it does not fit.
        """
        with self._released_after(self._acquire(model)) as loaded:
            yield cast(M, loaded)

    def has(self, job: str) -> bool:
        """Whether a model for the job is usable here."""
        return self.chosen(job) is not None

    def chosen(self, job: str, *, without: Collection[str] = ()) -> ModelCard | None:
        """The model that does the job here, None if there is none."""
        return next((model.card for model in self._candidates(job) if model.card.name not in without), None)

    def name(self, job: str) -> str:
        """The name of the model that does the job here, ``""`` where there is none.

        Once another had to stand in for it in this thread, that one's, so that results name what made them.
        """
        card = self.chosen(job)
        return self._stand_ins().get(job) or (card.name if card else "")

    def remedy(self, job: str) -> str:
        """What to do so that the job can be done here; ``""`` if it can."""
        if self.has(job):
            return ""
        missing = self.registry.missing_for(job)
        if missing:
            return missing
        usable = [model.card for model in self.registry.for_job(job) if not self.registry.usable(model.card)]
        return self._room.too_large(min(usable, key=lambda card: card.memory))

    def exhausted(self, job: str) -> str:
        """The words for a job whose models have all been tried, with the causes of those that could not be loaded."""
        names = [model.card.name for model in self.registry.for_job(job)]
        causes = [self._loader.failures[name] for name in names if name in self._loader.failures]
        return "; ".join(["all models for it have been tried", *causes])

    def resident(self) -> list[Resident]:
        """The models loaded in this process, the least recently used first."""
        with self._changed:
            return [
                Resident(
                    entry.model.card,
                    entry.where.device,
                    entry.bytes + entry.parked_bytes,
                    entry.last_used,
                    entry.holders.total(),
                )
                for entry in self._room.entries.values()
                if entry.present
            ]

    def loading(self) -> list[Load]:
        """The models that are being loaded, or brought back to a GPU, by some thread of this process."""
        now = time.monotonic()
        with self._changed:
            return [
                Load(entry.model.card, entry.where.device, entry.bytes, now - entry.asked)
                for entry in self._room.entries.values()
                if entry.loaded is None and entry.bytes and entry.holders
            ]

    def close(self) -> None:
        """Free all models; those in use are freed when they are released. Leases are refused from then on."""
        with self._changed:
            self._room.closed = True
            for entry in [entry for entry in self._room.entries.values() if entry.idle]:
                self._room.evict(entry)
            self._room.waiting.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _candidates(self, job: str) -> list[type[Model]]:
        """The usable models for a job in order of preference."""
        usable = [
            model
            for model in self.registry.for_job(job)
            if not self.registry.usable(model.card) and self._room.fits(model.card)
        ]
        return sorted(usable, key=lambda model: model in self._loader.outgrown)

    def _acquire_for(self, job: str, without: Collection[str] = ()) -> Entry:
        failures: list[ModelMemoryError] = []
        for model in self._candidates(job):
            if model.card.name in without:
                continue
            try:
                entry = self._acquire(model)
            except ModelMemoryError as error:
                failures.append(error)
                continue
            if failures:
                _log.warning("%s stands in for %s: %s", model.card.name, job, failures[0])
            self._stand_ins()[job] = model.card.name if failures else ""
            return entry
        if failures:
            raise failures[0]
        raise WeightsError(f"no model for {job} is usable here; {self.remedy(job) or self.exhausted(job)}")

    def _stand_ins(self) -> dict[str, str]:
        """By job, the model that last served this thread, where that was not the first choice."""
        stand_ins: dict[str, str] = self._thread.__dict__.setdefault("stand_ins", {})
        return stand_ins

    def _acquire(self, model: type[Model]) -> Entry:
        """An entry that is loaded and counted as used by this thread."""
        while True:
            with self._changed:
                if self._room.closed:
                    raise RuntimeError("the model pool is closed")
                entry = self._room.entries.get(model)
                if entry is None:
                    entry = self._room.entries[model] = Entry(model)
                    entry.holders[threading.get_ident()] += 1
                    break
                if entry.parked is not None and not entry.holders:
                    entry.holders[threading.get_ident()] += 1
                    entry.asked = time.monotonic()
                    break
                if self._joined(entry):
                    return entry
        try:
            self._loader.load(entry)
        except BaseException as error:
            self._loader.give_up(entry, error)
            raise
        return entry

    def _joined(self, entry: Entry) -> bool:
        """Use an entry of another's, once it is loaded; False if the load was given up for a reason of its thread."""
        me = threading.get_ident()
        entry.holders[me] += 1
        try:
            self._room.waiting.until(lambda: entry.loaded is not None or entry.error is not None, entry.model.card)
        except BaseException:
            self._drop(entry, me)
            raise
        if entry.error is None:
            return True
        if isinstance(entry.error, Exception) and not isinstance(entry.error, NoRoomError):
            raise entry.error
        return False

    def _call(self, entry: Entry, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a method of a leased model, again with more memory where it runs out; see :mod:`.leased`.

        Raises:
            ModelMemoryError: If it runs out of memory in every way there is.
        """
        failure: Exception | None = None
        for _ in self._ways(entry):
            try:
                return getattr(entry.current(), method)(*args, **kwargs)
            except Exception as error:
                if isinstance(error, ModelMemoryError) or not is_out_of_memory(error):
                    raise
                failure = bare(error)
                _log.warning("%s ran out of memory on %s", entry.model.card.name, entry.where.device)
        name = entry.model.card.name
        exhaustion = ModelMemoryError(
            f"{name} ran out of memory ({str(failure).partition(chr(10))[0][:120]}); "
            "try a smaller picture, or choose a smaller model"
        )
        if entry.loaded is None:  # the last way was to load it anew, and it failed
            self._loader.give_up(entry, exhaustion)
        raise exhaustion from failure

    def _ways(self, entry: Entry) -> Iterator[None]:
        """The ways to do a call, each brought about before it is yielded: as it is, with more memory, elsewhere."""
        yield
        self._room.evict_idle(entry.where.device)
        yield
        now, smaller = entry.where, list[Placement]()
        for where, _ in self._room.placements(entry.model.card):
            halved = DTYPE_BYTES[where.dtype] < DTYPE_BYTES[now.dtype]
            if (where.device == now.device and halved) or (where.device == "cpu" != now.device):
                smaller.append(where)
        for where in smaller:
            if self._loader.load_anew(entry, where):
                yield

    @contextmanager
    def _released_after(self, entry: Entry) -> Iterator[Model]:
        holder = threading.get_ident()  # the release may come from another thread, e.g. with a generator
        try:
            yield cast(Model, entry.lease(partial(self._call, entry)))
        finally:
            with self._changed:
                self._drop(entry, holder)
                entry.last_used = time.time()
                if self._room.entries.get(entry.model) is entry:
                    self._room.entries.move_to_end(entry.model)
                    if not entry.present and not entry.holders:  # it could be loaded nowhere else after all
                        del self._room.entries[entry.model]
                    elif self._room.closed and entry.idle:
                        self._room.evict(entry)

    def _drop(self, entry: Entry, holder: int) -> None:
        entry.holders[holder] -= 1
        if not entry.holders[holder]:
            del entry.holders[holder]
        self._room.waiting.wake()
