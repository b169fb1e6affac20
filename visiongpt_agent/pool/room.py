"""The memory that models may take on each device: where one may be loaded, and which others make room for it."""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.pool.budgets import DTYPE_BYTES, Budgets
from visiongpt_agent.pool.entry import Entry
from visiongpt_agent.pool.memory import PinnedError, empty_cache
from visiongpt_agent.pool.sizes import Sizes
from visiongpt_agent.pool.waiting import Waiting
from visiongpt_agent.settings import format_bytes

_WORTH_COLLECTING: Final = 64 * 2**20
"""Bytes from which memory is collected at once: a full garbage collection takes tens of milliseconds."""

_log = logging.getLogger(__name__)


class Room:
    """What is loaded where, and the rest of each device's budget.

    Args:
        budgets: Bytes that models may take.
        sizes: What models were measured to take.
        keep: Names of the models that never make room.
        patience: Seconds that a thread waits at most for room.

    Attributes:
        budgets: Bytes that models may take on each device.
        sizes: What models were measured to take.
        entries: The models in memory or on their way there, the least recently used first; touched under the lock.
        waiting: The lock, and who waits.
        closed: Whether what is freed is freed for good; else models move from a GPU to main memory.
    """

    def __init__(self, budgets: Budgets, sizes: Sizes, keep: Collection[str], patience: float) -> None:
        self.budgets, self._keep = budgets, keep
        self.sizes = sizes
        self.entries: OrderedDict[type[Model], Entry] = OrderedDict()
        self.waiting = Waiting(self.entries.values, self.refusal, patience)
        self.closed = False

    def fits(self, card: ModelCard) -> bool:
        """Whether a model may be loaded somewhere, if all that is idle makes room."""
        if "cpu" in card.devices and self.need(card, card.dtypes[0]) <= self.budgets.cpu:
            return True  # without a look at CUDA, for which torch is imported
        return any(self.placements(card))

    def placements(self, card: ModelCard) -> Iterator[tuple[Placement, int]]:
        """Where and how a model may be loaded within the budget, best first, each with the bytes it takes there.

        Of several GPUs the one with the most room left comes first, then those where idle models would make room.
        """
        devices = self.budgets.devices(card)
        for device in sorted(devices, key=partial(self._preference, card)):
            for dtype in self.budgets.dtypes(card, device):
                need = self.need(card, dtype)
                if need <= self.budgets.of(device):
                    yield Placement(device, dtype), need

    def need(self, card: ModelCard, dtype: str) -> int:
        """Bytes that a model takes: as measured, else by its card."""
        by_card = card.memory * DTYPE_BYTES[dtype] // DTYPE_BYTES[card.dtypes[0]]
        return self.sizes.of(card, dtype) or by_card

    def reserve(self, entry: Entry, placement: Placement, need: int) -> None:
        """Wait until there is room for a model, and count it there from then on.

        Raises:
            PinnedError: If pinned models take that room.
            NoRoomError: If this thread is to give way.
        """
        with self.waiting.changed:
            entry.bytes = 0
            pinned = sum(
                other.takes(placement.device)
                for other in self.entries.values()
                if other is not entry and self._is_pinned(other)
            )
            if need + pinned > self.budgets.of(placement.device):
                raise PinnedError(self.refusal(entry.model.card))  # nobody would ever give it
            self.waiting.until(lambda: self.make(placement.device, need), entry.model.card)
            entry.where, entry.bytes = placement, need

    def make(self, device: str, need: int) -> bool:
        """Evict idle models until there is room, under the lock; none if evicting all of them would not do."""
        idle = self._evictable(device)
        if self._free(device) + sum(entry.takes(device) for entry in idle) < need:
            return False
        for entry in idle:
            if self._free(device) >= need:
                break
            self.evict(entry)
        return True

    def evict_idle(self, device: str) -> bool:
        """Evict all idle models of a device, after its real memory ran out; True if there were any."""
        with self.waiting.changed:
            idle = self._evictable(device)
            for other in idle:
                self.evict(other)
            gc.collect()
            empty_cache(device)
            self.waiting.wake()
        return bool(idle)

    def evict(self, entry: Entry) -> None:
        """Free a model, or move it from a GPU to main memory; under the lock, so that nobody leases it meanwhile."""
        if self._park(entry):
            return
        del self.entries[entry.model]
        size, device = entry.bytes, entry.where.device
        loaded, entry.loaded, entry.parked = entry.loaded or entry.parked, None, None
        entry.bytes = entry.parked_bytes = 0
        if loaded is not None:
            close(loaded)
        del loaded
        if size >= _WORTH_COLLECTING:
            gc.collect()
        empty_cache(device)

    def _evictable(self, device: str) -> list[Entry]:
        here = [entry for entry in self.entries.values() if entry.takes(device)]
        return [entry for entry in here if entry.idle and not self._is_pinned(entry)]

    def _is_pinned(self, entry: Entry) -> bool:
        return entry.model.card.name in self._keep

    def too_large(self, card: ModelCard) -> str:
        """The words for a model that fits nowhere, with what to do."""
        budgets = [self.budgets.of(device) for device in self.budgets.devices(card)]
        if not budgets:
            return f"{card.name} runs on {' or '.join(card.devices)} only, which is not here; choose another model"
        return (
            f"{card.name} takes {format_bytes(self.need(card, card.dtypes[0]))}, the budget for models is "
            f"{format_bytes(max(budgets))}; set VISIONGPT_MEMORY higher or choose a smaller model"
        )

    def refusal(self, card: ModelCard) -> str:
        """The words for a model that has to give way to those in use, with what to do."""
        loaded = [entry for entry in self.entries.values() if entry.present]
        busy = [entry for entry in loaded if entry.holders or self._is_pinned(entry)]
        names, taken = ", ".join(entry.model.card.name for entry in busy), sum(entry.bytes for entry in busy)
        budget, need = max(map(self.budgets.of, self.budgets.devices(card))), self.need(card, card.dtypes[0])
        return (
            f"no room for {card.name} ({format_bytes(need)}): models in use ({names}) take {format_bytes(taken)}"
            f" of {format_bytes(budget)}; set VISIONGPT_MEMORY higher or release one first"
        )

    def _free(self, device: str) -> int:
        """Bytes of the budget that are not taken; what idle models would give back is not among them."""
        with self.waiting.changed:
            taken = sum(entry.takes(device) for entry in self.entries.values())
        return self.budgets.of(device) - taken

    def _preference(self, card: ModelCard, device: str) -> tuple[bool, int, int]:
        need = self.need(card, self.budgets.dtypes(card, device)[0])
        with self.waiting.changed:
            free = self._free(device)
            idle = sum(entry.takes(device) for entry in self._evictable(device))
        return device == "cpu", (free < need) + (free + idle < need), -free

    def _park(self, entry: Entry) -> bool:
        """Move an idle model from a GPU to main memory, if there is room without evicting others; it comes back fast.

        It does not run there: it waits in the dtype of the GPU, which a CPU may be slow in.
        """
        device, size = entry.where.device, entry.bytes
        if self.closed or device == "cpu" or entry.loaded is None or size > self._free("cpu"):
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


def close(model: Model) -> None:
    """Free what a model holds; a failure is logged."""
    try:
        model.close()
    except Exception:
        _log.exception("%s could not be closed", model.card.name)
