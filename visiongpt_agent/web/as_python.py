"""A conversation of the page as Python: code that runs and does the same again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from visiongpt_agent.request import Pointed
from visiongpt_agent.samples import sample_photo
from visiongpt_agent.web.conversations import Turn


def as_python(turns: Sequence[Turn]) -> str:
    """Code for these requests, the last one's result in ``result``.

    Pictures are named as the person's files were; the code is to be run where they are. Sample photos of the package
    are found by themselves.
    """
    titles = [title for turn in turns for title in turn.added]
    imports = "VisionGPT, sample_photo" if any(map(_sample, titles)) else "VisionGPT"
    calls = [_call(turn, follows=len(turns) > 1) for turn in turns]
    return "\n".join(
        [
            f"from visiongpt_agent import {imports}",
            "",
            "agent = VisionGPT()",
            *calls,
            "print(result.answer)",
            'result.save("pictures")',
            "",
        ]
    )


def _call(turn: Turn, *, follows: bool) -> str:
    images = [_picture(title) for title in turn.added]
    if not turn.pointed:
        thread = ['thread_id="page"'] if follows else []
        return f"result = agent.run({', '.join([repr(turn.request), *images, *thread])})"
    asked = f'"request": {turn.request!r}, "images": [{", ".join(images)}], "pointed": {_plain(turn.pointed)!r}'
    config = ', {"configurable": {"thread_id": "page"}}' if follows else ""
    return f"result = agent.invoke({{{asked}}}{config})"


def _picture(title: str) -> str:
    name = _sample(title)
    return f"sample_photo({name!r})" if name else repr(title)


def _sample(title: str) -> str:
    """The name of the package's photo that a picture of this title is, or ``""``."""
    path = PurePath(title)
    return path.stem if path.stem in SAMPLES and path.suffix == ".jpg" else ""


def _plain(pointed: Sequence[Pointed]) -> list[Mapping[str, object]]:
    return [{key: value for key, value in entry.items() if value != ""} for entry in pointed]


SAMPLES = tuple(sorted(path.stem for path in sample_photo("coffee").parent.glob("*.jpg")))
"""The names of the photos that come with the package."""
