"""The page's server: pictures in and out, who may come in, and what is told to whom."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.cli.conftest import Ran, visiongpt  # noqa: F401  # a fixture
from tests.tiny_pictures import png
from visiongpt_agent import InputError, VisionGPT, sample_photo
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.web.conversations import PageLimits
from visiongpt_agent.web.server import agent_of_a_tab, check_reach, is_loopback, opened_app, read_auth

Maker = Callable[..., Callable[[], VisionGPT]]


@contextmanager
def client(
    make: Callable[[], VisionGPT], base: str = "http://127.0.0.1", **how: Any
) -> Iterator[tuple[TestClient, str]]:
    """A client of the page, and the key of a conversation."""
    with opened_app(make_agent=make, **how) as app:
        yield TestClient(app, base_url=base), app.state.conversations.begin().key


@pytest.fixture(scope="module")
def opened(pool: ModelPool) -> Iterator[tuple[TestClient, str]]:
    """One page for the tests that change nothing; small files only."""
    with client(lambda: agent_of_a_tab(pool), limits=PageLimits(picture_bytes=2000)) as page_and_key:
        yield page_and_key


def test_a_picture_goes_in_and_comes_out(scripted: Maker) -> None:
    with client(scripted()) as (page, key):
        stage = page.post(f"/conversations/{key}/pictures", params={"title": "a.png"}, content=png(30, 20)).json()
        picture = page.get("/" + stage["pictures"][0]["url"])
        sample = page.post(f"/conversations/{key}/pictures", params={"sample": "coffee"}).json()

        assert (stage["pictures"][0]["width"], stage["pictures"][0]["height"]) == (30, 20)
        assert picture.headers["content-type"] == "image/png"
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert sample["current"] == "$2"
        assert page.get("/samples/coffee.jpg").content == sample_photo("coffee").read_bytes()


@pytest.mark.parametrize(
    ("path", "params", "content", "said"),
    [
        ("/conversations/{key}/pictures", {"title": "a.jpg"}, b"words", "a.jpg is not a picture"),
        ("/conversations/{key}/pictures", {"title": "a.jpg"}, b"x" * 3000, "a.jpg is larger than 0 MB"),
        ("/conversations/{key}/pictures", {"sample": "../secret"}, b"", "there is no sample photo"),
        ("/conversations/nobody/pictures", {"title": "a.jpg"}, b"x", "there is no such conversation, or it has ended"),
    ],
)
def test_what_cannot_be_taken_is_told_in_one_line(
    opened: tuple[TestClient, str], path: str, params: dict[str, str], content: bytes, said: str
) -> None:
    page, key = opened
    answer = page.post(path.format(key=key), params=params, content=content)

    assert answer.status_code == 422
    assert said in answer.json()["error"]


@pytest.mark.parametrize("path", ["pictures/img-0123456789abcdef.png", "pictures/..%2f..%2fetc.png", "turns/1.json"])
def test_what_is_not_there(opened: tuple[TestClient, str], path: str) -> None:
    page, key = opened
    assert page.get(f"/conversations/{key}/{path}").status_code in (404, 422)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:7860"}, 200),
        ({"host": "evil.example"}, 403),  # a name that was made to mean this machine
        ({"origin": "https://evil.example"}, 403),
        ({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"}, 200),
        ({"origin": "null"}, 403),
        ({"host": "["}, 403),
        ({"origin": "http://["}, 403),
    ],
)
def test_other_pages_cannot_use_it(opened: tuple[TestClient, str], headers: dict[str, str], status: int) -> None:
    assert opened[0].get("/", headers=headers).status_code == status


def test_beyond_this_machine_a_password_is_needed_for_everything(scripted: Maker) -> None:
    with client(scripted(), "http://page.example", host="0.0.0.0", auth=("ann", "very secret")) as (page, key):
        paths = ["/", "/config", "/gradio_api/info", "/samples/coffee.jpg", f"/conversations/{key}/pictures/x.png"]
        wrong = {"authorization": "Basic " + base64.b64encode(b"ann:very secrex").decode()}
        right = {"authorization": "Basic " + base64.b64encode(b"ann:very secret").decode()}

        assert {page.get(path).status_code for path in paths} == {401}
        assert {page.get(path, headers=wrong).status_code for path in paths} == {401}
        assert page.get("/", headers=right).status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [b"", b"Basic", b"Basic !", b"Basic \xff\xfe", b"Basic YQ", b"Basic /////w==", b"B\xe4sic YTpi", b"Bearer YTpi"],
)
def test_broken_credentials_are_wrong_ones(scripted: Maker, credentials: bytes) -> None:
    with client(scripted(), host="0.0.0.0", auth=("ann", "very secret")) as (page, _):
        assert page.get("/", headers=[(b"authorization", credentials)]).status_code == 401


def test_gradio_takes_no_files_of_its_own(opened: tuple[TestClient, str]) -> None:
    assert opened[0].post("/gradio_api/upload", files={"files": ("a.png", png(30, 20))}).status_code == 413


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)]
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_passwords() -> None:
    assert read_auth("ann:a:long one\n") == ("ann", "a:long one")
    for text in ("", "ann", "ann:short", ":12345678"):
        with pytest.raises(InputError, match="name:password"):
            read_auth(text)
    with pytest.raises(InputError, match="--auth-file"):
        check_reach("0.0.0.0", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines"),
        (["--auth-file", "missing"], "missing cannot be read"),
    ],
)
def test_the_command_refuses_in_one_line(visiongpt: Callable[..., Ran], arguments: list[str], said: str) -> None:  # noqa: F811
    ran = visiongpt("ui", *arguments)

    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_port_that_is_taken(visiongpt: Callable[..., Ran]) -> None:  # noqa: F811
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = visiongpt("ui", "--port", taken.getsockname()[1])

    assert ran.code == 2
    assert "name another --port" in ran.err


def test_help(visiongpt: Callable[..., Ran]) -> None:  # noqa: F811
    ran = visiongpt("ui", "--help")

    assert (ran.code, ran.err) == (0, "")
    assert "Usage: visiongpt ui" in ran.out
