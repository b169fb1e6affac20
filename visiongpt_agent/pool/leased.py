"""What a tool gets when it leases a model: the model, but for calls that run out of memory.

The retry sits around each call of the model rather than around the tool or the step: the jobs' methods are functions of
their arguments, so that one can simply be called again, whereas a tool has done other things by then. Nor would a step
know which model ran out or where it could go; and tools that run without an executor, from LangChain or MCP, are helped
as well. The lease stays the same while the model behind it is loaded anew in another place.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from visiongpt_agent.models.base import Model


class Leased:
    """Stands for a model: its attributes, its class to ``isinstance``, its methods by way of the pool.

    Args:
        current: Gives the model as it is loaded now.
        call: Calls a method of it, by name, with arguments.
    """

    __slots__ = ("_call", "_current")

    def __init__(self, current: Callable[[], Model], call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_current", current)
        object.__setattr__(self, "_call", call)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._current(), name)
        if not inspect.ismethod(value):
            return value

        @functools.wraps(value.__func__)  # not the bound method, which would keep a model alive that is replaced
        def called(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, args, kwargs)

        return called

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._current(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._current(), name)

    @property  # type: ignore[misc]
    def __class__(self) -> type[Model]:  # type: ignore[override]
        return type(self._current())

    def __repr__(self) -> str:
        return f"<leased {self._current()!r}>"
