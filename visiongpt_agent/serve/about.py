"""The routes about the server: its tools, whether it is alive and ready, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from visiongpt_agent.doctor import ToolHealth
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.serve.parts import Own
from visiongpt_agent.serve.problems import Problem, documented, problem_response
from visiongpt_agent.serve.schemas import Health, Tool
from visiongpt_agent.serve.service import StoppingError
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec

router = APIRouter(tags=["server"])


@router.get("/v1/tools", response_model=list[Tool], responses=documented(), tags=["tools"], summary="The tools")
def get_tools(own: Own) -> list[Tool]:
    """Those that cannot run here say what they need."""
    every_tool = {**catalog(), **{spec.name: spec for spec in own.tools}}
    return [_tool(spec, own.models) for spec in every_tool.values()]


@router.get("/healthz", response_model=Health, responses=documented(), summary="Whether the server is alive")
async def healthz() -> Health:
    return Health()


@router.get("/readyz", response_model=Health, responses=documented(503), summary="Whether it can take requests")
def readyz(own: Own) -> Response:
    """It can where there is a language model to plan with, and the server is not about to stop."""
    if own.service.stopping:
        raise StoppingError("the server is about to stop")
    if not own.plans_itself and not own.models.has(jobs.LLM):
        remedy = f"there is no language model to plan with: {own.models.remedy(jobs.LLM)}"
        return problem_response(Problem(title="Service Unavailable", status=503, detail=remedy))
    return JSONResponse(Health().model_dump())


@router.get(
    "/metrics",
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}, **documented()},
    response_class=Response,
    summary="Figures for Prometheus",
)
def get_metrics(own: Own) -> Response:
    return Response(own.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _tool(spec: ToolSpec, models: ModelPool) -> Tool:
    health = ToolHealth.of(spec, models)
    return Tool(
        name=health.name,
        description=spec.description,
        args=list(health.args),
        returns=health.returns,
        available=health.available,
        model=health.model,
        needs=health.needs,
    )
