"""Pictures from the web, where they are allowed: fetched so that an address cannot reach into the own network.

A name is resolved once, every address that it has must be public, and the connection goes to one of those: no second
answer of a name server, and no redirect, leads elsewhere. TLS still checks the certificate against the name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.decoding import MAX_FILE_BYTES

if TYPE_CHECKING:
    import httpcore

MAX_REDIRECTS: Final = 3
TIMEOUT: Final = 20.0
"""Seconds from the first look at the address to the last byte, redirects included."""

Resolve = Callable[[str, int], Iterable[str]]
Allow = Callable[[str], bool]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_BEGINNINGS: Final = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P4", b"P5", b"P6", b"%PDF-"),
)
_ENOUGH_TO_TELL: Final = 12
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_SPECIAL: Final = tuple(  # that some versions of Python take for global
    map(ipaddress.ip_network, ("192.0.0.0/24", "::/96", "64:ff9b:1::/48", "100:0:0:1::/64", "3fff::/20", "5f00::/16"))
)
_HEADERS: Final = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "visiongpt-agent"}


def is_web_address(source: object) -> bool:
    """Whether a source is an ``http`` or ``https`` URL."""
    return isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE) is not None


def shown(url: str) -> str:
    """The URL for a message: without user, password, query and fragment, which may hold secrets.

    Example:
        >>> shown("https://me:secret@example.org/cat.jpg?token=abc")
        'https://example.org/cat.jpg'
    """
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:120]
    except ValueError:
        return "the web address"


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, multicast or reserved.

    Example:
        >>> is_public("93.184.216.34"), is_public("::ffff:127.0.0.1"), is_public("169.254.169.254")
        (True, False, False)
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in _SPECIAL if network.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(v4 is not None and not is_public(str(v4)) for v4 in inner):
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def addresses_of(host: str, port: int) -> list[str]:
    """The IP addresses that a name has.

    Raises:
        OSError: If it has none.
    """
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    *,
    resolve: Resolve = addresses_of,
    allow: Allow = is_public,
    most_bytes: int = MAX_FILE_BYTES,
    seconds: float = TIMEOUT,
) -> bytes:
    """Get the bytes of a picture.

    Args:
        url: An ``http`` or ``https`` URL without user and password.
        resolve: Gives the addresses of a name.
        allow: Says of an address whether it may be connected to; all addresses of a name must be allowed.
        most_bytes: A picture of more is not fetched to its end.
        seconds: For all of it.

    Raises:
        InputError: If the address is not allowed, cannot be reached in time, or what is there is no picture.
    """
    import httpcore

    guard = _Guard(resolve, allow, time.monotonic() + seconds)
    try:
        with httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(), network_backend=guard.backend(), retries=0
        ) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                target = _checked(url)
                found = _get(pool, target, most_bytes)
                if isinstance(found, bytes):
                    return found
                if target.scheme == "https" and not found.lower().startswith("https:"):
                    raise InputError(f"{shown(url)} leads from https to http: give the address of the picture itself")
                url = found
    except httpcore.TimeoutException:
        raise InputError(f"{shown(url)} did not answer within {seconds:g} s: download the picture yourself") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as fault:
        told = guard.refusal or f"cannot be fetched ({type(fault).__name__}): download the picture and give its path"
        raise InputError(f"{shown(url)} {told}") from None
    raise InputError(f"{shown(url)} is redirected more than {MAX_REDIRECTS} times: give the address of the picture")


def _checked(url: str) -> SplitResult:
    """The parts of a URL that may be asked for, its host in ASCII."""
    if len(url) > 2048 or re.search(r"[\x00-\x20\x7f\\]", url):
        raise InputError(f"{shown(url)} is no web address: it is too long, or holds blanks or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        ascii_host = host if ":" in host else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise InputError(f"{shown(url)} is no web address: check how it is written") from None
    if parts.scheme not in ("http", "https") or not ascii_host:
        raise InputError(f"{shown(url)} is no picture's address: it must begin with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"{shown(url)} was given with a user or a password: download the picture and give its path")
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", ascii_host) and not _is_ip(ascii_host):
        raise InputError(f"{shown(url)} hides an IP address behind another way to write numbers: it is not fetched")
    bracketed = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    return parts._replace(netloc=bracketed + (f":{port}" if port is not None else ""), fragment="")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _get(pool: httpcore.ConnectionPool, target: SplitResult, most_bytes: int) -> bytes | str:
    """The picture's bytes, or where a redirect leads."""
    url = target.geturl().encode("ascii", "ignore").decode()
    with pool.stream("GET", url, headers=list(_HEADERS.items())) as response:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _REDIRECTS and "location" in headers:
            return urljoin(url, headers["location"])
        if response.status != 200:
            raise InputError(f"{shown(url)} answers with status {response.status}: check the address")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise InputError(f"{shown(url)} is sent compressed, which is not unpacked: download the picture yourself")
        if headers.get("content-length", "").isdigit() and int(headers["content-length"]) > most_bytes:
            raise _too_large(url, most_bytes)
        data = bytearray()
        for chunk in response.iter_stream():
            data += chunk
            if len(data) >= _ENOUGH_TO_TELL and not _looks_like_a_picture(data):
                break
            if len(data) > most_bytes:
                raise _too_large(url, most_bytes)
    if not _looks_like_a_picture(data):
        raise InputError(f"{shown(url)} is not a picture: give the address of the picture itself")
    return bytes(data)


def _looks_like_a_picture(data: bytearray) -> bool:
    if data[4:8] == b"ftyp":  # AVIF and HEIC
        return True
    return data.startswith(_BEGINNINGS) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")


def _too_large(url: str, most_bytes: int) -> InputError:
    return InputError(f"{shown(url)} has more than {most_bytes / 2**20:.0f} MB: make it smaller and give its path")


@dataclass
class _Guard:
    """Stands between HTTP and the network: says which address is connected to, and for how long it may take."""

    resolve: Resolve
    allow: Allow
    end: float
    refusal: str = ""

    def left(self) -> float:
        import httpcore

        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout
        return seconds

    def address(self, host: str, port: int) -> str:
        """The address to connect to."""
        import httpcore

        try:
            found = [host] if _is_ip(host) else list(self.resolve(host, port))
        except OSError:
            found = []
        if not found:
            self.refusal = "has a host that is not known: check the address"
        elif not all(self.allow(address) for address in found):
            self.refusal = "leads into a private network, from which pictures are not fetched"
        if self.refusal:
            raise httpcore.ConnectError
        return found[0]

    def backend(self) -> httpcore.NetworkBackend:
        import httpcore

        guard = self

        class Stream(httpcore.NetworkStream):
            def __init__(self, inner: httpcore.NetworkStream) -> None:
                self._inner = inner

            def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
                return self._inner.read(max_bytes, guard.left())

            def write(self, buffer: bytes, timeout: float | None = None) -> None:
                self._inner.write(buffer, guard.left())

            def close(self) -> None:
                self._inner.close()

            def start_tls(
                self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
            ) -> httpcore.NetworkStream:
                return Stream(self._inner.start_tls(ssl_context, server_hostname, guard.left()))

            def get_extra_info(self, info: str) -> object:
                return self._inner.get_extra_info(info)

        class Backend(httpcore.NetworkBackend):
            def connect_tcp(
                self,
                host: str,
                port: int,
                timeout: float | None = None,
                local_address: str | None = None,
                socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
            ) -> httpcore.NetworkStream:
                address = guard.address(host, port)
                plain = httpcore.SyncBackend().connect_tcp(address, port, guard.left())
                return Stream(plain)

        return Backend()
