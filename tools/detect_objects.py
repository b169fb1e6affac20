"""Find, locate and count named things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.english import a_, count_phrase, join, place_of, plural
from visiongpt_agent.models.jobs import (
    DETECTION_CLOSED,
    DETECTION_OPEN_VOCABULARY,
    ClosedDetector,
    OpenVocabularyDetector,
)
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._picking import by_colour, by_place
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool
from visiongpt_agent.tools.second_look import CONFIRMED, SEEN, best_overlap, detect_again
from visiongpt_agent.vocabulary import COCO, Fit, Noun, describe_fit, read_query, understand

_HINT: Final = 0.75
"""Things with a score of at least this share of the threshold are told as possible, but not counted."""
_SURE: Final = 0.5
_PLACES_TOLD: Final = 3
_CROWD: Final = 10
_SAME_BOX: Final = 0.9
_FAINT: Final = 0.4
"""The second look counts what has this share of the threshold as seen: nothing near it is refused for a hair."""
_CLEAR: Final = 1.4
"""What has so many times the threshold in the second look should have been found in the first."""


@vision_tool(
    "find, locate or count named objects",
    returns=Kind.REGIONS,
    needs=((DETECTION_OPEN_VOCABULARY, DETECTION_CLOSED),),
)
def detect_objects(image: Image.Image, query: str = "", *, models: Models, strictness: float = 1.0) -> ToolOutput:
    """Find things in a picture, count them, and say where they are.

    The query names them: one noun, or several with commas between, attributes and places included (``dog, red car,
    vase on the left``). Without a query everything that the detector knows is found.

    Args:
        image: The picture.
        query: What to look for; ``""`` for everything.
        models: Gives the detector: one that looks for any words, else one for a fixed list of classes.
        strictness: What the detector's own threshold is multiplied by.

    Returns:
        Regions labelled with the nouns in the singular; where a detector of fixed classes cannot tell the kind asked
        for (puppy), with its class (dog). ``facts``: ``counts`` and ``places`` by label, the ``threshold`` that
        all scores passed, and ``unsupported``: nouns that the detector cannot look for.
    """
    picture = image.convert("RGB")
    nouns = [understand(noun) for noun in read_query(query)]
    by_words = models.has(DETECTION_OPEN_VOCABULARY) and (bool(nouns) or not models.has(DETECTION_CLOSED))
    if by_words:
        found, threshold = _look_for_words(picture, nouns or _everything(COCO), models, strictness)
    else:
        found, threshold = _look_for_classes(picture, nouns, models, strictness)
    if not nouns:
        found = [one for one in found if len(one.regions)]
    regions = Regions(picture.size)
    for one in found:
        regions = regions.merge(one.regions)
    counts = Counter(regions.labels)
    unknown = [one.noun.asked for one in found if not (by_words or one.noun.classes)]
    places = _places(regions)
    return ToolOutput(
        value=regions,
        summary=" ".join(_counted(counts, places) + _absences(found, by_words)),
        models=(models.name(DETECTION_OPEN_VOCABULARY if by_words else DETECTION_CLOSED),),
        missing=tuple(one.noun.asked for one in found if not len(one.regions)),
        uncertain=tuple(dict.fromkeys(_doubts(found))),
        facts={"counts": dict(counts), "places": places, "threshold": round(threshold, 4), "unsupported": unknown},
    )


# ----------------------------------------------------------------------------------------------------------- looking


@dataclass(frozen=True)
class _Found:
    """A noun of the query, the regions that are it, the less sure ones, and what speaks against it."""

    noun: Noun
    regions: Regions
    hints: Regions
    doubts: tuple[str, ...] = ()


def _everything(names: Sequence[str]) -> list[Noun]:
    return [Noun(name, name, name, classes=(name,), fit=Fit.SAME) for name in names]


def _look_for_words(
    picture: Image.Image, nouns: Sequence[Noun], models: Models, strictness: float
) -> tuple[list[_Found], float]:
    with models.use(DETECTION_OPEN_VOCABULARY, OpenVocabularyDetector) as detector:
        threshold = min(strictness * detector.threshold, 1.0)
        seen = detector.detect(picture, [noun.phrase for noun in nouns], threshold=_HINT * threshold)
    found = []
    for noun in nouns:
        own = _of(seen, [noun.phrase])
        chosen, doubts = by_place(noun, own.select(own.confidence >= threshold))
        found.append(_Found(noun, chosen, own.select(own.confidence < threshold), doubts))
    return found, threshold


def _look_for_classes(
    picture: Image.Image, nouns: Sequence[Noun], models: Models, strictness: float
) -> tuple[list[_Found], float]:
    with models.use(DETECTION_CLOSED, ClosedDetector) as detector:
        threshold = min(strictness * detector.threshold, 1.0)
        seen = detector.detect(picture, threshold=_HINT * threshold)
    nouns = nouns or _everything(list(dict.fromkeys(seen.labels)))
    return [_match(noun, seen, threshold, picture) for noun in nouns], threshold


def _match(noun: Noun, seen: Regions, threshold: float, picture: Image.Image) -> _Found:
    own = _of(seen, noun.classes)
    likely, judged = by_colour(noun, own.select(own.confidence >= threshold), picture)
    chosen, place_doubts = by_place(noun, likely)
    labels = tuple(noun.phrase if judged else noun.label(label) for label in chosen.labels)
    told = describe_fit(noun, judged) if len(chosen) or noun.fit is Fit.NARROWER else []
    return _Found(
        noun,
        Regions(chosen.size, chosen.boxes, labels, chosen.confidence),
        own.select(own.confidence < threshold),
        (*told, *place_doubts),
    )


def _of(regions: Regions, labels: Sequence[str]) -> Regions:
    return regions.select(np.array([label in labels for label in regions.labels], np.bool_))


# ------------------------------------------------------------------------------------------------ telling the result


def _counted(counts: Mapping[str, int], places: Mapping[str, Sequence[str]]) -> list[str]:
    if not counts:
        return []
    things = [count_phrase(count, label) for label, count in counts.items()]
    verb = "is" if next(iter(counts.values())) == 1 else "are"
    where = ""
    if len(counts) == 1 and sum(counts.values()) <= _PLACES_TOLD:
        where = f", {_where(next(iter(places.values())))}"
    return [f"There {verb} {join(things)}{where}."]


def _where(places: Sequence[str]) -> str:
    if len(places) == 1:
        return f"{places[0]} of the picture"
    if len(set(places)) == 1:
        return f"all {places[0]} of the picture" if len(places) > 2 else f"both {places[0]} of the picture"
    tally = Counter(places)
    return join([f"{count_phrase(count, '').strip()} {place}" for place, count in tally.items()]) + " of the picture"


def _absences(found: Sequence[_Found], by_words: bool) -> list[str]:
    absent = [one.noun for one in found if not len(one.regions)]
    said: list[str] = []
    searched = [noun for noun in absent if by_words or noun.classes]
    if searched:
        said.append(f"I found {join([f'no {noun.asked}' for noun in searched])}.")
    unknown = [noun for noun in absent if noun not in searched]
    if unknown:
        names = join([f'"{noun.asked}"' for noun in unknown], "or")
        said.append(f"I cannot look for {names} with the detector here (it knows {len(COCO)} everyday things).")
    return said if found else ["I found nothing that the detector here knows."]


def _doubts(found: Sequence[_Found]) -> Iterator[str]:
    for one in found:
        yield from one.doubts
        count, label = len(one.regions), next(iter(one.regions.labels), one.noun.name)
        if count and one.regions.confidence.max() < _SURE:
            which = f"the {label}" if count == 1 else f"the {plural(label)}"
            yield f"I am not sure of {which} ({one.regions.confidence.max():.0%})."
        if not count and len(one.hints):
            yield f"There may be {a_(one.noun.name)}, but I am too unsure of it ({one.hints.confidence.max():.0%})."
        if count >= _CROWD:
            yield f"Of so many {plural(label)} small or hidden ones may have been missed."


detect_objects.otherwise(strictness=1.3)  # for what is there in one look and gone in the next
detect_objects.otherwise(strictness=0.8)  # for what only the second look sees


# --------------------------------------------------------------------------------------------------- postconditions


@detect_objects.check
def labels_come_from_the_query(query: str, output: ToolOutput) -> Iterator[str]:
    """Every label is a noun of the query, or the class that stands for it."""
    nouns = [understand(noun) for noun in read_query(query)]
    allowed = {name for noun in nouns for name in (noun.name, noun.phrase, *noun.classes)}
    if nouns:
        for label in sorted(set(_regions(output).labels) - allowed):
            yield f'"{label}" was found, which the query "{query}" does not name'


@detect_objects.check
def every_noun_is_answered(query: str, output: ToolOutput) -> Iterator[str]:
    """Every noun of the query was found or is told as missing."""
    found = set(_regions(output).labels)
    for noun in map(understand, read_query(query)):
        if noun.asked not in output.missing and not found & {noun.name, noun.phrase, *noun.classes}:
            yield f'"{noun.asked}" was neither found nor told as missing'


@detect_objects.check
def nothing_is_counted_twice(output: ToolOutput) -> Iterator[str]:
    """No two boxes of one label lie on each other."""
    regions = _regions(output)
    overlap = regions.iou(regions)
    for i, j in zip(*np.nonzero(np.triu(overlap > _SAME_BOX, 1)), strict=True):
        if regions.labels[i] == regions.labels[j]:
            yield f"{a_(regions.labels[i])} was counted twice"


@detect_objects.check
def scores_pass_the_threshold(output: ToolOutput) -> Iterator[str]:
    """No score is below the threshold that the output tells."""
    regions, threshold = _regions(output), float(output.facts["threshold"])
    for label in sorted(
        {label for label, s in zip(regions.labels, regions.confidence, strict=True) if s < threshold - 1e-4}
    ):
        yield f"{a_(label)} has a score below the threshold of {threshold:.2f}"


@detect_objects.check
def what_is_told_was_found(output: ToolOutput) -> Iterator[str]:
    """The counts and places that are told are those of the boxes."""
    regions = _regions(output)
    counts = Counter(regions.labels)
    if output.facts["counts"] != dict(counts) or output.facts["places"] != _places(regions):
        yield "the counts or places that are told are not those of what was found"
    elif _counted(counts, _places(regions)) != _counted_in(output.summary):
        yield "the sentence about what was found does not fit it"


@detect_objects.check
def a_second_look_agrees(image: Image.Image, query: str, output: ToolOutput, models: Models) -> Iterator[str]:
    """Every box is seen in the mirrored picture too, and nothing else is clearly seen there."""
    found = _regions(output)
    nouns = [understand(noun) for noun in read_query(query)]
    seen, threshold = _look_again(image.convert("RGB"), nouns, models)
    for label in dict.fromkeys(found.labels):
        same = _of(seen, _names_for(label, nouns))
        overlap = best_overlap(_of(found, [label]), same)
        if (overlap < SEEN).any():
            yield f"a second look does not see {a_(label)} where one was found"
        elif (overlap < CONFIRMED).any():
            yield Doubt(f"A second look puts {a_(label)} elsewhere.")
    for noun in nouns or _everything(list(dict.fromkeys(seen.labels))):
        if noun.place or noun.attribute:  # not all of them were wanted
            continue
        clear = _of(seen, _names(noun))
        clear = clear.select(clear.confidence >= _CLEAR * threshold)
        missed = int((best_overlap(clear, found) < SEEN).sum())
        if missed and not set(found.labels) & set(_names(noun)):
            yield f"a second look sees {count_phrase(missed, noun.name)} where none was found"
        elif missed:
            yield Doubt(f"A second look sees {count_phrase(missed, noun.name)} more.")


def _look_again(picture: Image.Image, nouns: Sequence[Noun], models: Models) -> tuple[Regions, float]:
    """What the same detector sees in the second look, faint things too, and its threshold."""
    if models.has(DETECTION_OPEN_VOCABULARY) and (nouns or not models.has(DETECTION_CLOSED)):
        words = [noun.phrase for noun in nouns] or list(COCO)
        with models.use(DETECTION_OPEN_VOCABULARY, OpenVocabularyDetector) as by_words:
            limit = by_words.threshold
            return detect_again(picture, lambda view: by_words.detect(view, words, threshold=_FAINT * limit)), limit
    with models.use(DETECTION_CLOSED, ClosedDetector) as detector:
        threshold = detector.threshold
        return detect_again(picture, lambda view: detector.detect(view, threshold=_FAINT * threshold)), threshold


def _names(noun: Noun) -> tuple[str, ...]:
    return (noun.name, noun.phrase, *noun.classes)


def _names_for(label: str, nouns: Sequence[Noun]) -> list[str]:
    """The labels under which a second look may have what was found as ``label``."""
    return [label, *(name for noun in nouns if label in _names(noun) for name in _names(noun))]


def _counted_in(summary: str) -> list[str]:
    """The sentence of a summary that tells what was found."""
    return [f"{sentence.rstrip('.')}." for sentence in summary.split(". ") if sentence.startswith("There ")]


def _places(regions: Regions) -> dict[str, list[str]]:
    return {
        label: [place_of(box, regions.size) for box in _of(regions, [label]).boxes]
        for label in dict.fromkeys(regions.labels)
    }


def _regions(output: ToolOutput) -> Regions:
    assert isinstance(output.value, Regions)
    return output.value
