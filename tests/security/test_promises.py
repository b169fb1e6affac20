"""SECURITY.md names the bounds that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.hosting.patience import HEADER_SECONDS
from visiongpt_agent.mcp_server import transports
from visiongpt_agent.pictures.decoding import MAX_PIXELS
from visiongpt_agent.serve.limits import ServeLimits
from visiongpt_agent.web.conversations import PageLimits

PAGE: Final = " ".join((Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8").split())
MEBI: Final = 2**20
MEGA: Final = 10**6
SERVE, UI, LOOP = ServeLimits(), PageLimits(), Limits()


@pytest.mark.parametrize(
    "promise",
    [
        f"A picture has at most {MAX_PIXELS // MEGA} million pixels",
        f"ends after {LOOP.seconds:g} seconds, and gives up a step after {LOOP.step_seconds:g}",
        f"Headers must be there within {HEADER_SECONDS:g} seconds, and a body within {SERVE.upload_seconds:g}",
        f"A body has at most {SERVE.body_bytes // MEBI} MiB and {SERVE.images} pictures",
        f"a picture at most {SERVE.pixels // MEGA} million pixels, all of a request at most {SERVE.all_pixels // MEGA}",
        f"{SERVE.running} requests run side by side and {SERVE.queue} wait",
        f"a body has at most {transports._MAX_BODY // MEBI} MiB",
        f"There are {transports._MAX_SESSIONS} at a time",
        f"A session ends after {transports._IDLE_SECONDS / 60:g} minutes",
        f"A file has at most {UI.picture_bytes // MEBI} MiB and {UI.picture_pixels // MEGA} million pixels",
        f"a conversation at most {UI.pictures} pictures. There are {UI.conversations} conversations at a time",
    ],
)
def test_the_bounds_are_those_of_the_code(promise: str) -> None:
    assert promise in PAGE


def test_every_setting_that_it_names_is_there() -> None:
    named = set(re.findall(r"VISIONGPT_[A-Z_]+", PAGE))
    source = (Path(transports.__file__).parents[1] / "settings.py").read_text(encoding="utf-8")
    assert named
    assert named <= set(re.findall(r"VISIONGPT_[A-Z_]+", source))
    assert SERVE.keep_seconds == UI.idle_seconds == 3600  # "an hour", of results and of conversations
