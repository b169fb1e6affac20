"""Find, locate and count named things."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from visiongpt_agent.language import sentences
from visiongpt_agent.language.english import (
    a_,
    count_phrase,
    join,
    number_word,
    place_of,
    plural,
    read_counts,
    read_places,
)
from visiongpt_agent.language.vocabulary import COCO, Fit, Noun, describe_fit, is_stuff, read_query, understand
from visiongpt_agent.models.jobs import (
    CLASSIFICATION,
    DETECTION_CLOSED,
    DETECTION_OPEN_VOCABULARY,
    OCR,
    SEGMENTATION_SEMANTIC,
    Classifier,
    ClosedDetector,
    OpenVocabularyDetector,
    SemanticSegmenter,
)
from visiongpt_agent.pictures.cutting import padded
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._closer_looks import (
    detect_in,
    each_once,
    look_closely,
    quarters,
    seen_closely,
    smallest_seen,
    tiles,
)
from visiongpt_agent.tools._picking import by_colour, by_place
from visiongpt_agent.tools._second_look import (
    CONFIRMED,
    SEEN,
    best_overlap,
    detect_again,
    mask_overlap,
    misplaced,
    segment_again,
)
from visiongpt_agent.tools._specialists import find_by_specialist, specialist
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool

_HINT: Final = 0.75
"""Things with a score of at least this share of the threshold are told as possible, but not counted."""
_SURE: Final = 0.5
_PLACES_TOLD: Final = 3
_CROWD: Final = 10
_LEAST_STUFF: Final = 0.005
"""Share of the picture that stuff takes up at least; less is a stray speck of the network's."""
_SAME_BOX: Final = 0.9
_FAINT: Final = 0.4
"""The second look counts what has this share of the threshold as seen: nothing near it is refused for a hair."""
_CLEARLY_STUFF: Final = 0.1
"""Share of the picture that stuff has in the second look where it should have been found in the first."""
_IN_TILES: Final = 1.1
"""What many tiles show must pass so many times the threshold: each is one more chance to be wrong."""
_GLIMPSE, _LIKELY = 0.35, 0.55
"""Shares of the threshold from which what was not found is looked at by itself, and is then told if it is likely."""
_SEARCHING: Final = 0.8
"""Strictness from which what was not found is searched for."""
_CANDIDATES, _LIKELIEST, _LEAST_SIDE, _AROUND = 4, 5, 240, 0.1
_SURROUNDINGS: Final = 0.25
_ONE_THING: Final = 0.5
"""IoU from which two boxes of classes that one word may mean are one thing."""
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
    vase on the left``). Without a query everything that the detector knows is found. Stuff (sky, grass) is found with
    its outline where a segmentation model for words is here: a box would hold much else. Codes, written text and faces
    are found by the models that read or detect them.

    Args:
        image: The picture.
        query: What to look for; ``""`` for everything.
        models: Gives the detector: one that looks for any words, else one for a fixed list of classes; and the
            segmenter for stuff.
        strictness: What the detector's own threshold is multiplied by.

    Returns:
        Regions labelled with the nouns in the singular; where a detector of fixed classes cannot tell the kind asked
        for (puppy), with its class (dog). All of a stuff is one region, and has a mask.
        ``facts``: ``counts`` and ``places`` by label, the ``threshold`` that all scores passed, ``unsupported``: nouns
        that the detector cannot look for; and, where there is stuff, ``stuff``: its labels.
    """
    picture = image.convert("RGB")
    nouns = [understand(noun) for noun in read_query(query)]
    stuff, threshold = _look_for_stuff(picture, nouns, models, strictness)
    special = _look_by_specialists(picture, nouns, models)
    things = [noun for noun in nouns if noun not in stuff and noun not in special]
    by_words = models.has(DETECTION_OPEN_VOCABULARY) and (bool(nouns) or not models.has(DETECTION_CLOSED))
    found, used = [*stuff.values(), *special.values()], [models.name(SEGMENTATION_SEMANTIC)] if stuff else []
    used += dict.fromkeys(models.name(specialist(noun, models)) for noun in special)
    threshold = min([threshold, *(float(s) for one in special.values() for s in one.regions.confidence)])
    if things or not nouns:
        look = _look_for_words if by_words else _look_for_classes
        boxed, limit = look(picture, things or (_everything(COCO) if by_words else []), models, strictness)
        found, threshold = [*found, *boxed], min(threshold, limit)
        used.append(models.name(DETECTION_OPEN_VOCABULARY if by_words else DETECTION_CLOSED))
    found = sorted(found, key=lambda one: nouns.index(one.noun)) if nouns else [o for o in found if len(o.regions)]
    regions = _each_once(found, picture.size)
    counts = Counter(regions.labels)
    unknown = [
        one.noun.asked
        for one in found
        if not (by_words or one.noun.classes or one.noun in stuff or one.noun in special)
    ]
    places = _places(regions)
    spread = [label for noun in stuff for label in stuff[noun].regions.labels]
    told = _counted(counts, places, spread)
    return ToolOutput(
        value=regions,
        summary=" ".join(told + _absences(found, unknown, models)),
        models=tuple(used),
        missing=tuple(one.noun.asked for one in found if not len(one.regions)),
        uncertain=tuple(dict.fromkeys([*_doubts(found), *_too_small(found, unknown)])),
        facts={"counts": dict(counts), "places": places, "threshold": round(threshold, 4), "unsupported": unknown}
        | ({"stuff": spread} if spread else {}),
    )


# ----------------------------------------------------------------------------------------------------------- looking


@dataclass(frozen=True)
class _Detections:
    """A noun of the query, the regions that are it, the less sure ones, and what speaks against it.

    ``glimpse`` is the score of the likeliest thing that was looked at closely and not taken for it; 0 for none.
    """

    noun: Noun
    regions: Regions
    hints: Regions
    doubts: tuple[str, ...] = ()
    glimpse: float = 0.0


def _everything(names: Sequence[str]) -> list[Noun]:
    return [Noun(name, name, name, classes=(name,), fit=Fit.SAME) for name in names]


def _look_for_stuff(
    picture: Image.Image, nouns: Sequence[Noun], models: Models, strictness: float
) -> tuple[dict[Noun, _Detections], float]:
    """The nouns that are stuff and that the segmenter here can look for, each with what was found of it."""
    wanted = [noun for noun in nouns if is_stuff(noun.name)]
    if not wanted or not models.has(SEGMENTATION_SEMANTIC):
        return {}, 1.0
    with models.use(SEGMENTATION_SEMANTIC, SemanticSegmenter) as segmenter:
        threshold = min(strictness * segmenter.threshold, 1.0)
        words = {noun: word for noun in wanted if (word := _word_for(noun, segmenter))}
        if not words:
            return {}, 1.0
        seen = segmenter.segment(picture, list(dict.fromkeys(words.values())), threshold=threshold)
    seen = seen.select(seen.areas >= _LEAST_STUFF * picture.width * picture.height)
    return {noun: _spread(noun, word, seen) for noun, word in words.items()}, threshold


def _look_by_specialists(picture: Image.Image, nouns: Sequence[Noun], models: Models) -> dict[Noun, _Detections]:
    """The nouns that another job's model knows (codes, text, faces), each with what that found."""
    found = dict[Noun, _Detections]()
    for noun in nouns:
        if specialist(noun, models):
            own = find_by_specialist(noun, picture, models)
            chosen, doubts = by_place(noun, own)
            if noun.phrase != noun.name and len(chosen):
                doubts = (*doubts, f"I do not tell {noun.phrase} from other {plural(noun.name)}.")
            found[noun] = _Detections(noun, chosen, own.select([]), doubts)
    return found


def _word_for(noun: Noun, segmenter: SemanticSegmenter) -> str:
    """The words by which a segmenter looks for a noun: with what is said of it, else without; ``""`` for none."""
    return next((word for word in (noun.phrase, noun.name) if segmenter.knows(word)), "")


def _spread(noun: Noun, word: str, seen: Regions) -> _Detections:
    chosen, doubts = by_place(replace(noun, many=False), _of(seen, [word]))
    told = [f"I took all {plural(noun.name)} together as one region."] if noun.many and len(chosen) else []
    if noun.attribute and word == noun.name and len(chosen):
        told.append(f"The model here does not tell {noun.phrase} from other {noun.name}.")
    return _Detections(noun, chosen, seen.select([]), (*told, *doubts))


def _look_for_words(
    picture: Image.Image, nouns: Sequence[Noun], models: Models, strictness: float
) -> tuple[list[_Detections], float]:
    with models.use(DETECTION_OPEN_VOCABULARY, OpenVocabularyDetector) as detector:
        threshold = min(strictness * detector.threshold, 1.0)
        seen = detector.detect(picture, [noun.phrase for noun in nouns], threshold=_HINT * threshold)
    found = []
    for noun in nouns:
        own = _of(seen, [noun.phrase])
        chosen, doubts = by_place(noun, own.select(own.confidence >= threshold))
        found.append(_Detections(noun, chosen, own.select(own.confidence < threshold), doubts))
    return found, threshold


def _look_for_classes(
    picture: Image.Image, nouns: Sequence[Noun], models: Models, strictness: float
) -> tuple[list[_Detections], float]:
    with models.use(DETECTION_CLOSED, ClosedDetector) as detector:
        threshold = min(strictness * detector.threshold, 1.0)
        seen = _seen_at_all_scales(picture, detector, threshold)
        wanted = nouns or _everything(list(dict.fromkeys(seen.labels)))
        found = [_match(noun, seen, threshold, picture) for noun in wanted]
        lost = [one.noun for one in found if one.noun.classes and not len(one.regions)] if nouns else []
        names = {name for noun in lost for name in noun.classes} if strictness >= _SEARCHING else set()
        glimpses = _glimpses(names, picture, detector, threshold) if names else Regions(picture.size)
        closer = _seen_from_near(glimpses, picture, detector, threshold)
    closer = _kept_by_classifier(closer, threshold, picture, models)
    found = [one if len(one.regions) else _after_search(one, closer, glimpses, picture) for one in found]
    return found, min([threshold, *closer.confidence.tolist()])


def _seen_at_all_scales(picture: Image.Image, detector: ClosedDetector, threshold: float) -> Regions:
    """All that a detector sees, hints too: in the whole picture, in its tiles if it is large, each thing closely."""
    seen = detector.detect(picture, threshold=_HINT * threshold)
    if frames := tiles(picture.size):
        in_tiles = detect_in(picture, frames, lambda view: detector.detect(view, threshold=_IN_TILES * threshold))
        seen = each_once(seen.merge(in_tiles))
    return look_closely(picture, seen, lambda view: detector.detect(view, threshold=_FAINT * threshold))


def _glimpses(names: Collection[str], picture: Image.Image, detector: ClosedDetector, threshold: float) -> Regions:
    """What could be one of the classes that were not found, in the picture and, if it is small, in its quarters."""

    def faint(view: Image.Image) -> Regions:
        return _of(detector.detect(view, threshold=_GLIMPSE * threshold), list(names))

    frames = quarters(picture.size) if min(picture.size) >= _LEAST_SIDE and not tiles(picture.size) else []
    return each_once(faint(picture).merge(detect_in(picture, frames, faint)))


def _seen_from_near(glimpses: Regions, picture: Image.Image, detector: ClosedDetector, threshold: float) -> Regions:
    """The likeliest of the glimpses, as far as a look at each by itself sees it again."""

    def faint(view: Image.Image) -> Regions:
        return detector.detect(view, threshold=_GLIMPSE * threshold)

    found = Regions(picture.size)
    for i in range(min(len(glimpses), _CANDIDATES)):
        label = glimpses.labels[i]
        box, score = seen_closely(picture, glimpses.boxes[i], label, faint, threshold)
        if score >= _LIKELY * threshold:
            found = found.merge(Regions(picture.size, box[None], (label,), np.array([score])))
    return each_once(found)


def _after_search(one: _Detections, closer: Regions, glimpses: Regions, picture: Image.Image) -> _Detections:
    """What a noun that was not found is after the search for it."""
    if set(one.noun.classes) & set(closer.labels):
        return _match(one.noun, closer, 0.0, picture)
    return replace(one, glimpse=float(_of(glimpses, one.noun.classes).confidence.max(initial=0)))


def _kept_by_classifier(found: Regions, threshold: float, picture: Image.Image, models: Models) -> Regions:
    """What is sure by itself, and what a classifier that sees it alone takes for the same."""
    sure = found.confidence >= threshold
    if sure.all() or not models.has(CLASSIFICATION):
        return found.select(sure)
    with models.use(CLASSIFICATION, Classifier) as classifier:
        for i in np.flatnonzero(~sure):
            shares = classifier.classify(picture.crop(padded(found.boxes[i], found.size, _AROUND)))
            likely = [classifier.classes[k] for k in np.argsort(-shares)[:_LIKELIEST]]
            sure[i] = any(found.labels[i] in understand(noun).classes for name in likely for noun in read_query(name))
    return found.select(sure)


def _match(noun: Noun, seen: Regions, threshold: float, picture: Image.Image) -> _Detections:
    own = _of(seen, noun.classes)
    if noun.fit is Fit.SAME and len(noun.classes) > 1:
        own = _surest_class(own)
    likely, judged = by_colour(noun, own.select(own.confidence >= threshold), picture)
    chosen, place_doubts = by_place(noun, likely)
    labels = tuple(noun.phrase if judged else noun.label(label) for label in chosen.labels)
    doubts = describe_fit(noun, judged) if len(chosen) or noun.fit is Fit.NARROWER else []
    return _Detections(
        noun,
        Regions(chosen.size, chosen.boxes, labels, chosen.confidence),
        own.select(own.confidence < threshold),
        (*doubts, *place_doubts),
    )


def _surest_class(seen: Regions) -> Regions:
    """Of the classes that a word may mean alike, the surest one's regions, and others' that are sure and elsewhere.

    A clear motorcycle is the bike; a bicycle of 26 % in the dark behind it is not one more.
    """
    if not len(seen):
        return seen
    surest = seen.labels[int(seen.confidence.argmax())]
    is_surest = np.array([label == surest for label in seen.labels], np.bool_)
    elsewhere = best_overlap(seen, seen.select(is_surest)) < _ONE_THING
    return seen.select(is_surest | (elsewhere & (seen.confidence >= _SURE)))


def _of(regions: Regions, labels: Sequence[str]) -> Regions:
    return regions.select(np.array([label in labels for label in regions.labels], np.bool_))


def _each_once(found: Sequence[_Detections], size: tuple[int, int]) -> Regions:
    """All regions, a thing that several nouns mean only once, under the noun that says most of it.

    "Men and women" are all people to a detector of classes; "cat, animal" is one cat.
    """
    kept: list[Regions] = [one.regions for one in found]
    for k in sorted(range(len(found)), key=lambda k: (_PRECISION.index(found[k].noun.fit), k)):
        others = Regions(size)
        for j in range(len(found)):
            is_told_before = (_PRECISION.index(found[j].noun.fit), j) < (_PRECISION.index(found[k].noun.fit), k)
            if is_told_before and _mean_the_same(found[j].noun, found[k].noun):
                others = others.merge(kept[j])
        if len(others) and len(kept[k]):
            kept[k] = kept[k].select(np.flatnonzero(kept[k].iou(others).max(axis=1) <= _SAME_BOX))
    regions = Regions(size)
    for one in kept:
        regions = regions.merge(one)
    return regions


_PRECISION: Final = (Fit.SAME, Fit.WIDER, Fit.NARROWER, Fit.NONE)


def _mean_the_same(one: Noun, other: Noun) -> bool:
    """Whether a class may stand for both nouns."""
    return bool(set(one.classes) & set(other.classes))


# ------------------------------------------------------------------------------------------------ telling the result


def _counted(counts: Mapping[str, int], places: Mapping[str, Sequence[str]], stuff: Collection[str] = ()) -> list[str]:
    """What was found, in words: things with their number, stuff, which has none, with its place."""
    told = [f"The {label} is {_where(places[label])}." for label in counts if label in stuff]
    things = {label: count for label, count in counts.items() if label not in stuff}
    if not things:
        return told
    verb = "is" if next(iter(things.values())) == 1 else "are"
    where = ""
    if len(things) == 1 and sum(things.values()) <= _PLACES_TOLD:
        where = f", {_where(places[next(iter(things))])}"
    listed = join([count_phrase(count, label) for label, count in things.items()])
    return [f"There {verb} {listed}{where}.", *told]


def _where(places: Sequence[str]) -> str:
    if len(places) == 1:
        return f"{places[0]} of the picture"
    if len(set(places)) == 1:
        return f"all {places[0]} of the picture" if len(places) > 2 else f"both {places[0]} of the picture"
    tally = Counter(places)
    return join([f"{number_word(count)} {place}" for place, count in tally.items()]) + " of the picture"


def _absences(found: Sequence[_Detections], unknown: Collection[str], models: Models) -> list[str]:
    """What was not found; for what cannot be looked for, the way to a model that can."""
    absent = [one.noun for one in found if not len(one.regions)]
    said: list[str] = []
    searched = [noun for noun in absent if noun.asked not in unknown]
    if searched:
        said.append(f"I found {join([f'no {noun.asked}' for noun in searched])}.")
    lost = [noun for noun in absent if noun.asked in unknown]
    if lost:
        remedies = {remedy: words for job, words in _others_for(lost).items() if (remedy := models.remedy(job))}
        said += sentences.cannot_look_for([noun.asked for noun in lost], len(COCO), remedies)
    return said if found else ["I found nothing that the detector here knows."]


def _others_for(nouns: Sequence[Noun]) -> dict[str, list[str]]:
    """By the job whose models look for any words, the nouns that those are for."""
    jobs: dict[str, list[str]] = {}
    for noun in nouns:
        job = SEGMENTATION_SEMANTIC if is_stuff(noun.name) else DETECTION_OPEN_VOCABULARY
        jobs.setdefault(job, []).append(noun.asked)
    return jobs


def _doubts(found: Sequence[_Detections]) -> Iterator[str]:
    for one in found:
        yield from one.doubts
        count, label = len(one.regions), next(iter(one.regions.labels), one.noun.name)
        if count and one.regions.confidence.max() < _SURE:
            which = f"the {label}" if count == 1 else f"the {plural(label)}"
            yield f"I am not sure of {which} ({one.regions.confidence.max():.0%})."
        if not count and len(one.hints):
            yield f"There may be {a_(one.noun.name)}, but I am too unsure of it ({one.hints.confidence.max():.0%})."
        elif not count and one.glimpse:
            yield f"I may have missed {a_(one.noun.name)}: something looks a little like one ({one.glimpse:.0%})."
        if count >= _CROWD:
            yield f"Of so many {plural(label)} small or hidden ones may have been missed."


def _too_small(found: Sequence[_Detections], unknown: Collection[str]) -> Iterator[str]:
    """What may have been missed in a large picture because it is small there."""
    absent = [one for one in found if not len(one.regions) and one.noun.asked not in unknown]
    if absent and tiles(absent[0].regions.size):
        least = smallest_seen(absent[0].regions.size)
        names = join([a_(one.noun.name) for one in absent], "or")
        yield f"In so large a picture I may have missed {names} of less than about {least} pixels."


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
    elif not _fits(output.summary, counts, output.facts["places"], output.facts.get("stuff", ())):
        yield "the sentence about what was found does not fit it"


@detect_objects.check
def a_second_look_agrees(image: Image.Image, query: str, output: ToolOutput, models: Models) -> Iterator[str]:
    """Every box is seen in the mirrored picture too, and nothing else is clearly seen there."""
    found, spread = _regions(output), output.facts.get("stuff", ())
    found = found.select([i for i, label in enumerate(found.labels) if label not in spread])
    asked = [understand(noun) for noun in read_query(query)]
    special = {noun.name for noun in asked if specialist(noun, models)}
    found = found.select([i for i, label in enumerate(found.labels) if label not in special])
    nouns = [noun for noun in asked if noun.name not in special and not _is_for_segmenter(noun, models)]
    if asked and not nouns:
        return
    picture = image.convert("RGB")
    seen, threshold = _look_again(picture, nouns, models)
    for label in dict.fromkeys(found.labels):
        names, own = _names_for(label, nouns), _of(found, [label])
        overlap = best_overlap(own, _of(seen, names))
        unseen = [int(i) for i in np.flatnonzero(overlap < SEEN)]
        overlap[unseen] = [_seen_by_itself(picture, own.boxes[i], names, nouns, models) for i in unseen]
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


@detect_objects.check
def specialists_find_the_same_again(
    image: Image.Image, query: str, output: ToolOutput, models: Models
) -> Iterator[str]:
    """Codes, text and faces are found at the same places with a margin round the picture."""
    found, picture = _regions(output), image.convert("RGB")
    for noun in map(understand, read_query(query)):
        if not specialist(noun, models):
            continue
        own = _of(found, [noun.name])
        again = detect_again(picture, partial(_find_mirrored, noun, models))
        if (best_overlap(own, again) < SEEN).any():
            yield f"a second look does not see {a_(noun.name)} where one was found"
        elif len(again) > len(own) and not (noun.place or noun.attribute) and specialist(noun, models) != OCR:
            yield Doubt(f"A second look sees {count_phrase(len(again) - len(own), noun.name)} more.")


def _find_mirrored(noun: Noun, models: Models, view: Image.Image) -> Regions:
    """What a specialist finds in a mirrored view: letters and bars are no longer those in a mirror."""
    seen = find_by_specialist(noun, ImageOps.mirror(view), models)
    boxes = seen.boxes.copy()
    boxes[:, [0, 2]] = view.width - boxes[:, [2, 0]]
    return Regions(view.size, boxes, seen.labels, seen.confidence)


@detect_objects.check
def outlines_fit(image: Image.Image, output: ToolOutput) -> Iterator[str]:
    """Stuff has an outline; each outline is as large as its box, and follows the edges of the picture."""
    regions, spread = _regions(output), output.facts.get("stuff", ())
    regions = regions.select(regions.outlined | np.array([label in spread for label in regions.labels], np.bool_))
    if regions.masks is None or not len(regions):
        return
    outlined = Regions.from_masks(regions.masks, regions.labels)
    if len(outlined) < len(regions) or np.abs(outlined.boxes - regions.boxes).max() > 1:
        yield "a box is not that of its outline"
        return
    for mask, label in zip(regions.masks, regions.labels, strict=True):
        if not mask.all() and misplaced(image, mask):
            yield Doubt(f"The outline of the {label} does not follow the edges in the picture.")


@detect_objects.check
def stuff_is_seen_again(image: Image.Image, query: str, output: ToolOutput, models: Models) -> Iterator[str]:
    """Stuff lies at the same place in the mirrored picture, and none is clearly seen there that was not found."""
    nouns = [noun for noun in map(understand, read_query(query)) if _is_for_segmenter(noun, models)]
    if not nouns:
        return
    found, picture = _regions(output), image.convert("RGB")
    with models.use(SEGMENTATION_SEMANTIC, SemanticSegmenter) as segmenter:
        words, limit = {noun: _word_for(noun, segmenter) for noun in nouns}, segmenter.threshold
        names = list(dict.fromkeys(words.values()))
        seen = segment_again(picture, lambda view: segmenter.segment(view, names, threshold=limit))
    for noun, word in words.items():
        own, again = _of(found, _names(noun)), _of(seen, [word])
        if not len(own):
            if len(again) and again.areas[0] >= _CLEARLY_STUFF * picture.width * picture.height:
                yield f"a second look sees {noun.name} where none was found"
        elif (overlap := mask_overlap(own, again)) < SEEN:
            yield f"a second look does not see {noun.name} where it was found"
        elif overlap < CONFIRMED:
            yield Doubt(f"A second look puts the {noun.name} elsewhere.")


def _is_for_segmenter(noun: Noun, models: Models) -> bool:
    """Whether a noun is looked for by its pixels here, not by boxes."""
    if not is_stuff(noun.name) or not models.has(SEGMENTATION_SEMANTIC):
        return False
    with models.use(SEGMENTATION_SEMANTIC, SemanticSegmenter) as segmenter:
        return bool(_word_for(noun, segmenter))


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


def _seen_by_itself(
    picture: Image.Image, box: FloatArray, names: Sequence[str], nouns: Sequence[Noun], models: Models
) -> float:
    """IoU of a box with what the second look sees under one of the names in its surroundings alone."""
    frame = padded(box, picture.size, _SURROUNDINGS)
    seen, _ = _look_again(picture.crop(frame), nouns, models)
    inner = Regions.clipped(seen.size, (box - np.array([frame[0], frame[1]] * 2))[None], ("",), [1.0])
    return float(best_overlap(inner, _of(seen, names)).max(initial=0))


def _names(noun: Noun) -> tuple[str, ...]:
    return (noun.name, noun.phrase, *noun.classes)


def _names_for(label: str, nouns: Sequence[Noun]) -> list[str]:
    """The labels under which a second look may have what was found as ``label``."""
    return [label, *(name for noun in nouns if label in _names(noun) for name in _names(noun))]


def _fits(summary: str, counts: Mapping[str, int], places: Mapping[str, Sequence[str]], stuff: Collection[str]) -> bool:
    """Whether the numbers and places that are read back from a summary are those of what was found."""
    things = {label: count for label, count in counts.items() if label not in stuff}
    if read_counts(summary, things) != things:
        return False
    counted = re.match(r"There .*? of the picture\.", summary)
    if counted and len(things) != 1:
        return False
    if counted and set(read_places(counted[0])) != set(places[next(iter(things))]):
        return False
    said = {label: re.search(rf"The {re.escape(label)} is .*? of the picture\.", summary) for label in stuff}
    return all(one and set(read_places(one[0])) == set(places[label]) for label, one in said.items())


def _places(regions: Regions) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {label: [] for label in regions.labels}
    for i, label in enumerate(regions.labels):
        mask = None if regions.masks is None else regions.masks[i]
        place = regions.boxes[i] if mask is None or not mask.any() else _middle(mask)
        places[label].append(place_of(place, regions.size))
    return places


def _middle(mask: BoolArray) -> tuple[float, float, float, float]:
    """The centre of gravity of a mask, as an empty box: of a hillside it is far from that of the box round it."""
    rows, columns = np.nonzero(mask)
    x, y = float(columns.mean()) + 0.5, float(rows.mean()) + 0.5
    return x, y, x, y


def _regions(output: ToolOutput) -> Regions:
    assert isinstance(output.value, Regions)
    return output.value
