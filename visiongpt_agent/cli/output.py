"""Words on a terminal: names of files, threads and requests are shown as they are read, and steer nothing."""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO


def say(text: str, *, error: bool = False) -> None:
    """Print a text on stdout, or on stderr; to a terminal without what steers it.

    What is piped to a program stays as it is: paths have to be those of the files.
    """
    stream: TextIO = sys.stderr if error else sys.stdout
    print(printable(text) if stream.isatty() else text, file=stream)


def printable(text: str) -> str:
    """The text with its control characters, and marks that turn the direction of writing, written out.

    Example:
        >>> printable("red\\x1b[31m.jpg\\n")
        'red\\\\x1b[31m.jpg\\n'
    """
    return "".join(c if c in "\n\t" or not _steers(c) else c.encode("unicode_escape").decode() for c in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in _JOINERS


_JOINERS = "\u200c\u200d"
"""Which words of Persian and of India, and emoji, are written with."""
