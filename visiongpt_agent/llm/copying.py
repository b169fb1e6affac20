"""Copying: the strings of a plan are nearly always words of the request, and small models misspell rare ones.

Within a string, tokens that leave the request's words are made less likely (``neutron`` where it says ``neutrophils``),
much so in arguments that quote by their nature. They stay possible: a model that is sure of a word of its own ("make it
winter" for "winter, please") still writes it.
"""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.language.english import plural, singular

_PENALTY: Final = 3.0
"""What is taken off the logit of a token that leaves the request's words."""
_STRICT_PENALTY: Final = 8.0
_QUOTES: Final = frozenset(("query", "color", "style", "labels", "prompt"))
"""Arguments that are hardly ever said in other words than the request's."""

_WORD: Final = re.compile(r"[\w'’-]+")
_ARGUMENT: Final = re.compile(r'(\w+)=\[?(?:"[^"]*", )*"[^"]*$')
"""The argument whose string is being written."""
_LAST_WORD: Final = re.compile(r"[\w'’-]*$")
_OWN_WORDS: Final = frozenset(
    {
        *("a", "an", "the", "and", "or", "of", "in", "on", "at", "with", "without", "to", "from", "for", "as", "it"),
        *("its", "is", "are", "was", "make", "turn", "add", "put", "give", "change", "replace", "remove", "look"),
        *("like", "person", "image", "picture", "does", "what", "which"),
    }
)
"""Words that plans hold where requests say it otherwise."""


class RequestWords:
    """The words that a plan may quote.

    Args:
        text: The request, with the names of its images.
    """

    def __init__(self, text: str) -> None:
        said = {word.casefold() for word in _WORD.findall(text)}
        said |= {part for word in said for part in re.split(r"['’-]", word) if part}
        self._words = said | {singular(word) for word in said} | {plural(word) for word in said} | _OWN_WORDS
        self._beginnings = {word[:length] for word in self._words for length in range(1, len(word) + 1)}

    def penalty(self, line: str, token: str) -> float:
        """What to take off a token's logit, 0 where it keeps to the request or stands in no string."""
        if line.count('"') % 2 == 0 or line.startswith("decline") or not self.leaves(line, token):
            return 0.0
        argument = _ARGUMENT.search(line)
        return _STRICT_PENALTY if argument and argument[1] in _QUOTES else _PENALTY

    def leaves(self, line: str, token: str) -> bool:
        """Whether a token begins or goes on with a word that the request does not have.

        Args:
            line: The line of the plan so far, up to within a string.
            token: What would be written next.
        """
        begun = _LAST_WORD.search(_inside(line))
        word = begun[0].casefold() if begun else ""
        if word and word not in self._beginnings:
            return False  # it has left already: let it finish
        *whole, last = re.split(r"[^\w'’-]+", word + token.casefold())
        return not all(part in self._words for part in whole if part) or bool(last and last not in self._beginnings)


def _inside(line: str) -> str:
    return line.rpartition('"')[2]
