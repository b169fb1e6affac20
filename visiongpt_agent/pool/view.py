"""The pool without some of its models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from visiongpt_agent.models.base import Model

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from visiongpt_agent.pool.pool import ModelPool

T = TypeVar("T")


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
        return "" if self.has(job) else self._pool.remedy(job) or self._pool.exhausted(job)
