"""What the server refuses, and in which words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.serve.conftest import Serve, png
from tests.serve.test_requests import as_form, as_json
from visiongpt_agent.errors import InputError
from visiongpt_agent.hosting.guard import check_exposure, read_token
from visiongpt_agent.serve.limits import ServeLimits

TOKEN = "correct-horse-battery-staple"
LIMITS = ServeLimits(body_bytes=50_000, images=2, pixels=10_000, all_pixels=15_000)
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"json": {"request": ""}}, 422, "request"),
        ({"json": {"request": "  \n"}}, 422, "the request is empty"),
        ({"json": {"request": "x" * 4001}}, 422, "4000"),
        ({"json": {"images": []}}, 422, "request"),
        ({"json": {"request": "a", "model": "b"}}, 422, "model"),
        ({"json": ["a"]}, 422, "object"),
        ({"content": b"{", "headers": JSON}, 422, "JSON"),
        ({"content": b'{"request": "\\ud800"}', "headers": JSON}, 422, "JSON"),
        ({"content": b"\xff", "headers": JSON}, 422, "JSON"),
        ({"content": b"a", "headers": {"Content-Type": "text/plain"}}, 415, "application/json"),
        ({"content": b"a"}, 415, "application/json"),
        ({"content": b"a", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"json": {"request": "a", "images": ["/etc/passwd"]}}, 422, "no address, no path"),
        ({"json": {"request": "a", "images": ["http://127.0.0.1/a.png"]}}, 422, "no address, no path"),
        ({"json": {"request": "a", "images": ["file:///etc/passwd"]}}, 422, "no address, no path"),
        ({"json": {"request": "a", "images": ["data:text/html;base64,YQ=="]}}, 422, "data URL"),
        ({"json": {"request": "a", "images": ["aGVsbG8="]}}, 422, "picture 1 is not a picture"),
        (as_json(b""), 422, "empty"),
        (as_form(b"GIF89a"), 422, "picture 1"),
        (as_json(png(), png(), png()), 422, "3 pictures came, 2 are allowed"),
        (as_form(png(), png(), png()), 400, "Too many files"),
        (as_json(png((200, 100))), 422, "200x100 pixels, 0.01 million are allowed"),
        (as_json(png((99, 100)), png((99, 100))), 422, "over 0.015 million pixels together"),
        ({"data": {"request": "a", "path": "/etc/passwd"}, "files": [("images", ("a.png", png()))]}, 422, "'path'"),
        ({"files": [("request", ("a.txt", b"turn it"))]}, 422, "not as a file"),
        ({"json": {"request": "a" * 60_000}}, 413, "larger than"),
        ({"json": {"request": "turn $3"}}, 422, "no image $3"),
        ({"json": {"request": "a", "thread": "thread-0"}}, 404, "thread"),
    ],
)
async def test_a_bad_request_gets_a_problem(serve: Serve, body: dict[str, Any], status: int, told: str) -> None:
    async with serve(limits=LIMITS) as (client, _):
        answer = await client.post("/v1/requests", **body)

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["type"]) == (status, status, "about:blank")
    assert problem["title"] == HTTPStatus(status).phrase
    assert told in problem["detail"]
    assert "\n" not in problem["detail"]


async def test_a_body_of_unknown_length_is_counted_while_it_comes(serve: Serve) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 10_000
            yield b" " * 10_000

    async with serve(limits=LIMITS) as (client, _):
        answer = await client.post("/v1/requests", content=endless(), headers=JSON)

    assert answer.status_code == 413
    assert sent <= 100_000


@pytest.mark.parametrize(
    "path",
    ["/v1/requests/req-0", "/v1/requests/req-0/events", "/v1/artifacts/img-0123456789abcdef", "/docs", "/nowhere"],
)
async def test_what_is_not_there_is_a_problem_too(serve: Serve, path: str) -> None:
    async with serve() as (client, _):
        answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_picture_that_was_handed_in_is_no_artifact(serve: Serve) -> None:
    async with serve() as (client, app):
        await client.post("/v1/requests", **as_json(png()))
        (conversation,) = app.state.service._conversations.values()
        kept = {path.stem for path in conversation.store.folder.glob("img-*.png")}
        statuses = sorted([(await client.get(f"/v1/artifacts/{key}")).status_code for key in kept])

    assert statuses == [200, 404]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong-horse-battery-staple"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": b"Bearer \xff\xfe"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/v1/tools", "/metrics", "/openapi.json"])
async def test_without_the_token_nothing_is_told(serve: Serve, headers: dict[str, Any], status: int, path: str) -> None:
    async with serve(token=TOKEN) as (client, _):
        answer = await client.get(path, headers=headers)
        alive = await client.get("/healthz")

    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert alive.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:8000"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "http://localhost:8000"}, 200),
    ],
)
async def test_web_pages_of_others_are_kept_out(serve: Serve, headers: dict[str, str], status: int) -> None:
    async with serve() as (client, _):
        answer = await client.get("/v1/tools", headers=headers)
        preflight = await client.options("/v1/requests", headers=headers)

    assert answer.status_code == status
    assert not any(name.startswith("access-control") for name in (*answer.headers, *preflight.headers))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_beyond_the_machine_a_token_is_needed(host: str) -> None:
    with pytest.raises(InputError, match="VISIONGPT_TOKEN"):
        check_exposure(host, None)
    check_exposure(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_the_machine_none_is_needed(host: str) -> None:
    check_exposure(host, None)


@pytest.mark.parametrize("weak", ["short", "has a space in its middle", "ümlaut-ümlaut-ümlaut"])
def test_a_weak_token_is_refused_and_not_shown(weak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONGPT_TOKEN", weak)
    with pytest.raises(InputError) as caught:
        read_token(None)
    assert weak not in str(caught.value)

    (tmp_path / "empty").touch()
    with pytest.raises(InputError):
        read_token(tmp_path / "empty")


def test_the_token_leaves_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VISIONGPT_TOKEN", TOKEN)
    (tmp_path / "token").write_text("from-the-file-instead\n")

    assert read_token(tmp_path / "token") == "from-the-file-instead"
    assert read_token(None) is None


async def test_errors_in_the_document_are_problems(serve: Serve) -> None:
    async with serve(token=TOKEN) as (client, _):
        document = (await client.get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"})).json()

    responses = document["paths"]["/v1/requests"]["post"]["responses"]
    assert {"200", "202", "401", "413", "415", "422", "429"} <= set(responses)
    assert list(responses["422"]["content"]) == ["application/problem+json"]
    assert document["security"] == [{"token": []}]
    assert TOKEN not in json.dumps(document)
