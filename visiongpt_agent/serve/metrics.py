"""What Prometheus is told."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from visiongpt_agent.hosting.runs import Run
    from visiongpt_agent.pool import ModelPool
    from visiongpt_agent.serve.service import Service

_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Metrics:
    """The figures of one server.

    Args:
        pool: The models whose memory is told.
    """

    def __init__(self, pool: ModelPool) -> None:
        self._registry = CollectorRegistry()
        self._pool = pool
        self._requests = Counter(
            "visiongpt_requests", "Requests that ended, by how.", ["status"], registry=self._registry
        )
        self._request_seconds = Histogram(
            "visiongpt_request_seconds",
            "From being accepted to the end, the wait included.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._step_seconds = Histogram(
            "visiongpt_step_seconds", "Time of a step.", ["tool"], buckets=_SECONDS, registry=self._registry
        )

    def watch(self, run: Run) -> None:
        """Count a run that has ended."""
        state = str(run.state)
        self._requests.labels(run.result.status if run.result and state == "finished" else state).inc()
        if run.ended_at:
            self._request_seconds.observe(run.ended_at - run.created)
        for event in run.events:
            if event.name == "finished":
                self._step_seconds.labels(event.data["tool"]).observe(event.data["seconds"])

    def observe(self, service: Service) -> None:
        """Tell the state of this service from now on."""
        self._registry.register(_Now(service, self._pool))

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What is so at the moment of asking."""

    def __init__(self, service: Service, pool: ModelPool) -> None:
        self._service = service
        self._pool = pool

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("visiongpt_queued_requests", "Requests that wait.", self._service.queued)
        yield GaugeMetricFamily("visiongpt_running_requests", "Requests being carried out.", self._service.running)
        taken, count = Tally[tuple[str, str]](), Tally[str]()
        for model in self._pool.resident():
            taken[model.card.name, model.device] += model.bytes
            count[model.device] += 1
        models = GaugeMetricFamily("visiongpt_resident_models", "Models that are loaded.", labels=["device"])
        for device, number in count.items():
            models.add_metric([device], number)
        yield models
        memory = GaugeMetricFamily("visiongpt_resident_model_bytes", "Their memory.", labels=["model", "device"])
        for labels, size in taken.items():
            memory.add_metric(labels, size)
        yield memory
