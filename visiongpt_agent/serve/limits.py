"""What one server takes and keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeLimits:
    """Bounds of one server.

    Attributes:
        body_bytes: Size of a request's body; counted while it is read.
        upload_seconds: Time that a body may take to arrive.
        images: Pictures that come with one request.
        pixels: Width times height of each of them.
        all_pixels: The same of all pictures of one request together: a small file can hold a large picture.
        running: Requests that are carried out side by side.
        queue: Requests that may wait for that; further ones are told to come back later.
        seconds: After this time a request begins no further step and answers with what was achieved.
        keep_seconds: How long a finished request can be asked for.
        keep_requests: How many requests are kept.
        keep_bytes: Disk space of the pictures that are kept.
        grace_seconds: What running requests get to finish in when the server is told to stop.
    """

    body_bytes: int = 32 * 2**20
    upload_seconds: float = 60.0
    images: int = 8
    pixels: int = 40_000_000
    all_pixels: int = 120_000_000
    running: int = 2
    queue: int = 16
    seconds: float = 600.0
    keep_seconds: float = 3600.0
    keep_requests: int = 200
    keep_bytes: int = 2 * 2**30
    grace_seconds: float = 20.0
