"""Refused arguments as one line that a language model can act on."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def in_one_line(error: Any) -> str:
    """What is wrong with the arguments of a call: each name with its reason, ``scale: Input should be ...``.

    Args:
        error: The ``pydantic.ValidationError`` of the call's arguments.
    """
    faults = error.errors() if isinstance(error, ValidationError) else []
    told = [f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults]
    return f"The arguments cannot be used: {'; '.join(told) or str(error)}. Call the tool again with other arguments."
