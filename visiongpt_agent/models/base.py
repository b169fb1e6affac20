"""What a model is to this package: a card that tells all about it, and an adapter class that loads and runs it.

A *job* is something a tool needs done (``detection.closed``, ``ocr``, ...); a *model* is one way to do it. Adding a
model is adding one module to this folder: :mod:`visiongpt_agent.models.registry` finds the :class:`Model` subclasses
in it.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

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
    portable: ClassVar[bool] = False
    """Whether the model sends its inputs to the device that its networks are on, so that the pool may move it."""

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

    def networks(self) -> Iterator[Any]:
        """The torch networks in its attributes, each once: also those in dicts, lists and pipelines of ``diffusers``.

        None on other runtimes. An adapter that keeps networks elsewhere overrides this.
        """
        torch = sys.modules.get("torch")
        seen, left = set[int](), list(vars(self).values())
        while torch is not None and left:
            value = left.pop(0)
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, torch.nn.Module):
                yield value
            elif isinstance(value, dict):
                left.extend(value.values())
            elif isinstance(value, list | tuple):
                left.extend(value)
            elif isinstance(components := getattr(value, "components", None), dict):
                left.extend(components.values())

    def measure(self) -> int:
        """Bytes of the parameters and buffers of its networks, those that are shared counted once; 0 if unknown.

        It is counted tensor by tensor, not as the change of a device's free memory: other models may be loading.
        """
        tensors = {
            tensor.data_ptr(): tensor.numel() * tensor.element_size()
            for network in self.networks()
            for tensor in (*network.parameters(), *network.buffers())
        }
        return sum(tensors.values())

    def to(self, device: str) -> bool:
        """Move to another device, as torch spells it; False where the adapter cannot, and nothing was moved."""
        networks = list(self.networks())
        if not networks or not self.portable:
            return False
        for network in networks:
            network.to(device)
        return True


class PlacedModel(Model):
    """A model that remembers its placement and sends its inputs there.

    Attributes:
        placement: Device and dtype of the inputs; the pool moves it together with the networks.
    """

    portable = True
    placement: Placement

    def to(self, device: str) -> bool:
        """Move networks and inputs to another device, as torch spells it; False where there is no network."""
        moved = super().to(device)
        if moved:
            self.placement = replace(self.placement, device=device)
        return moved
