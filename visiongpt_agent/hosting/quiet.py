"""Keeping libraries' chatter away from what a person or a program reads."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def debugging() -> bool:
    """Whether tracebacks and the notices of libraries are wanted."""
    return bool(os.environ.get("VISIONGPT_DEBUG")) or "--trace" in sys.argv


def hush_libraries() -> None:
    """Have libraries that are yet to be imported show no progress bars, notices and warnings, unless debugging."""
    if os.environ.get("VISIONGPT_DEBUG"):
        return
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, nothing that libraries say reaches stdout; what they log is shown where :func:`debugging`."""
    with redirect_stdout(sys.stderr), _native_stdout_to_stderr():
        if debugging():
            yield
            return
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


@contextmanager
def _native_stdout_to_stderr() -> Iterator[None]:
    """Native libraries write to the file descriptor, past ``sys.stdout``."""
    if sys.__stdout__ is None or sys.__stdout__.closed:
        yield
        return
    sys.__stdout__.flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed by whoever started this process
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
