"""What a model is to this package: a card that tells all about it, and an adapter class that loads and runs it.

A *job* is something a tool needs done (``detection.closed``, ``ocr``, ...); a *model* is one way to do it. Adding a
model is adding one module to this folder: :mod:`visiongpt_agent.models.registry` finds the :class:`Model` subclasses
in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from visiongpt_agent.weights import Source


@dataclass(frozen=True)
class ModelCard:
    """All that is known of a model before it is loaded.

    Attributes:
        name: Unique, lower case, as in ``visiongpt models pull NAME``.
        title: What a person reads, e.g. ``NanoDet-g 416``.
        jobs: The jobs it does, e.g. ``("detection.closed",)``.
        licence: SPDX identifier, or the licence's usual name; of the weights.
        homepage: Where the model comes from.
        memory: Bytes it takes once loaded, measured or estimated; the pool's budget counts with it.
        rank: Among the models for a job the lowest rank that is present is used.
        source: Where the weights come from, or None where the method has none (an algorithm of a library).
        modules: Importable modules it needs beyond the package's own requirements, e.g. ``("ncnn",)``.
        extra: The pip extra that installs ``modules``; ``""`` where the core does.
        notice: What binds the user (AGPL, non-commercial), told before the weights are pulled; ``""`` for none.
        dtypes: The floating-point types it may be loaded in, the first by default.
        devices: The kinds of device it runs on, ``cpu`` or ``cuda``.
    """

    name: str
    title: str
    jobs: tuple[str, ...]
    licence: str
    homepage: str
    memory: int
    rank: int = 0
    source: Source | None = None
    modules: tuple[str, ...] = ()
    extra: str = ""
    notice: str = ""
    dtypes: tuple[str, ...] = ("float32",)
    devices: tuple[str, ...] = ("cpu",)


@dataclass(frozen=True)
class Placement:
    """Where and how a model is loaded: ``device`` as torch spells it (``cpu``, ``cuda:0``), ``dtype`` by name."""

    device: str = "cpu"
    dtype: str = "float32"


class Model(ABC):
    """One loaded model. Subclasses set :attr:`card` and do the jobs it names by the protocols of ``models.jobs``."""

    card: ClassVar[ModelCard]

    @classmethod
    @abstractmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        """Load the model.

        Args:
            folder: The folder that holds the weight files, as the card's source lays them out; None without source.
            placement: Device and dtype.

        Raises:
            WeightsError: If a file is missing or is not what the adapter expects.
        """

    def close(self) -> None:  # noqa: B027 - most models have nothing to close
        """Free what garbage collection does not, e.g. sessions of a native library. Called once by the pool."""
