"""What a request says of the pages of a document: which it names, and whether it is about what is written there."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.language.lexicon import CARDINALS, ORDINALS

_NUMBER: Final = rf"(?:\d{{1,4}}|{'|'.join(CARDINALS)})"
_NAMED: Final = re.compile(
    rf"\bpages?\s+({_NUMBER}(?:\s*(?:,|-|to|and|&|through)\s*{_NUMBER})*)\b|\b({'|'.join(ORDINALS)}|last)\s+page\b",
    re.IGNORECASE,
)
_WRITTEN: Final = re.compile(
    r"\b(read|reads|text|ocr|transcribe|transcript|written|writing|says?|said|stated?|words?|sentences?|lines?|"
    r"paragraphs?|clauses?|total|sum|amount|price|costs?|due|dates?|deadline|names?|address|signed|signature|"
    r"numbers?|qr|barcodes?|bar codes?|summar\w+|contract|invoice|receipt|agreement|letter)\b",
    re.IGNORECASE,
)


def named_pages(request: str, count: int) -> tuple[int, ...]:
    """The pages that a request names, counted from 1, in its order.

    Args:
        request: The words.
        count: How many pages there are: the last one is that one.

    Example:
        >>> named_pages("read pages 2 to 4 and the last page", 9), named_pages("read the page", 9)
        ((2, 3, 4, 9), ())
    """
    found: list[int] = []
    for match in _NAMED.finditer(request.lower()):
        if match[2]:
            found.append(count if match[2] == "last" else ORDINALS.index(match[2]) + 1)
            continue
        parts = re.findall(rf"{_NUMBER}|-|to\b|through", match[1])
        for place, part in enumerate(parts):
            if part in ("-", "to", "through"):
                continue
            first = found[-1] + 1 if place and parts[place - 1] in ("-", "to", "through") else _number(part)
            found += range(first, min(_number(part), count) + 1) if first <= _number(part) else [_number(part)]
    return tuple(dict.fromkeys(found))


def is_about_text(request: str) -> bool:
    """Whether a request is about what is written, so that every page of a document may matter."""
    return _WRITTEN.search(request) is not None


def _number(word: str) -> int:
    return int(word) if word.isdigit() else CARDINALS.index(word) + 1
