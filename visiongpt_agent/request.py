"""A request as it comes in: the words, the pictures, what is pointed at; and what of it cannot be carried out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

from visiongpt_agent.errors import InputError
from visiongpt_agent.language.pages import is_about_text, named_pages
from visiongpt_agent.pictures.decoding import Pages
from visiongpt_agent.pictures.web import is_web_address, shown
from visiongpt_agent.plan import clean_string

MAX_REQUEST_CHARACTERS: Final = 4000
MAX_POINTED: Final = 20
MAX_PAGES: Final = 20
"""So many pages of one file are taken without being named."""


class Pointed(TypedDict, total=False):
    """A region that a person points at.

    ``image`` is the ``k`` of ``$k``, 1 where it is left out; ``box`` is ``[x1, y1, x2, y2]`` in pixels of that image;
    ``label`` is what it is, where that is known.
    """

    image: int
    box: Sequence[float]
    label: str


class Request(TypedDict, total=False):
    """What :meth:`VisionGPT.invoke` takes: the words, and pictures in any form that ``images.decode`` reads.

    ``pointed`` are regions that "this", "these" or "here" in the words mean, as :class:`Pointed`. ``pages`` are the
    pages or frames to take of files that have several: ``"all"``, a number from 1, several, or a text as ``"1,3-5"``.
    """

    request: str
    images: Sequence[Any]
    pointed: Sequence[Pointed]
    pages: str | int | Sequence[int]


def checked_request(input: Request) -> str:
    if not isinstance(input, Mapping) or not isinstance(input.get("request"), str):
        raise InputError('a request is given as {"request": "...", "images": [...]}')
    request = input["request"].strip()
    if not request:
        raise InputError("the request is empty: say what you want done")
    if len(request) > MAX_REQUEST_CHARACTERS:
        raise InputError(
            f"the request has {len(request)} characters, {MAX_REQUEST_CHARACTERS} are allowed: say it shorter"
        )
    return request


def check_mentioned(request: str, count: int) -> None:
    for mentioned in re.findall(r"(?<![\w$])\$(\d{1,2})(?![\d.,]*\d)(?!\w)", request):
        if not 1 <= int(mentioned) <= count:
            have = "there is none" if count == 0 else "the only one is $1" if count == 1 else f"they are $1 to ${count}"
            raise InputError(f"there is no image ${mentioned}: of the images in this conversation {have}")


ALL_PAGES: Final = (0,)
"""Stands for all pages among :func:`checked_pages`."""


def checked_pages(pages: object) -> tuple[int, ...]:
    """The pages asked for, counted from 1; :data:`ALL_PAGES`, or ``()`` where nothing is asked for.

    Raises:
        InputError: If it is neither ``"all"`` nor numbers from 1.

    Example:
        >>> checked_pages("1, 3-5"), checked_pages(2), checked_pages("all"), checked_pages(None)
        ((1, 3, 4, 5), (2,), (0,), ())
    """
    if pages is None or pages == "" or pages == ():
        return ()
    parts = pages.split(",") if isinstance(pages, str) else [pages] if isinstance(pages, int) else pages
    if isinstance(pages, str) and pages.strip().lower() == "all":
        return ALL_PAGES
    numbers: list[int] = []
    for part in parts if isinstance(parts, Sequence) else ():
        ends = re.fullmatch(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?", str(part))
        if not ends or isinstance(part, bool):
            numbers = []
            break
        numbers += range(int(ends[1]), int(ends[2] or ends[1]) + 1)
    if not numbers or min(numbers) < 1:
        raise InputError('pages are given as "all", as numbers from 1, or as "1,3-5"')
    return tuple(dict.fromkeys(numbers))


def chosen_pages(pages: Pages, asked: Sequence[int], request: str) -> tuple[int, ...]:
    """Which pages of a file to take: those asked for, all of a document where its text matters, else the first.

    Args:
        pages: Those that the file has.
        asked: As :func:`checked_pages` gives them.
        request: The words; a page that they name is one to take.
    """
    every = tuple(range(1, pages.count + 1))
    if pages.count == 1:
        return every
    if asked:
        return every if tuple(asked) == ALL_PAGES else tuple(asked)
    is_read = pages.unit == "page" and (is_about_text(request) or named_pages(request, pages.count))
    return every if is_read else (1,)


def left_out(title: str, pages: Pages, taken: int) -> str:
    """A sentence that says that only the first pages of a file were used, ``""`` where all were."""
    if taken >= pages.count:
        return ""
    some = (
        f"only the first of {pages.count} {pages.unit}s" if taken == 1 else f"the first {taken} of {pages.count} pages"
    )
    return f"Of {'the picture' if title == 'image' else title} I used {some}; pages chooses others."


def page_title(title: str, page: int) -> str:
    """What to call a page of a file.

    Example:
        >>> page_title("lease.pdf", 2)
        'lease-page-2.pdf'
    """
    stem, dot, suffix = title.rpartition(".")
    return f"{stem}-page-{page}{dot}{suffix}" if stem else f"{title}-page-{page}"


def title_of(source: Any) -> str:
    if isinstance(source, (str, Path)) and not str(source).startswith("data:"):
        # The title goes into the planner's prompt: a file name must not be able to write a line of its own there.
        # Of a web address only the path counts: the rest may hold secrets.
        name = Path(shown(source) if isinstance(source, str) and is_web_address(source) else source).name
        return re.sub(r"[^\w.()+-]+", "_", name)[:60] or "image"
    return "image"


def path_of(source: Any) -> str:
    """Where a picture's file lies, ``""`` for one that is not given by a path."""
    is_path = isinstance(source, (str, Path)) and not str(source).startswith("data:")
    return "" if not is_path or (isinstance(source, str) and is_web_address(source)) else str(Path(source).absolute())


def checked_pointed(given: Any, sizes: Sequence[tuple[int, int]]) -> list[Pointed]:
    """What a caller handed in, as the graph keeps it: whole pixels within the image.

    Args:
        given: Mappings as :class:`Pointed`, or None.
        sizes: Width and height of ``$1``, ``$2``, ...

    Raises:
        InputError: If a region is not of that form, lies outside its image, or they are of more than one image.
    """
    listed = list(given or ())
    if len(listed) > MAX_POINTED:
        raise InputError(f"{len(listed)} regions are pointed at, {MAX_POINTED} are allowed: point at fewer")
    pointed = [_checked(entry, sizes) for entry in listed]
    if len({entry["image"] for entry in pointed}) > 1:
        raise InputError("the regions pointed at are on several images: point at one image in a request")
    return pointed


def _checked(entry: Any, sizes: Sequence[tuple[int, int]]) -> Pointed:
    form = 'a region pointed at is given as {"image": 1, "box": [x1, y1, x2, y2]}'
    try:
        number, box = int(entry.get("image", 1)), [round(float(edge)) for edge in entry["box"]]
        label = clean_string(str(entry.get("label", "")))[:40]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise InputError(form) from None
    if len(box) != 4:
        raise InputError(form)
    if not 1 <= number <= len(sizes):
        raise InputError(f"there is no image ${number} to point at: there are {len(sizes)} in this conversation")
    width, height = sizes[number - 1]
    x1, y1, x2, y2 = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
    if x1 >= x2 or y1 >= y2:
        raise InputError(f"nothing of the box {box} lies in ${number}, which has {width}x{height} pixels")
    return Pointed(image=number, box=[x1, y1, x2, y2], label=label)
