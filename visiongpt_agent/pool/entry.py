"""What the pool keeps of each model that is in memory or on its way there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from visiongpt_agent.errors import ModelMemoryError
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.pool.leased import Leased


@dataclass(eq=False)
class Entry:
    """A model loaded or being loaded; ``holders`` counts leases by thread, the load and waits for it included.

    Attributes:
        where: The place it is loaded in, or is being loaded in.
        bytes: What it counts for there.
        parked: The model while it waits in main memory; it becomes ``loaded`` on its return to a GPU.
        parked_bytes: What it counts for meanwhile; on its return it counts in both places.
        error: Why its load was given up.
        asked: When it was first wanted, by the monotonic clock.
    """

    model: type[Model]
    loaded: Model | None = None
    error: BaseException | None = None
    where: Placement = field(default_factory=Placement)
    bytes: int = 0
    parked: Model | None = None
    parked_bytes: int = 0
    last_used: float = 0.0
    asked: float = field(default_factory=time.monotonic)
    holders: Counter[int] = field(default_factory=Counter)
    _leased: Leased | None = None

    @property
    def present(self) -> bool:
        return self.loaded is not None or self.parked is not None

    @property
    def idle(self) -> bool:
        return self.present and not self.holders

    def takes(self, device: str) -> int:
        """Bytes that it counts for on a device."""
        return (self.bytes if device == self.where.device else 0) + (self.parked_bytes if device == "cpu" else 0)

    def current(self) -> Model:
        """The model as it is loaded now.

        Raises:
            ModelMemoryError: If it was lost on the way to another place.
        """
        if self.loaded is None:
            raise ModelMemoryError(f"{self.model.card.name} ran out of memory and could not be loaded again")
        return self.loaded

    def lease(self, call: Callable[..., Any]) -> Leased:
        """What stands for the model, the same for all who lease it."""
        if self._leased is None:
            self._leased = Leased(self.current, call)
        return self._leased
