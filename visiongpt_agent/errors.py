"""What can go wrong, as types.

Every message is one line that names the fault and the remedy, fit to be shown to a person as it is.
"""

from __future__ import annotations


class VisionGPTError(Exception):
    """Base of all errors that this package raises on purpose."""


class InputError(VisionGPTError, ValueError):
    """The request or an image handed in cannot be used."""


class StorageError(InputError):
    """A file could not be written: the disk is full, or its folder may not be written to."""


class PlanError(VisionGPTError, ValueError):
    """A text is no plan, or a plan does not fit the tools and images at hand."""


class ToolError(VisionGPTError):
    """A tool cannot do what it was asked; the message says why and what would help."""


class WeightsError(VisionGPTError):
    """Weights are absent, cannot be fetched, or are not what their checksum says."""


class ModelMemoryError(VisionGPTError):
    """A model does not fit into the memory it was given."""


class StateError(VisionGPTError):
    """A conversation cannot be read or kept, or another process is working on it."""

    @classmethod
    def busy(cls, thread_id: str) -> StateError:
        """Of a conversation that somebody else is working on."""
        return cls(f"another request of the conversation {thread_id!r} is still going on: wait for it, or cancel it")
