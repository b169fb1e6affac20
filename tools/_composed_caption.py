"""A description put together from what detection, classification, faces and text reading find.

It stands in where no captioning model is here, and says so. Only what a second look confirms goes into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import a_, count_phrase, join
from visiongpt_agent.models.jobs import CAPTION
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._second_look import SEEN, best_overlap, detect_again
from visiongpt_agent.tools.base import Label, Models, ToolOutput
from visiongpt_agent.tools.classify_image import classify_image
from visiongpt_agent.tools.detect_faces import detect_faces
from visiongpt_agent.tools.detect_objects import detect_objects
from visiongpt_agent.tools.read_codes import read_codes
from visiongpt_agent.tools.read_text import clear_part, read_text
from visiongpt_agent.untrusted import quote

_SURE: Final = 0.6
"""Probability from which the kind of picture is told."""
_FAINT: Final = 0.4
"""The second look counts what has this share of the threshold as seen: nothing is left out for a hair."""
_LINES_TOLD: Final = 4


@dataclass(frozen=True)
class _Part:
    """A sentence of the description, what it is made from in words, and the models and doubts behind it."""

    said: str
    by: str
    models: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def compose_caption(image: Image.Image, models: Models) -> ToolOutput:
    """Describe a picture by what was found in it.

    Args:
        image: The picture, RGB.
        models: The detector, the classifier and the readers.

    Returns:
        The description; ``facts``: ``composed`` with its sentences, and ``counts``, the things in it by label.

    Raises:
        ToolError: If nothing is recognised.
    """
    parts = [part for make in _PARTS if (part := make(image, models)) is not None]
    if not parts:
        raise ToolError(f"the models here recognise nothing in this picture; for one that describes: {_remedy(models)}")
    said = [part.said for part in parts]
    by = join([part.by for part in parts])
    how = f"I put this together from {by}; for a model that describes: {_remedy(models)}."
    facts: dict[str, Any] = {"composed": said, "counts": {}}
    for part in parts:
        facts |= part.facts
    return ToolOutput(
        " ".join(said),
        " ".join([*said, how]),
        models=tuple(dict.fromkeys(name for part in parts for name in part.models)),
        uncertain=tuple(doubt for part in parts for doubt in part.doubts),
        facts=facts,
    )


def _remedy(models: Models) -> str:
    return models.remedy(CAPTION)


def confirmed(image: Image.Image, query: str, models: Models) -> tuple[Regions, ToolOutput]:
    """What detection finds and finds again in the mirrored picture, and the first look's output."""
    output = detect_objects(image, query, models=models)
    found = _regions(output)
    again = detect_again(image, lambda shown: _regions(detect_objects(shown, query, models=models, strictness=_FAINT)))
    kept = [
        i
        for i, label in enumerate(found.labels)
        if best_overlap(found.select([i]), again.select([j for j, o in enumerate(again.labels) if o == label]))[0]
        >= SEEN
    ]
    return found.select(kept), output


def _regions(output: ToolOutput) -> Regions:
    assert isinstance(output.value, Regions)
    return output.value


def _things(image: Image.Image, models: Models) -> _Part | None:
    found, output = confirmed(image, "", models)
    if not len(found):
        return None
    counts = dict(Counter(found.labels))
    return _Part(_shown(counts), "detection", output.models, output.uncertain, {"counts": counts})


def _shown(counts: Mapping[str, int]) -> str:
    return f"It shows {join([count_phrase(count, label) for label, count in counts.items()])}."


def _kind(image: Image.Image, models: Models) -> _Part | None:
    if not classify_image.usable(models):
        return None
    output = classify_image(image, models=models)
    review = classify_image.review({"image": image}, output, models)
    assert not isinstance(output.value, (str, Regions, Image.Image))
    best: Label = output.value[0]
    if best.score < _SURE or review.problems or review.doubts:
        return None
    return _Part(f"As a whole it looks most like {a_(best.name)}.", "classification", output.models)


def _faces(image: Image.Image, models: Models) -> _Part | None:
    if not detect_faces.usable(models):
        return None
    output = detect_faces(image, models=models)
    review = detect_faces.review({"image": image}, output, models)
    count = int(output.facts["count"])
    if not count or review.problems:
        return None
    return _Part(f"I see {count_phrase(count, 'face')}.", "face detection", output.models, review.doubts)


def _writing(image: Image.Image, models: Models) -> _Part | None:
    if not read_text.usable(models):
        return None
    output = clear_part(read_text(image, models=models))
    lines = str(output.value).splitlines()
    if not lines or read_text.review({"image": image}, output, models).problems:
        return None
    told = ", ".join(quote(line) for line in lines[:_LINES_TOLD]) + (" and more" if len(lines) > _LINES_TOLD else "")
    return _Part(f"Written in it is {told}.", "text reading", output.models)


def _codes(image: Image.Image, models: Models) -> _Part | None:
    if not read_codes.usable(models):
        return None
    output = read_codes(image, models=models)
    if not output.value or read_codes.review({"image": image}, output, models).problems:
        return None
    return _Part(output.summary, "code reading", output.models)


_PARTS: Final[tuple[Callable[[Image.Image, Models], _Part | None], ...]] = (_things, _kind, _faces, _writing, _codes)


def faults_of_caption(image: Image.Image, output: ToolOutput, models: Models) -> Iterator[str]:
    """What is wrong with a composed description: it says what was found, and that is found once more."""
    facts = output.facts
    if str(output.value) != " ".join(facts["composed"]) or not output.summary.startswith(str(output.value)):
        yield "the description is not what was composed"
        return
    if facts["counts"] and _shown(facts["counts"]) != facts["composed"][0]:
        yield "the description does not tell the things that were found"
    seen = Counter(_regions(detect_objects(image, models=models)).labels) if facts["counts"] else Counter()
    if any(seen[label] < count for label, count in facts["counts"].items()):
        yield "looked at once more, not all things of the description are there"
