"""Pictures from the web, fetched from real servers on this machine; which addresses are allowed is the tests' word."""

from __future__ import annotations

import gzip
import io
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.web import fetch, is_public, is_web_address, shown

Answer = Callable[[bytes], Iterable[bytes]]


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def ok(body: bytes, *headers: str) -> list[bytes]:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: image/png", *headers, "", ""]
    return ["\r\n".join(head).encode(), body]


def redirect(to: str) -> list[bytes]:
    return [f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()]


@contextmanager
def serving(
    answer: Answer, *, tls: ssl.SSLContext | None = None, pause: float = 0
) -> Iterator[tuple[int, list[bytes]]]:
    """A server on the loopback address; yields its port and the requests that it got."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with closing(tls.wrap_socket(connection, server_side=True) if tls else connection) as client:
                    asked.append(client.recv(65536))
                    for piece in answer(asked[-1]):
                        client.sendall(piece)
                        time.sleep(pause)
            except OSError:
                if listener.fileno() < 0:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def at_home(host: str, port: int) -> list[str]:
    """Every name is this machine."""
    return ["127.0.0.1"]


def always(addresses: list[str]) -> Callable[[str, int], list[str]]:
    return lambda host, port: addresses


def anywhere(address: str) -> bool:
    return True


def test_a_picture_is_fetched() -> None:
    with serving(lambda _: ok(picture())) as (port, asked):
        data = fetch(f"http://pictures.example:{port}/cat.png?size=1#top", resolve=at_home, allow=anywhere)

    assert Image.open(io.BytesIO(data)).size == (40, 30)
    head = asked[0].decode().lower()
    assert head.startswith("get /cat.png?size=1 http/1.1\r\n")
    assert f"host: pictures.example:{port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


def test_the_name_stays_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subject = ["-subj", "/CN=pictures.example", "-addext", "subjectAltName=DNS:pictures.example"]
    try:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject]
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl makes the certificate and is not here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    with serving(lambda _: ok(picture()), tls=context) as (port, _):
        assert fetch(f"https://pictures.example:{port}/", resolve=at_home, allow=anywhere) == picture()
        with pytest.raises(InputError, match="cannot be fetched"):
            fetch(f"https://other.example:{port}/", resolve=at_home, allow=anywhere)
    assert names == ["pictures.example", "other.example"]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
    ],
)
def test_the_own_network_is_out_of_reach(host: str) -> None:
    with serving(lambda _: ok(picture())) as (port, asked):
        with pytest.raises(InputError, match=r"private network|hides an IP address|no web address|is not known"):
            fetch(f"http://{host}:{port}/cat.png", seconds=5)
        assert asked == []


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111"])
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_a_name_for_the_own_network_is_refused() -> None:
    for addresses in (["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"]):
        with pytest.raises(InputError, match="private network"):
            fetch("http://pictures.example/cat.png", resolve=always(addresses))


def test_a_name_is_resolved_once_and_that_address_is_connected_to() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]])
    judged: list[str] = []

    def judge(address: str) -> bool:
        judged.append(address)
        return True

    with serving(lambda _: ok(picture())) as (port, _):
        fetch(
            f"http://rebinding.example:{port}/",
            resolve=lambda host, _: next(answers),
            allow=judge,
        )
    assert judged == ["127.0.0.1"]
    assert next(answers) == ["10.0.0.1"]


@pytest.mark.parametrize("to", ["http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "//10.0.0.1/x"])
def test_a_redirect_into_the_own_network_is_refused(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = "203.0.113.7"  # stands for an address of the open internet

    def allow(address: str) -> bool:
        return address == first or is_public(address)

    with serving(lambda _: redirect(to)) as (port, asked):
        connect = socket.create_connection

        def rerouted(address: tuple[str, int], *args: object, **kwargs: object) -> socket.socket:
            assert address[0] == first
            return connect(("127.0.0.1", port))

        monkeypatch.setattr(socket, "create_connection", rerouted)
        with pytest.raises(InputError, match="private network"):
            fetch("http://pictures.example/", resolve=lambda *_: [first], allow=allow)
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("file:///etc/passwd", "must begin with"),
        ("ftp://pictures.example/x", "must begin with"),
        ("data:image/png;base64,AAAA", "must begin with"),
        ("http://user:word@pictures.example/", "user or a password"),
        ("http://0x7f000001/", "hides an IP address"),
    ],
)
def test_redirects_to_anything_else_are_refused(to: str, message: str) -> None:
    with serving(lambda _: redirect(to)) as (port, _), pytest.raises(InputError, match=message):
        fetch(f"http://pictures.example:{port}/", resolve=at_home, allow=anywhere)


def test_redirects_are_followed_but_not_for_ever() -> None:
    answers = iter([redirect("/b"), redirect("/c"), ok(picture())])
    with serving(lambda _: next(answers)) as (port, asked):
        assert fetch(f"http://pictures.example:{port}/a", resolve=at_home, allow=anywhere) == picture()
        assert [request.split()[1] for request in asked] == [b"/a", b"/b", b"/c"]
    with serving(lambda _: redirect("/again")) as (port, asked):
        with pytest.raises(InputError, match="redirected more than 3 times"):
            fetch(f"http://pictures.example:{port}/", resolve=at_home, allow=anywhere)
        assert len(asked) == 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (ok(b"<html>not a picture at all</html>"), "is not a picture"),
        (ok(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "is not a picture"),
        (ok(b""), "is not a picture"),
        (ok(gzip.compress(picture()), "Content-Encoding: gzip"), "sent compressed"),
        (ok(gzip.compress(bytes(10**6)), "Content-Encoding: br"), "sent compressed"),
        (ok(gzip.compress(picture())), "is not a picture"),
        ([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], "status 404"),
        ([b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n"], "status 206"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"], "more than"),
        ([b"this is no HTTP\r\n\r\n"], "cannot be fetched"),
        ([b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 300_000], "cannot be fetched"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + picture()], "cannot be fetched"),
        ([], "cannot be fetched"),
    ],
)
def test_what_is_no_picture_is_refused(answer: list[bytes], message: str) -> None:
    with serving(lambda _: answer) as (port, _), pytest.raises(InputError, match=message):
        fetch(f"http://pictures.example:{port}/", resolve=at_home, allow=anywhere, most_bytes=2_000_000)


def test_an_endless_picture_is_left_early() -> None:
    sent: list[int] = []

    def endless(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n" + picture()[:8]
        for _piece in range(1000):
            sent.append(1)
            yield bytes(100_000)

    with serving(endless) as (port, _), pytest.raises(InputError, match="more than 1 MB"):
        fetch(f"http://pictures.example:{port}/", resolve=at_home, allow=anywhere, most_bytes=2**20)
    assert len(sent) < 200


@pytest.mark.parametrize(
    "drops",
    [[b"H"] * 50, [b"HTTP/1.1 200 OK\r\n\r\n", *[b"\x89PNG\r\n\x1a\n"] * 50]],
    ids=["head", "body"],
)
def test_a_server_that_drips_is_given_up_in_time(drops: list[bytes]) -> None:
    began = time.monotonic()
    with serving(lambda _: drops, pause=0.1) as (port, _):
        with pytest.raises(InputError, match=r"did not answer within 0.5 s"):
            fetch(f"http://pictures.example:{port}/", resolve=at_home, allow=anywhere, seconds=0.5)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://me:secret@pictures.example/", "user or a password"),
        ("http://@pictures.example/", "user or a password"),
        ("http:///cat.png", "must begin with"),
        ("http://pictures.example:99999/", "no web address"),
        ("http://[::1/", "no web address"),
        ("http://pictures.example/a b", "no web address"),
        ("http://pictures.example\\@127.0.0.1/", "no web address"),
        ("http://pictures.example/\r\nX: y", "no web address"),
        ("http://" + "a" * 3000, "no web address"),
        ("http://" + "a" * 70 + ".example/", "no web address"),
    ],
)
def test_addresses_that_are_none(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        fetch(url, resolve=at_home, allow=anywhere)
    assert "secret" not in str(refused.value)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: ok(picture())) as (proxy, asked):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        with serving(lambda _: ok(picture())) as (port, _):
            fetch(f"http://pictures.example:{port}/", resolve=at_home, allow=anywhere)
        assert asked == []


def test_what_is_a_web_address() -> None:
    assert [is_web_address(s) for s in ("http://a/b", "HTTPS://a", "ftp://a", "a.jpg", b"http://a")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert shown("https://u:p@a.example:8/x.png?key=1#f") == "https://a.example/x.png"
