"""The routes of requests: carry one out, see where it stands, follow it, end it, and fetch its pictures."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from visiongpt_agent.serve.parts import Own, Work
from visiongpt_agent.serve.problems import documented, problem_response
from visiongpt_agent.serve.schemas import RequestState
from visiongpt_agent.serve.service import Service

if TYPE_CHECKING:
    from visiongpt_agent.hosting.runs import Run

_BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/NewRequestForm"}},
        "application/json": {"schema": {"$ref": "#/components/schemas/NewRequest"}},
    },
}


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
    own: Own,
    wait: Annotated[bool, Query(description="false: answer 202 at once, and ask for the result later.")] = True,
    prefer: Annotated[str, Header(description="`respond-async` is the same as `wait=false`.")] = "",
) -> Response:
    """Answers with the result; who hangs up before that cancels the request."""
    own.service.check_room()
    intake = await own.reader.read(request)
    run = own.service.submit(intake.request, intake.images, intake.thread, intake.pages)
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
async def get_request(id: str, service: Work) -> Response:
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
    id: str, service: Work, last_event_id: Annotated[str, Header(description="Go on after this event.")] = ""
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
async def delete_request(id: str, service: Work) -> Response:
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
async def get_artifact(id: str, service: Work) -> Response:
    picture = await asyncio.to_thread(_png, service, id)
    headers = {"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(picture, media_type="image/png", headers=headers)


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
