"""What the routes work with, as FastAPI hands it to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.serve.intake import Reader
from visiongpt_agent.serve.metrics import Metrics
from visiongpt_agent.serve.service import Service
from visiongpt_agent.tools.base import ToolSpec


@dataclass(frozen=True)
class Parts:
    """The parts of one application; ``app.state.parts``.

    Attributes:
        service: Carries requests out.
        reader: Reads them.
        models: The models that they share.
        tools: Tools beside those of the package.
        metrics: Figures for Prometheus.
        plans_itself: Whether the application was given the chat model that plans.
    """

    service: Service
    reader: Reader
    models: ModelPool
    tools: tuple[ToolSpec, ...]
    metrics: Metrics
    plans_itself: bool


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _service(request: Request) -> Service:
    return _parts(request).service


Own = Annotated[Parts, Depends(_parts)]
Work = Annotated[Service, Depends(_service)]
