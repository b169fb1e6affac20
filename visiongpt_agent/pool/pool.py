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

import gc
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, cast

from visiongpt_agent.errors import ModelMemoryError, WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool.budgets import DTYPE_BYTES, Budgets, is_out_of_memory
from visiongpt_agent.pool.entry import Entry
from visiongpt_agent.pool.memory import LargerError, NoRoomError, PinnedError, bare, empty_cache
from visiongpt_agent.pool.sizes import Sizes
from visiongpt_agent.pool.view import ModelView
from visiongpt_agent.pool.waiting import Waiting
from visiongpt_agent.settings import Settings, format_bytes

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")
M = TypeVar("M", bound=Model)

_WORTH_COLLECTING = 64 * 2**20  # a full garbage collection takes tens of milliseconds; below this it can wait

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
        self._budgets = Budgets(self._settings, budget or 0)
        self._sizes = Sizes(self._settings.home)
        self._entries: OrderedDict[type[Model], Entry] = OrderedDict()  # the least recently used first
        self._waiting = Waiting(self._entries.values, self._no_room, patience)
        self._changed = self._waiting.changed
        self._failures: dict[str, str] = {}  # by model, why it could not be loaded the last time
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

    def exhausted(self, job: str) -> str:
        """The words for a job whose models have all been tried, with the causes of those that could not be loaded."""
        names = [model.card.name for model in self.registry.for_job(job)]
        causes = [self._failures[name] for name in names if name in self._failures]
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
                for entry in self._entries.values()
                if entry.present
            ]

    def loading(self) -> list[Load]:
        """The models that are being loaded, or brought back to a GPU, by some thread of this process."""
        now = time.monotonic()
        with self._changed:
            return [
                Load(entry.model.card, entry.where.device, entry.bytes, now - entry.asked)
                for entry in self._entries.values()
                if entry.loaded is None and entry.bytes and entry.holders
            ]

    def close(self) -> None:
        """Free all models; those in use are freed when they are released. Leases are refused from then on."""
        with self._changed:
            self._closed = True
            for entry in [entry for entry in self._entries.values() if entry.idle]:
                self._evict(entry)
            self._waiting.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fits(self, card: ModelCard) -> bool:
        if "cpu" in card.devices and self._need(card, card.dtypes[0]) <= self._budgets.cpu:
            return True  # without a look at CUDA, for which torch is imported
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
        """Where and how a model may be loaded within the budget, best first, each with the bytes it takes there.

        Of several GPUs the one with the most room left comes first, then those where idle models would make room.
        """
        devices = self._budgets.devices(card)
        for device in sorted(devices, key=partial(self._preference, card)):
            for dtype in self._budgets.dtypes(card, device):
                need = self._need(card, dtype)
                if need <= self._budgets.of(device):
                    yield Placement(device, dtype), need

    def _preference(self, card: ModelCard, device: str) -> tuple[bool, int, int]:
        need = self._need(card, self._budgets.dtypes(card, device)[0])
        with self._changed:
            free = self._free(device)
            idle = sum(entry.takes(device) for entry in self._evictable(device))
        return device == "cpu", (free < need) + (free + idle < need), -free

    def _need(self, card: ModelCard, dtype: str) -> int:
        by_card = card.memory * DTYPE_BYTES[dtype] // DTYPE_BYTES[card.dtypes[0]]
        return self._sizes.of(card, dtype) or by_card

    def _free(self, device: str) -> int:
        """Bytes of the budget that are not taken; what idle models would give back is not among them."""
        with self._changed:
            taken = sum(entry.takes(device) for entry in self._entries.values())
        return self._budgets.of(device) - taken

    def _too_large(self, card: ModelCard) -> str:
        budgets = [self._budgets.of(device) for device in self._budgets.devices(card)]
        if not budgets:
            return f"{card.name} runs on {' or '.join(card.devices)} only, which is not here; choose another model"
        return (
            f"{card.name} takes {format_bytes(self._need(card, card.dtypes[0]))}, the budget for models is "
            f"{format_bytes(max(budgets))}; set VISIONGPT_MEMORY higher or choose a smaller model"
        )

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
                if self._closed:
                    raise RuntimeError("the model pool is closed")
                entry = self._entries.get(model)
                if entry is None:
                    entry = self._entries[model] = Entry(model)
                    entry.holders[threading.get_ident()] += 1
                    break
                if entry.parked is not None and not entry.holders:
                    entry.holders[threading.get_ident()] += 1
                    entry.asked = time.monotonic()
                    break
                if self._joined(entry):
                    return entry
        try:
            self._load(entry)
        except BaseException as error:
            self._give_up(entry, error)
            raise
        return entry

    def _give_up(self, entry: Entry, error: BaseException) -> None:
        """Leave nothing of a model that could not be loaded; whoever waits for it hears of the error."""
        with self._changed:
            entry.error = error
            if isinstance(error, WeightsError):
                self._failures[entry.model.card.name] = str(error)
            parked, entry.parked, entry.parked_bytes = entry.parked, None, 0
            entry.bytes = 0
            if self._entries.get(entry.model) is entry:
                del self._entries[entry.model]
            self._waiting.wake()
        if parked is not None:
            self._close(parked)

    def _joined(self, entry: Entry) -> bool:
        """Use an entry of another's, once it is loaded; False if the load was given up for a reason of its thread."""
        me = threading.get_ident()
        entry.holders[me] += 1
        try:
            self._waiting.until(lambda: entry.loaded is not None or entry.error is not None, entry.model.card)
        except BaseException:
            self._drop(entry, me)
            raise
        if entry.error is None:
            return True
        if isinstance(entry.error, Exception) and not isinstance(entry.error, NoRoomError):
            raise entry.error
        return False

    def _load(self, entry: Entry) -> None:
        if self._brought_back(entry):
            return
        card = entry.model.card
        failure: Exception | None = None
        pinned: ModelMemoryError | None = None
        for placement, _ in self._placements(card):
            try:
                failure = self._load_at(entry, placement)
            except PinnedError as error:
                pinned = error
                continue
            if failure is None:
                self._outgrown.discard(entry.model)
                return
        if failure is None:
            raise pinned or ModelMemoryError(self._too_large(card))
        self._outgrown.add(entry.model)
        raise ModelMemoryError(
            f"{card.name} ran out of memory while loading ({failure}); free some or choose a smaller model"
        ) from failure

    def _load_at(self, entry: Entry, placement: Placement) -> Exception | None:
        """Load in one place, twice if that helps; returns the failure if it is one of memory, raises others."""
        card, failure = entry.model.card, None
        for _ in range(2):
            need = self._need(card, placement.dtype)
            if need > self._budgets.of(placement.device):
                return failure or ModelMemoryError(self._too_large(card))
            self._reserve(entry, placement, need)
            failure = self._try_load(entry, placement)
            if failure is None:
                return None
            grew = isinstance(failure, LargerError)  # the next time room for all of it is made beforehand
            if not self._free_idle(entry, placement.device) and not grew:
                break
        return failure

    def _try_load(self, entry: Entry, placement: Placement) -> Exception | None:
        """Load outside the lock; returns the failure if it is one of memory, raises others."""
        card = entry.model.card
        try:
            loaded = entry.model.load(self.registry.store.folder(card), placement)
            size = loaded.measure()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return bare(error)
        self._sizes.learn(card, placement.dtype, size)
        with self._changed:
            if size > entry.bytes and not self._make_room(placement.device, size - entry.bytes):
                self._close(loaded)
                return LargerError(f"it takes {format_bytes(size)}, more than there is room for")
            entry.loaded, entry.bytes = loaded, size or entry.bytes
            self._failures.pop(card.name, None)
            entry.last_used = time.time()
            self._waiting.wake()
        return None

    def _brought_back(self, entry: Entry) -> bool:
        """Return a model from main memory to a GPU; False where there is none, or real memory ran out on the way."""
        parked, dtype = entry.parked, entry.where.dtype
        if parked is None:
            return False
        places = [where for where, _ in self._placements(entry.model.card) if where.device != "cpu"]
        placement = next((where for where in places if where.dtype == dtype), None)
        moved = False
        if placement is not None:
            try:
                self._reserve(entry, placement, entry.parked_bytes)
                moved = parked.to(placement.device)
            except Exception as error:
                if isinstance(error, NoRoomError) and not isinstance(error, PinnedError):
                    raise
                if not is_out_of_memory(error):
                    raise
                bare(error)
        with self._changed:
            if moved:
                entry.loaded = parked
            else:
                self._close(parked)
                entry.bytes = 0
            entry.parked, entry.parked_bytes = None, 0
            self._waiting.wake()
        return moved

    def _reserve(self, entry: Entry, placement: Placement, need: int) -> None:
        with self._changed:
            entry.bytes = 0
            pinned = sum(
                other.takes(placement.device)
                for other in self._entries.values()
                if other is not entry and self._is_pinned(other)
            )
            if need + pinned > self._budgets.of(placement.device):
                raise PinnedError(self._no_room(entry.model.card))  # nobody would ever give it
            self._waiting.until(lambda: self._make_room(placement.device, need), entry.model.card)
            entry.where, entry.bytes = placement, need

    def _make_room(self, device: str, need: int) -> bool:
        """Evict idle models until there is room; none if evicting all of them would not do."""
        idle = self._evictable(device)
        if self._free(device) + sum(entry.takes(device) for entry in idle) < need:
            return False
        for entry in idle:
            if self._free(device) >= need:
                break
            self._evict(entry)
        return True

    def _evictable(self, device: str) -> list[Entry]:
        here = [entry for entry in self._entries.values() if entry.takes(device)]
        return [entry for entry in here if entry.idle and not self._is_pinned(entry)]

    def _is_pinned(self, entry: Entry) -> bool:
        return entry.model.card.name in self._settings.keep

    def _free_idle(self, entry: Entry, device: str) -> bool:
        """After real memory ran out in a load: evict all that is idle; True if that was anything."""
        with self._changed:
            entry.bytes = 0
            return self._evict_idle(device)

    def _evict_idle(self, device: str) -> bool:
        with self._changed:
            idle = self._evictable(device)
            for other in idle:
                self._evict(other)
            gc.collect()
            empty_cache(device)
            self._waiting.wake()
        return bool(idle)

    def _evict(self, entry: Entry) -> None:
        """Free a model, or move it from a GPU to main memory; under the lock, so that nobody leases it meanwhile."""
        if self._park(entry):
            return
        del self._entries[entry.model]
        size, device = entry.bytes, entry.where.device
        loaded, entry.loaded, entry.parked = entry.loaded or entry.parked, None, None
        entry.bytes = entry.parked_bytes = 0
        if loaded is not None:
            self._close(loaded)
        del loaded
        if size >= _WORTH_COLLECTING:
            gc.collect()
        empty_cache(device)

    def _park(self, entry: Entry) -> bool:
        """Move an idle model from a GPU to main memory, if there is room without evicting others; it comes back fast.

        It does not run there: it waits in the dtype of the GPU, which a CPU may be slow in.
        """
        device, size = entry.where.device, entry.bytes
        if self._closed or device == "cpu" or entry.loaded is None or size > self._free("cpu"):
            return False
        try:
            if not entry.loaded.to("cpu"):
                return False
        except Exception as error:
            _log.warning("%s could not be moved to main memory: %s", entry.model.card.name, error)
            return False
        entry.parked, entry.loaded = entry.loaded, None
        entry.parked_bytes, entry.bytes = size, 0
        entry.where = Placement("cpu", entry.where.dtype)
        empty_cache(device)
        return True

    @staticmethod
    def _close(model: Model) -> None:
        try:
            model.close()
        except Exception:
            _log.exception("%s could not be closed", model.card.name)

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
            self._give_up(entry, exhaustion)
        raise exhaustion from failure

    def _ways(self, entry: Entry) -> Iterator[None]:
        """The ways to do a call, each brought about before it is yielded: as it is, with more memory, elsewhere."""
        yield
        self._evict_idle(entry.where.device)
        yield
        now, smaller = entry.where, list[Placement]()
        for where, _ in self._placements(entry.model.card):
            halved = DTYPE_BYTES[where.dtype] < DTYPE_BYTES[now.dtype]
            if (where.device == now.device and halved) or (where.device == "cpu" != now.device):
                smaller.append(where)
        for where in smaller:
            if self._loaded_anew(entry, where):
                yield

    def _loaded_anew(self, entry: Entry, placement: Placement) -> bool:
        """Load a leased model in another place once no other thread uses it; False if there is no memory there."""
        with self._changed:
            self._waiting.until(lambda: len(entry.holders) <= 1, entry.model.card)
            before, entry.loaded, entry.bytes = entry.loaded, None, 0  # who wants it from now on waits for the load
            entry.asked = time.monotonic()
            former = entry.where.device
        if before is not None:
            self._close(before)
        del before
        gc.collect()
        empty_cache(former)
        try:
            failure = self._load_at(entry, placement)
        except BaseException as error:
            self._give_up(entry, error)
            raise
        if failure is not None:
            with self._changed:
                entry.bytes = 0
        return failure is None

    @contextmanager
    def _released_after(self, entry: Entry) -> Iterator[Model]:
        holder = threading.get_ident()  # the release may come from another thread, e.g. with a generator
        try:
            yield cast(Model, entry.lease(partial(self._call, entry)))
        finally:
            with self._changed:
                self._drop(entry, holder)
                entry.last_used = time.time()
                if self._entries.get(entry.model) is entry:
                    self._entries.move_to_end(entry.model)
                    if not entry.present and not entry.holders:  # it could be loaded nowhere else after all
                        del self._entries[entry.model]
                    elif self._closed and entry.idle:
                        self._evict(entry)

    def _drop(self, entry: Entry, holder: int) -> None:
        entry.holders[holder] -= 1
        if not entry.holders[holder]:
            del entry.holders[holder]
        self._waiting.wake()

    def _no_room(self, card: ModelCard) -> str:
        loaded = [entry for entry in self._entries.values() if entry.present]
        busy = [entry for entry in loaded if entry.holders or self._is_pinned(entry)]
        names, taken = ", ".join(entry.model.card.name for entry in busy), sum(entry.bytes for entry in busy)
        budget, need = max(map(self._budgets.of, self._budgets.devices(card))), self._need(card, card.dtypes[0])
        return (
            f"no room for {card.name} ({format_bytes(need)}): models in use ({names}) take {format_bytes(taken)}"
            f" of {format_bytes(budget)}; set VISIONGPT_MEMORY higher or release one first"
        )
