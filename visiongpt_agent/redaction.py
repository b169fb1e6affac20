"""Secrets stay secret: what looks like one, or is one of this process's own, is taken out of what is told and kept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

E = TypeVar("E", bound=BaseException)

HIDDEN: Final = "[hidden]"

_SECRET_NAME: Final = re.compile(r"token|secret|passw|passphrase|api_?key|access_?key|private_?key|credential", re.I)
_SHORTEST: Final = 8
"""Shorter values of the environment are words such as ``true``, which stand in ordinary sentences."""

_SHAPES: Final = (
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://)[^\s/?#@'\"]+@", re.I),  # user and password of a URL
    re.compile(r"(?P<keep>\b(?:https?|wss?|postgres(?:ql)?)://[^\s?#'\"<>]*)[?#][^\s'\"<>)]*", re.I),  # its query
    re.compile(r"(?P<keep>\b(?:bearer|basic|token)[ :=]+)[\w.~+/=-]{8,}", re.I),
    re.compile(
        r"(?P<keep>\b[\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|authorization)['\"]?\s*[:=]\s*['\"]?)"
        r"(?!\[hidden\])[^\s'\",;&)}\]]{4,}",
        re.I,
    ),
    re.compile(r"\b(?:hf|gh[pousr]|github_pat|glpat|xox[abprs]|npm|pypi|lsv2)[_-][A-Za-z0-9_-]{12,}"),
    re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,}|\bAKIA[A-Z0-9]{12,}|\bAIza[A-Za-z0-9_-]{20,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # JSON web tokens
)


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text without secrets: values of the environment under telling names, keys by their shape, parts of URLs.

    Example:
        >>> redact("403 for https://me:pw@hub.example/x?sig=abc with hf_abcdefghijklmnop", {})
        '403 for https://[hidden]hub.example/x[hidden] with [hidden]'
    """
    for value in sorted(_secrets(environ), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for shape in _SHAPES:
        text = shape.sub(lambda found: f"{found.groupdict().get('keep') or ''}{HIDDEN}", text)
    return text


def _secrets(environ: Mapping[str, str]) -> set[str]:
    return {value for name, value in environ.items() if len(value) >= _SHORTEST and _SECRET_NAME.search(name)}


def redacted(error: E) -> E:
    """The same error, its own words and those of its causes without secrets, before anyone logs or keeps it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]
        one.args = tuple(_plain(part) for part in one.args)
        if isinstance(one, OSError):  # which prints copies of its arguments
            for name in ("strerror", "filename", "filename2"):
                if isinstance(getattr(one, name), str | bytes):
                    setattr(one, name, _plain(getattr(one, name)))
        for name, value in list(vars(one).items()):  # ``message``, ``body``, ... which some errors print
            if isinstance(value, str | bytes):
                setattr(one, name, _plain(value))
    return error


def _plain(part: Any) -> Any:
    if isinstance(part, bytes):
        return redact(part.decode("utf-8", "replace")).encode()
    return redact(part) if isinstance(part, str) else part


def guarded(config: RunnableConfig | None) -> RunnableConfig:
    """The config with a callback before all others that takes secrets out of the errors they are told."""
    from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
    from langchain_core.callbacks.base import BaseCallbackManager
    from langchain_core.runnables.config import ensure_config

    class Redactor(BaseCallbackHandler):
        run_inline = True

        def on_llm_error(self, error: BaseException, **kwargs: object) -> None:
            redacted(error)

    own = ensure_config(config)
    given = own.get("callbacks")
    first = Redactor()
    if not isinstance(given, BaseCallbackManager):
        return {**own, "callbacks": [first, *(given or [])]}
    manager = given.copy()
    assert isinstance(manager, CallbackManager | AsyncCallbackManager)
    manager.handlers.insert(0, first)
    manager.inheritable_handlers.insert(0, first)
    return {**own, "callbacks": manager}
