"""Faults as RFC 9457 problems: what a client is told, and which words of ours stand behind each status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from visiongpt_agent.errors import ModelMemoryError, VisionGPTError, WeightsError
from visiongpt_agent.hosting.guard import BodyTooLargeError
from visiongpt_agent.serve.service import BusyError, FullError, StoppingError, UnknownError

PROBLEM_JSON: Final = "application/problem+json"
RETRY_SECONDS: Final = 5

_STATUSES: Mapping[type[VisionGPTError], HTTPStatus] = {
    UnknownError: HTTPStatus.NOT_FOUND,
    BusyError: HTTPStatus.CONFLICT,
    FullError: HTTPStatus.TOO_MANY_REQUESTS,
    StoppingError: HTTPStatus.SERVICE_UNAVAILABLE,
    BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    WeightsError: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelMemoryError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Problem(BaseModel):
    """What went wrong (RFC 9457); ``detail`` is one line that names the fault and the remedy."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["the request is empty: say what you want done"])


def problem_of(fault: Exception) -> Problem:
    """The problem that a fault is to a client; of one that is no error of ours only its kind is told."""
    if isinstance(fault, VisionGPTError):
        found = (status for kind, status in _STATUSES.items() if isinstance(fault, kind))
        return _problem(next(found, HTTPStatus.UNPROCESSABLE_ENTITY), str(fault))
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, f"a bug, {type(fault).__name__}: the server's log has the traceback"
    )


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    retry = {"Retry-After": str(RETRY_SECONDS)} if problem.status in (429, 503) else {}
    return JSONResponse(
        problem.model_dump(), problem.status, media_type=PROBLEM_JSON, headers={**retry, **(headers or {})}
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: these problems, beside those that any route may answer with."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({401, 403, 421, 422, *statuses})
    }


def first_fault(error: ValidationError | RequestValidationError) -> str:
    """The first thing that a schema finds wrong, in one line."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def add_handlers(app: FastAPI) -> None:
    """Have every fault answered with a problem."""

    async def ours(request: Request, fault: Exception) -> JSONResponse:
        return problem_response(problem_of(fault))

    async def of_starlette(request: Request, fault: Exception) -> JSONResponse:
        assert isinstance(fault, HTTPException)
        return problem_response(_problem(HTTPStatus(fault.status_code), str(fault.detail)), fault.headers)

    async def of_parameters(request: Request, fault: Exception) -> JSONResponse:
        assert isinstance(fault, RequestValidationError)
        return problem_response(_problem(HTTPStatus.UNPROCESSABLE_ENTITY, first_fault(fault)))

    app.add_exception_handler(VisionGPTError, ours)
    app.add_exception_handler(HTTPException, of_starlette)
    app.add_exception_handler(RequestValidationError, of_parameters)
    app.add_exception_handler(Exception, ours)


def _problem(status: HTTPStatus, detail: str) -> Problem:
    return Problem(title=status.phrase, status=int(status), detail=" ".join(detail.split()))
