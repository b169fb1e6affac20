"""The ways in which a model finds no memory, and what gives memory back for good."""

from __future__ import annotations

import sys
import traceback

from visiongpt_agent.errors import ModelMemoryError


class NoRoomError(ModelMemoryError):
    """A wait was given up for what this thread holds; others may fare better."""


class PinnedError(NoRoomError):
    """Pinned models take the room that a model needs on a device; it may be loaded on another."""


class LargerError(ModelMemoryError):
    """A model takes more than had been reserved for it."""


def bare(error: Exception) -> Exception:
    """An error without the frames that raised it, which would keep half of a model or of a call alive."""
    traceback.clear_frames(error.__traceback__)
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def empty_cache(device: str) -> None:
    """Give back to a GPU what torch keeps for later."""
    if device.startswith("cuda"):
        sys.modules["torch"].cuda.empty_cache()
