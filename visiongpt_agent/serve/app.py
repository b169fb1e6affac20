"""The HTTP interface: routes, and their OpenAPI document."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, StreamingResponse
from langgraph.checkpoint.memory import InMemorySaver

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.doctor import ToolHealth
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.hosting.guard import BodyLimit, Guard
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.serve.intake import MULTIPART_SCHEMA, Reader
from visiongpt_agent.serve.limits import ServeLimits
from visiongpt_agent.serve.metrics import Metrics
from visiongpt_agent.serve.problems import Problem, add_handlers, documented, problem_response
from visiongpt_agent.serve.schemas import Health, NewRequest, RequestState, Tool
from visiongpt_agent.serve.service import Service, StoppingError
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools import catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import BaseChatModel

    from visiongpt_agent.hosting.runs import Run
    from visiongpt_agent.pictures.images import ImageStore
    from visiongpt_agent.tools.base import ToolSpec

_SWEEP_SECONDS: Final = 30.0

_DESCRIPTION: Final = (
    "Requests in plain words about pictures: a language model plans, vision models act, results are verified, and one "
    "answer comes back. Send `Authorization: Bearer TOKEN` where the server has a token."
)
_BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/NewRequestForm"}},
        "application/json": {"schema": {"$ref": "#/components/schemas/NewRequest"}},
    },
}


def create_app(
    llm: BaseChatModel | None = None,
    *,
    pool: ModelPool | None = None,
    tools: Sequence[ToolSpec] = (),
    limits: ServeLimits | None = None,
    token: str | None = None,
    loopback: bool = True,
) -> FastAPI:
    """The server as an ASGI application; ``app.state.service`` is the work behind it.

    Args:
        llm: The chat model that plans; by default the settings' or the package's own.
        pool: Owns the models; the application's own where None.
        tools: Further tools beside those of the package.
        limits: What is taken and kept.
        token: The bearer token that clients must send; None lets everyone in who reaches the server.
        loopback: Whether only this machine reaches the server; then a Host other than localhost is refused.
    """
    bounds, settings = limits or ServeLimits(), Settings.load()
    models = pool or ModelPool(settings=settings)

    def make_agent(store: ImageStore) -> VisionGPT:
        return VisionGPT(
            llm,
            settings=settings,
            pool=models,
            store=store,
            checkpointer=InMemorySaver(),
            tools=tools,
            limits=Limits(seconds=bounds.seconds),
        )

    metrics = Metrics(models)
    service = Service(make_agent, bounds, metrics.watch)
    metrics.observe(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(service))
        yield
        sweeping.cancel()
        app.state.clean = await asyncio.to_thread(service.close)
        if pool is None and app.state.clean:
            models.close()

    app = FastAPI(
        title="VisionGPT-Agent",
        version=version("visiongpt-agent"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts of a third party
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(_requests(service, Reader(bounds)))
    app.include_router(_about(service, models, tools, metrics, has_llm=llm is not None))
    app.add_middleware(BodyLimit, limit=bounds.body_bytes)
    app.add_middleware(Guard, token=token, loopback=loopback)
    add_handlers(app)
    _document(app, guarded=token is not None)
    return app


async def _sweep(service: Service) -> None:
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        await asyncio.to_thread(service.expire)


# ---------------------------------------------------------------------------------------------------------- requests


def _requests(service: Service, reader: Reader) -> APIRouter:
    router = APIRouter(tags=["requests"])

    @router.post(
        "/v1/requests",
        response_model=RequestState,
        responses={
            202: {"description": "Accepted; `Location` is where it stands.", "model": RequestState},
            **documented(400, 404, 408, 409, 413, 415, 429, 500, 503),
        },
        openapi_extra={"requestBody": _BODY},
        summary="Carry out a request",
    )
    async def post_request(
        request: Request,
        wait: Annotated[bool, Query(description="false: answer 202 at once, and ask for the result later.")] = True,
        prefer: Annotated[str, Header(description="`respond-async` is the same as `wait=false`.")] = "",
    ) -> Response:
        """Answers with the result; who hangs up before that cancels the request."""
        service.check_room()
        intake = await reader.read(request)
        run = service.submit(intake.request, intake.images, intake.thread)
        if not wait or "respond-async" in prefer.lower():
            return _accepted(run)
        try:
            await _ended_or_gone(run, request)
        finally:
            if not run.ended:
                run.cancel()
        state = RequestState.of(run)
        return problem_response(state.problem) if state.problem else _json(state)

    @router.get(
        "/v1/requests/{id}",
        response_model=RequestState,
        responses=documented(404),
        summary="Where a request stands, and its result",
    )
    async def get_request(id: str) -> Response:
        return _json(RequestState.of(service.run(id)))

    @router.get(
        "/v1/requests/{id}/events",
        responses={
            200: {
                "description": "Server-sent events.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            204: {"description": "All events were seen already."},
            **documented(404),
        },
        response_class=StreamingResponse,
        summary="Progress as server-sent events",
    )
    async def get_events(
        id: str, last_event_id: Annotated[str, Header(description="Go on after this event.")] = ""
    ) -> Response:
        """All events from the first on: `plan`, `started` and `finished` for each step, `loading` and `loaded` for
        models that take over a second to load, and `result`, the last, which is what `GET /v1/requests/{id}` tells."""
        run = service.run(id)
        after = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
        if run.ended and after > len(run.events):
            return Response(status_code=204)  # tells an EventSource not to connect again
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_as_events(run, after), media_type="text/event-stream", headers=headers)

    @router.delete(
        "/v1/requests/{id}",
        response_model=RequestState,
        status_code=202,
        responses={204: {"description": "It had ended; it is forgotten."}, **documented(404)},
        summary="Cancel a request, or forget one that has ended",
    )
    async def delete_request(id: str) -> Response:
        """With the last request of a thread its pictures go too."""
        run = service.run(id)
        if run.ended:
            service.forget(run)
            return Response(status_code=204)
        run.cancel()
        return _json(RequestState.of(run), 202)

    @router.get(
        "/v1/artifacts/{id}",
        responses={
            200: {
                "description": "The picture.",
                "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
            },
            **documented(404),
        },
        response_class=Response,
        tags=["artifacts"],
        summary="A picture of a result",
    )
    async def get_artifact(id: str) -> Response:
        picture = await asyncio.to_thread(_png, service, id)
        headers = {"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(picture, media_type="image/png", headers=headers)

    return router


async def _ended_or_gone(run: Run, request: Request) -> None:
    """Wait until a run has ended or its client has hung up."""
    tasks = [asyncio.ensure_future(run.until_ended()), asyncio.ensure_future(_gone(request))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _as_events(run: Run, after: int) -> AsyncIterator[str]:
    async with aclosing(run.follow(after)) as events:
        async for event in events:
            yield _event(event.id, event.name, json.dumps(event.data, default=str)) if event else ": alive\n\n"
    yield _event(len(run.events) + 1, "result", RequestState.of(run).model_dump_json())


def _event(number: int, name: str, data: str) -> str:
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n"


def _accepted(run: Run) -> Response:
    headers = {"Location": f"/v1/requests/{run.id}", "Preference-Applied": "respond-async"}
    return _json(RequestState.of(run), 202, headers)


def _json(state: RequestState, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(state.model_dump(mode="json"), status, headers={"Cache-Control": "no-store", **(headers or {})})


def _png(service: Service, image_id: str) -> bytes:
    buffer = io.BytesIO()
    service.picture(image_id).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------- about the server


def _about(
    service: Service, models: ModelPool, tools: Sequence[ToolSpec], metrics: Metrics, *, has_llm: bool
) -> APIRouter:
    router = APIRouter(tags=["server"])

    @router.get("/v1/tools", response_model=list[Tool], responses=documented(), tags=["tools"], summary="The tools")
    def get_tools() -> list[Tool]:
        """Those that cannot run here say what they need."""
        known = {**catalog(), **{spec.name: spec for spec in tools}}
        return [_tool(spec, models) for spec in known.values()]

    @router.get("/healthz", response_model=Health, responses=documented(), summary="Whether the server is alive")
    async def healthz() -> Health:
        return Health()

    @router.get("/readyz", response_model=Health, responses=documented(503), summary="Whether it can take requests")
    def readyz() -> Response:
        """It can where there is a language model to plan with, and the server is not about to stop."""
        if service.stopping:
            raise StoppingError("the server is about to stop")
        if not has_llm and not models.has(jobs.LLM):
            remedy = f"there is no language model to plan with: {models.remedy(jobs.LLM)}"
            return problem_response(Problem(title="Service Unavailable", status=503, detail=remedy))
        return JSONResponse(Health().model_dump())

    @router.get(
        "/metrics",
        responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}, **documented()},
        response_class=Response,
        summary="Figures for Prometheus",
    )
    def get_metrics() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


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


def _document(app: FastAPI, *, guarded: bool) -> None:
    """Complete the OpenAPI document with what is read by hand: bodies, problems, the token."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = document["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            schemas["NewRequest"] = NewRequest.model_json_schema()
            schemas["NewRequestForm"] = MULTIPART_SCHEMA
            if guarded:
                document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                document["security"] = [{"token": []}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
