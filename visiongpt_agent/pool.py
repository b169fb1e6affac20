"""The owner of every loaded model, the LLM included.

A model is loaded when it is first used and stays until its memory is wanted. What is loaded never counts for more than
the budget of its device, by the figures of the cards: the least recently used *idle* models make room.

When a model needs room that only models in use could give, the thread that wants it waits, also while it holds leases
itself, as long as some thread that holds one is not waiting on the pool too. Once all of them wait, nobody could ever
release anything, so one that holds a lease gets a :class:`ModelMemoryError` instead; a thread that holds none never
does. Thus no lease is taken from under anyone, the budget holds, and the pool does not deadlock; ``patience`` bounds
the waits that it cannot see through, such as a holder that joins another thread which waits here.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar, cast

from visiongpt_agent.errors import InputError, ModelMemoryError, WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.settings import DEFAULT_MEMORY_SHARE, Settings, available_memory, format_bytes

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")
M = TypeVar("M", bound=Model)

_CUDA_MEMORY_SHARE = 0.8  # the rest is for activations
_DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
_WORTH_COLLECTING = 64 * 2**20  # a full garbage collection takes tens of milliseconds; below this it can wait

_log = logging.getLogger(__name__)


class Resident(NamedTuple):
    """A loaded model: its card, where it is, the bytes it counts for, when it was last released, how many use it."""

    card: ModelCard
    device: str
    bytes: int
    last_used: float
    in_use: int


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
        self._budget = budget or self._settings.memory
        self._patience = patience
        self._entries: OrderedDict[type[Model], _Entry] = OrderedDict()  # the least recently used first
        self._changed = threading.Condition()
        self._blocked: set[int] = set()  # threads that wait on the pool
        self._refused: set[int] = set()  # threads that are to give up waiting
        self._outgrown: set[type[Model]] = set()  # ran out of real memory once; others are preferred from then on
        self._thread = threading.local()
        self._closed = False

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
        return self._too_large(min(usable, key=lambda card: card.memory))

    def resident(self) -> list[Resident]:
        """The models loaded in this process, the least recently used first."""
        with self._changed:
            return [
                Resident(entry.model.card, entry.device, entry.bytes, entry.last_used, entry.holders.total())
                for entry in self._entries.values()
                if entry.loaded is not None
            ]

    def close(self) -> None:
        """Free all models; those in use are freed when they are released. Leases are refused from then on."""
        with self._changed:
            self._closed = True
            for entry in [entry for entry in self._entries.values() if entry.idle]:
                self._evict(entry)
            self._wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _cpu_budget(self) -> int:
        return self._budget or int(DEFAULT_MEMORY_SHARE * available_memory())

    @cached_property
    def _cuda_budget(self) -> Mapping[str, int]:
        """Bytes by CUDA device: the one to use, or none."""
        if self._settings.device == "cpu":
            return {}
        import torch

        device = "cuda:0" if self._settings.device == "auto" else self._settings.device
        if not torch.cuda.is_available():
            if self._settings.device == "auto":
                return {}
            raise InputError(
                f"VISIONGPT_DEVICE is {device}, but torch finds no CUDA device here; set it to cpu or auto"
            )
        free, _ = torch.cuda.mem_get_info(device)
        return {device: self._budget or int(_CUDA_MEMORY_SHARE * free)}

    def _budgets(self, card: ModelCard) -> dict[str, int]:
        """Bytes by device that a model may be loaded on, the preferred first; torch is imported only if it matters."""
        cuda = self._cuda_budget if "cuda" in card.devices else {}
        return {**cuda, **({"cpu": self._cpu_budget} if "cpu" in card.devices else {})}

    def _budget_of(self, device: str) -> int:
        return self._cpu_budget if device == "cpu" else self._cuda_budget[device]

    def _fits(self, card: ModelCard) -> bool:
        if "cpu" in card.devices and card.memory <= self._cpu_budget:
            return True
        return any(self._placements(card))

    def _candidates(self, job: str) -> list[type[Model]]:
        """The usable models for a job in order of preference."""
        usable = [
            model
            for model in self.registry.for_job(job)
            if not self.registry.usable(model.card) and self._fits(model.card)
        ]
        return sorted(usable, key=lambda model: model in self._outgrown)

    def _placements(self, card: ModelCard) -> Iterator[tuple[Placement, int]]:
        """Where and how a model may be loaded within the budget, best first, each with the bytes it takes there."""
        for device, budget in self._budgets(card).items():
            for dtype in card.dtypes:
                need = card.memory * _DTYPE_BYTES[dtype] // _DTYPE_BYTES[card.dtypes[0]]
                if need <= budget:
                    yield Placement(device, dtype), need

    def _too_large(self, card: ModelCard) -> str:
        budgets = self._budgets(card)
        if not budgets:
            return f"{card.name} runs on {' or '.join(card.devices)} only, which is not here; choose another model"
        return (
            f"{card.name} takes {format_bytes(card.memory)}, the budget for models is "
            f"{format_bytes(max(budgets.values()))}; set VISIONGPT_MEMORY higher or choose a smaller model"
        )

    def _acquire_for(self, job: str, without: Collection[str] = ()) -> _Entry:
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
        raise WeightsError(f"no model for {job} is usable here; {self.remedy(job) or 'all have been tried'}")

    def _stand_ins(self) -> dict[str, str]:
        """By job, the model that last served this thread, where that was not the first choice."""
        found: dict[str, str] = self._thread.__dict__.setdefault("stand_ins", {})
        return found

    def _acquire(self, model: type[Model]) -> _Entry:
        """An entry that is loaded and counted as used by this thread."""
        while True:
            with self._changed:
                if self._closed:
                    raise RuntimeError("the model pool is closed")
                entry = self._entries.get(model)
                if entry is None:
                    entry = self._entries[model] = _Entry(model)
                    entry.holders[threading.get_ident()] += 1
                    break
                if self._joined(entry):
                    return entry
        try:
            self._load(entry)
        except BaseException as error:
            with self._changed:
                entry.error = error
                del self._entries[model]
                self._wake()
            raise
        return entry

    def _joined(self, entry: _Entry) -> bool:
        """Use an entry of another's, once it is loaded; False if the load was given up for a reason of its thread."""
        me = threading.get_ident()
        entry.holders[me] += 1
        try:
            self._wait_until(lambda: entry.loaded is not None or entry.error is not None, entry.model.card)
        except BaseException:
            self._drop(entry, me)
            raise
        if entry.error is None:
            return True
        if isinstance(entry.error, Exception) and not isinstance(entry.error, _NoRoomError):
            raise entry.error
        return False

    def _load(self, entry: _Entry) -> None:
        card = entry.model.card
        folder = self.registry.store.folder(card)
        failure: Exception | None = None
        for placement, need in self._placements(card):
            for _ in range(2):
                self._reserve(entry, placement.device, need)
                failure = self._try_load(entry, folder, placement)
                if failure is None:
                    self._outgrown.discard(entry.model)
                    return
                if not self._free_idle(entry, placement.device):
                    break
        if failure is None:
            raise ModelMemoryError(self._too_large(card))
        self._outgrown.add(entry.model)
        raise ModelMemoryError(
            f"{card.name} ran out of memory while loading ({failure}); free some or choose a smaller model"
        ) from failure

    def _try_load(self, entry: _Entry, folder: Path | None, placement: Placement) -> Exception | None:
        """Load outside the lock; returns the failure if it is one of memory, raises others."""
        try:
            loaded = entry.model.load(folder, placement)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return error.with_traceback(None)  # whose frames would keep half of the model alive
        with self._changed:
            entry.loaded = loaded
            entry.last_used = time.time()
            self._wake()
        return None

    def _reserve(self, entry: _Entry, device: str, need: int) -> None:
        with self._changed:
            entry.bytes = 0
            self._wait_until(lambda: self._make_room(device, need), entry.model.card)
            entry.device, entry.bytes = device, need

    def _make_room(self, device: str, need: int) -> bool:
        """Evict idle models until there is room; none if evicting all of them would not do."""
        here = [entry for entry in self._entries.values() if entry.device == device]
        free = self._budget_of(device) - sum(entry.bytes for entry in here)
        idle = [entry for entry in here if entry.idle]
        if free + sum(entry.bytes for entry in idle) < need:
            return False
        for entry in idle:
            if free >= need:
                break
            free += entry.bytes
            self._evict(entry)
        return True

    def _free_idle(self, entry: _Entry, device: str) -> bool:
        """After real memory ran out: evict all that is idle; True if that was anything."""
        with self._changed:
            entry.bytes = 0
            idle = [other for other in self._entries.values() if other.idle and other.device == device]
            for other in idle:
                self._evict(other)
            gc.collect()
            self._wake()
        return bool(idle)

    def _evict(self, entry: _Entry) -> None:
        del self._entries[entry.model]
        loaded, entry.loaded = entry.loaded, None
        try:
            if loaded is not None:
                loaded.close()
        except Exception:
            _log.exception("%s could not be closed", entry.model.card.name)
        del loaded
        if entry.bytes >= _WORTH_COLLECTING:
            gc.collect()
        if entry.device.startswith("cuda"):
            sys.modules["torch"].cuda.empty_cache()

    @contextmanager
    def _released_after(self, entry: _Entry) -> Iterator[Model]:
        holder = threading.get_ident()  # the release may come from another thread, e.g. with a generator
        try:
            assert entry.loaded is not None
            yield entry.loaded
        finally:
            with self._changed:
                self._drop(entry, holder)
                entry.last_used = time.time()
                if entry.model in self._entries:
                    self._entries.move_to_end(entry.model)
                    if self._closed and entry.idle:
                        self._evict(entry)

    def _drop(self, entry: _Entry, holder: int) -> None:
        entry.holders[holder] -= 1
        if not entry.holders[holder]:
            del entry.holders[holder]
        self._wake()

    def _wait_until(self, ready: Callable[[], bool], card: ModelCard) -> None:
        """Wait under the lock until something is so, or this thread is refused."""
        me, deadline = threading.get_ident(), time.monotonic() + self._patience
        try:
            while not ready():
                self._blocked.add(me)
                if not self._someone_works():
                    self._refuse_one(me)
                left = deadline - time.monotonic()
                if me in self._refused or left <= 0:
                    raise _NoRoomError(self._no_room(card))
                self._changed.wait(left)
        finally:
            self._blocked.discard(me)
            self._refused.discard(me)

    def _wake(self) -> None:
        # All look again, so none of them counts as waiting until it has.
        self._blocked.clear()
        self._changed.notify_all()

    def _someone_works(self) -> bool:
        """Whether a thread that holds a lease, or loads, is not waiting on the pool."""
        return any(holder not in self._blocked for entry in self._entries.values() for holder in entry.holders)

    def _refuse_one(self, me: int) -> None:
        """All wait, so one that holds a lease must give way: this thread where it does, else another."""
        holders = {holder for entry in self._entries.values() if entry.loaded is not None for holder in entry.holders}
        refused = me if me in holders or not holders else holders.pop()
        self._refused.add(refused)
        self._blocked.discard(refused)
        self._changed.notify_all()

    def _no_room(self, card: ModelCard) -> str:
        busy = [entry for entry in self._entries.values() if entry.loaded is not None and entry.holders]
        names, taken = ", ".join(entry.model.card.name for entry in busy), sum(entry.bytes for entry in busy)
        return (
            f"no room for {card.name} ({format_bytes(card.memory)}): models in use ({names}) take {format_bytes(taken)}"
            f" of {format_bytes(max(self._budgets(card).values()))}; set VISIONGPT_MEMORY higher or release one first"
        )


class ModelView:
    """The pool as one attempt at something sees it: without the models that were tried before.

    Attributes:
        used: The models leased through it, by job; one whose weights could not be loaded is among them.
    """

    def __init__(self, pool: ModelPool, without: frozenset[str]) -> None:
        self._pool = pool
        self._without = without
        self.used: dict[str, str] = {}

    @contextmanager
    def use(self, job: str, kind: TypeForm[T]) -> Iterator[T]:
        """Lease a model for a job; see :meth:`ModelPool.use`."""
        if chosen := self._pool.chosen(job, without=self._without):
            self.used[job] = chosen.name
        with self._pool.use(job, kind, without=self._without) as model:
            self.used[job] = cast(Model, model).card.name
            yield model

    def has(self, job: str) -> bool:
        """Whether a model for the job is left."""
        return self._pool.chosen(job, without=self._without) is not None

    def name(self, job: str) -> str:
        """The name of the model that did the job, or would; ``""`` where there is none."""
        chosen = self._pool.chosen(job, without=self._without)
        return self.used.get(job) or (chosen.name if chosen else "")

    def remedy(self, job: str) -> str:
        """What to do so that the job can be done here; ``""`` if it can."""
        return "" if self.has(job) else self._pool.remedy(job) or "all models for it have been tried"


@dataclass(eq=False)
class _Entry:
    """A model loaded or being loaded; ``holders`` counts leases by thread, the load and waits for it included."""

    model: type[Model]
    loaded: Model | None = None
    error: BaseException | None = None
    device: str = ""
    bytes: int = 0
    last_used: float = 0.0
    holders: Counter[int] = field(default_factory=Counter)

    @property
    def idle(self) -> bool:
        return self.loaded is not None and not self.holders


class _NoRoomError(ModelMemoryError):
    """A wait was given up for what this thread holds; others may fare better."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether a library says in its own way that memory ran out."""
    if isinstance(error, MemoryError | ModelMemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")
    )
