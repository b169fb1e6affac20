"""Bringing models into memory: at the best place first, twice if that helps, then where there is less to be had."""

from __future__ import annotations

import gc
import time

from visiongpt_agent.errors import ModelMemoryError, WeightsError
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.pool.budgets import is_out_of_memory
from visiongpt_agent.pool.entry import Entry
from visiongpt_agent.pool.memory import LargerError, NoRoomError, PinnedError, bare, empty_cache
from visiongpt_agent.pool.room import Room, close
from visiongpt_agent.settings import format_bytes
from visiongpt_agent.weights import WeightStore


class Loader:
    """Loads models into the room that there is.

    Args:
        store: Where the weights lie.
        room: Where the models are to be.

    Attributes:
        failures: By model, why it could not be loaded the last time.
        outgrown: The models that ran out of real memory once; others are preferred from then on.
    """

    def __init__(self, store: WeightStore, room: Room) -> None:
        self._store, self._room = store, room
        self.failures: dict[str, str] = {}
        self.outgrown: set[type[Model]] = set()

    def load(self, entry: Entry) -> None:
        """Load a model at the best place that has the memory, or bring it back to its GPU.

        Raises:
            WeightsError: If its weights are not here or are not what the adapter expects.
            ModelMemoryError: If it fits nowhere.
        """
        if self._brought_back(entry):
            return
        card = entry.model.card
        failure: Exception | None = None
        pinned: ModelMemoryError | None = None
        for placement, _ in self._room.placements(card):
            try:
                failure = self._load_at(entry, placement)
            except PinnedError as error:
                pinned = error
                continue
            if failure is None:
                self.outgrown.discard(entry.model)
                return
        if failure is None:
            raise pinned or ModelMemoryError(self._room.too_large(card))
        self.outgrown.add(entry.model)
        raise ModelMemoryError(
            f"{card.name} ran out of memory while loading ({failure}); free some or choose a smaller model"
        ) from failure

    def load_anew(self, entry: Entry, placement: Placement) -> bool:
        """Load a leased model in another place once no other thread uses it; False if there is no memory there."""
        with self._room.waiting.changed:
            self._room.waiting.until(lambda: len(entry.holders) <= 1, entry.model.card)
            before, entry.loaded, entry.bytes = entry.loaded, None, 0  # who wants it from now on waits for the load
            entry.asked = time.monotonic()
            former = entry.where.device
        if before is not None:
            close(before)
        del before
        gc.collect()
        empty_cache(former)
        try:
            failure = self._load_at(entry, placement)
        except BaseException as error:
            self.give_up(entry, error)
            raise
        if failure is not None:
            with self._room.waiting.changed:
                entry.bytes = 0
        return failure is None

    def give_up(self, entry: Entry, error: BaseException) -> None:
        """Leave nothing of a model that could not be loaded; whoever waits for it hears of the error."""
        with self._room.waiting.changed:
            entry.error = error
            if isinstance(error, WeightsError):
                self.failures[entry.model.card.name] = str(error)
            parked, entry.parked, entry.parked_bytes = entry.parked, None, 0
            entry.bytes = 0
            if self._room.entries.get(entry.model) is entry:
                del self._room.entries[entry.model]
            self._room.waiting.wake()
        if parked is not None:
            close(parked)

    def _load_at(self, entry: Entry, placement: Placement) -> Exception | None:
        """Load in one place, twice if that helps; returns the failure if it is one of memory, raises others."""
        card, failure = entry.model.card, None
        for _ in range(2):
            need = self._room.need(card, placement.dtype)
            if need > self._room.budgets.of(placement.device):
                return failure or ModelMemoryError(self._room.too_large(card))
            self._room.reserve(entry, placement, need)
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
            loaded = entry.model.load(self._store.folder(card), placement)
            size = loaded.measure()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return bare(error)
        self._room.sizes.learn(card, placement.dtype, size)
        with self._room.waiting.changed:
            if size > entry.bytes and not self._room.make(placement.device, size - entry.bytes):
                close(loaded)
                return LargerError(f"it takes {format_bytes(size)}, more than there is room for")
            entry.loaded, entry.bytes = loaded, size or entry.bytes
            self.failures.pop(card.name, None)
            entry.last_used = time.time()
            self._room.waiting.wake()
        return None

    def _brought_back(self, entry: Entry) -> bool:
        """Return a model from main memory to a GPU; False where there is none, or real memory ran out on the way."""
        parked, dtype = entry.parked, entry.where.dtype
        if parked is None:
            return False
        places = [where for where, _ in self._room.placements(entry.model.card) if where.device != "cpu"]
        placement = next((where for where in places if where.dtype == dtype), None)
        moved = False
        if placement is not None:
            try:
                self._room.reserve(entry, placement, entry.parked_bytes)
                moved = parked.to(placement.device)
            except Exception as error:
                if isinstance(error, NoRoomError) and not isinstance(error, PinnedError):
                    raise
                if not is_out_of_memory(error):
                    raise
                bare(error)
        with self._room.waiting.changed:
            if moved:
                entry.loaded = parked
            else:
                close(parked)
                entry.bytes = 0
            entry.parked, entry.parked_bytes = None, 0
            self._room.waiting.wake()
        return moved

    def _free_idle(self, entry: Entry, device: str) -> bool:
        """After real memory ran out in a load: evict all that is idle; True if that was anything."""
        with self._room.waiting.changed:
            entry.bytes = 0
            return self._room.evict_idle(device)
