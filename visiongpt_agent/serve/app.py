"""The HTTP interface: routes, and their OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from langgraph.checkpoint.memory import InMemorySaver

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.hosting.guard import BodyLimit, Guard
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.serve import about, requests
from visiongpt_agent.serve.intake import MULTIPART_SCHEMA, Reader
from visiongpt_agent.serve.limits import ServeLimits
from visiongpt_agent.serve.metrics import Metrics
from visiongpt_agent.serve.parts import Parts
from visiongpt_agent.serve.problems import Problem, add_handlers
from visiongpt_agent.serve.schemas import NewRequest
from visiongpt_agent.serve.service import Service
from visiongpt_agent.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import BaseChatModel

    from visiongpt_agent.pictures.images import ImageStore
    from visiongpt_agent.tools.base import ToolSpec

_SWEEP_SECONDS: Final = 30.0

_DESCRIPTION: Final = (
    "Requests in plain words about pictures: a language model plans, vision models act, results are verified, and one "
    "answer comes back. Send `Authorization: Bearer TOKEN` where the server has a token."
)


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
    app = FastAPI(
        title="VisionGPT-Agent",
        version=version("visiongpt-agent"),
        description=_DESCRIPTION,
        lifespan=_lifespan(service, None if pool else models),
        docs_url=None,  # its page would load scripts of a third party
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.parts = Parts(service, Reader(bounds), models, tuple(tools), metrics, plans_itself=llm is not None)
    app.include_router(requests.router)
    app.include_router(about.router)
    app.add_middleware(BodyLimit, limit=bounds.body_bytes)
    app.add_middleware(Guard, token=token, loopback=loopback)
    add_handlers(app)
    _document(app, guarded=token is not None)
    return app


def _lifespan(service: Service, own_models: ModelPool | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What begins and ends with the server; models of its own are freed where every request has ended."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(service))
        yield
        sweeping.cancel()
        app.state.clean = await asyncio.to_thread(service.close)
        if own_models is not None and app.state.clean:
            own_models.close()

    return lifespan


async def _sweep(service: Service) -> None:
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        await asyncio.to_thread(service.expire)


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
