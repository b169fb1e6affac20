"""Questions about a picture as a file, which are answered from what is known of it: its size in pixels, its format."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.language.lexicon import PICTURE, one_of

_IT: Final = rf"(?:(?:this|that|the|my) (?:{one_of(PICTURE)}|file)|it|this|\$\d+)"
_FACTS: Final = (
    r"(?:dimensions?|resolution|file ?size|file (?:format|type)|format|aspect ratio|size in pixels|pixel size"
    r"|(?:width|height)(?: and (?:width|height))?(?: in pixels)?)"
)
_QUESTIONS: Final = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?:what|which|tell me|give me|show me)(?: ?'?s| is| are| the)*(?: the| its)? {_FACTS}"
        rf"(?: (?:of|does|is|has|for|in) {_IT}(?: (?:have|has|in|saved in|stored in))?)?",
        rf"how (?:large|big|wide|high|tall) is {_IT}(?: in pixels)?",
        rf"how many (?:mega)?pixels (?:does|has|is|are in) {_IT}(?: have)?",
        rf"is {_IT} an? (?:png|jpe?g|tiff?|gif|webp|bmp|heic)(?: or an? \w+)?(?: file)?",
    )
)


def asks_about_file(request: str) -> bool:
    """Whether a request is nothing but a question about the picture as a file.

    Example:
        >>> asks_about_file("what are the dimensions of this image?")
        True
        >>> asks_about_file("how big is the dog?")
        False
    """
    said = " ".join(request.casefold().replace("’", "'").split()).strip(" ?.!")
    said = re.sub(r"^(?:please|hey|so|and|can you tell me|could you tell me)[, ]+|[, ]+please$", "", said)
    return any(question.fullmatch(said) for question in _QUESTIONS)
