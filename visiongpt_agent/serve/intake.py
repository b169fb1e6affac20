"""A request on its way in: multipart or JSON, bounded, its pictures decoded before it is accepted."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.images import decode
from visiongpt_agent.request import checked_pages
from visiongpt_agent.serve.limits import ServeLimits
from visiongpt_agent.serve.problems import first_fault
from visiongpt_agent.serve.schemas import NewRequest

MULTIPART_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["request"],
    "properties": {
        "request": NewRequest.model_json_schema()["properties"]["request"],
        "images": {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "Picture files."},
        "thread": {"type": "string", "description": "The conversation to go on with."},
        "pages": NewRequest.model_json_schema()["properties"]["pages"],
    },
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Intake:
    """A request that can be worked on; ``images`` are encoded pictures or data URLs, never addresses or paths."""

    request: str
    images: Sequence[bytes | str]
    thread: str | None
    pages: str = ""


class Reader:
    """Reads requests; their pictures are decoded one by one, whoever sent them, so that uploads cannot fill the memory.

    Args:
        limits: What one request may bring.
    """

    def __init__(self, limits: ServeLimits) -> None:
        self._limits = limits
        self._one_by_one = threading.Lock()

    async def read(self, request: Request) -> Intake:
        """Read a request.

        Raises:
            InputError: If it is none, or a picture cannot be used.
            HTTPException: If its media type is not one of the two, or it takes too long to arrive.
        """
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            async with asyncio.timeout(self._limits.upload_seconds):
                if media == "multipart/form-data":
                    intake = await self._multipart(request)
                elif media == "application/json":
                    intake = _of_json(await request.body())
                else:
                    raise HTTPException(415, "send multipart/form-data or application/json")
        except TimeoutError:
            raise HTTPException(408, f"the body took longer than {self._limits.upload_seconds:g} s") from None
        if not intake.request.strip():
            raise InputError("the request is empty: say what you want done")
        if len(intake.images) > self._limits.images:
            raise InputError(f"{len(intake.images)} pictures came, {self._limits.images} are allowed: send fewer")
        checked_pages(intake.pages)
        await asyncio.to_thread(self._check_pictures, intake.images)
        return intake

    async def _multipart(self, request: Request) -> Intake:
        async with request.form(max_files=self._limits.images, max_fields=4) as form:
            unknown = sorted(set(form) - {"request", "images", "thread", "pages"})
            if unknown:
                raise InputError(
                    f"there is no field {unknown[0][:40]!r}: the fields are request, images, thread, pages"
                )
            files = [await _file(part) for part in form.getlist("images")]
            words = {name: _text(form, name) for name in ("request", "thread", "pages") if name in form}
            return _intake({**words, "images": []}, files)

    def _check_pictures(self, images: Sequence[bytes | str]) -> None:
        total = 0
        for number, source in enumerate(images, 1):
            with self._one_by_one:
                width, height = decode(source, name=f"picture {number}").size
            if width * height > self._limits.pixels:
                raise InputError(
                    f"picture {number} has {width}x{height} pixels, "
                    f"{self._limits.pixels / 10**6:g} million are allowed: shrink it first"
                )
            total += width * height
            if total > self._limits.all_pixels:
                raise InputError(
                    f"the pictures have over {self._limits.all_pixels / 10**6:g} million pixels together, which is the "
                    "most of one request: shrink them, or send fewer"
                )


def inline_picture(text: str) -> bytes | str:
    """A picture that stands in a text: a data URL as it is, base64 as bytes; whatever else it may be is refused.

    Raises:
        InputError: If it is neither; addresses are not fetched and paths not read.
    """
    if text.startswith("data:"):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise InputError("a picture is given as base64 or as a data URL: no address, no path") from None


def _of_json(body: bytes) -> Intake:
    try:
        parsed = NewRequest.model_validate_json(body)
    except ValidationError as error:
        raise InputError(first_fault(error)) from None
    return Intake(parsed.request, [inline_picture(text) for text in parsed.images], parsed.thread, parsed.pages)


def _intake(fields: dict[str, Any], files: Sequence[bytes]) -> Intake:
    try:
        parsed = NewRequest.model_validate(fields)
    except ValidationError as error:
        raise InputError(first_fault(error)) from None
    return Intake(parsed.request, files, parsed.thread, parsed.pages)


async def _file(part: UploadFile | str) -> bytes:
    if isinstance(part, str):
        raise InputError("images are sent as files: give the part a filename")
    return await part.read()


def _text(form: FormData, name: str) -> str:
    value = form[name]
    if not isinstance(value, str):
        raise InputError(f"{name} is sent as a text, not as a file")
    return value
