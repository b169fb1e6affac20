"""Pixel masks of things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.language.english import a_, count_phrase
from visiongpt_agent.language.vocabulary import is_stuff
from visiongpt_agent.models.jobs import (
    SEGMENTATION_FOREGROUND,
    SEGMENTATION_PROMPTABLE,
    SEGMENTATION_SEMANTIC,
    ForegroundSegmenter,
    PromptableSegmenter,
    SemanticSegmenter,
)
from visiongpt_agent.pictures.cutting import (
    fit,
    outline_from_edges,
    outline_from_matte,
    padded,
    spread,
    without_others,
)
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._region_edits import named
from visiongpt_agent.tools._second_look import (
    CONFIRMED,
    SEEN,
    best_overlap,
    mask_overlap,
    misplaced,
    on_edges,
    segment_again,
)
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool
from visiongpt_agent.tools.detect_objects import detect_objects

_PADDING: Final = 0.3
_CROPS: Final = 4
"""So many of the largest regions get a crop of their own; each takes a foreground network some seconds."""
_LEAST_SHARE: Final = 0.1
_MOST_SHARE: Final = 1.2
_LEAST_FIT: Final = 0.7
_MOST_OUTSIDE: Final = 0.2
_PARTS: Final = 40
_SLACK: Final = 2.0
_ALL_OF_IT, _STRAIGHT = 0.995, 0.9
"""From what share of its box a mask is the whole of it; and of its outline on edges, if the thing itself is so."""
_SAME_PLACE: Final = 0.4
_LOOSE: Final = 0.6
_INSIDE_OUT, _HOLLOW = 0.4, 0.15
_PART: Final = "part"


@vision_tool("pixel masks of regions, or of everything", returns=Kind.REGIONS, needs=(SEGMENTATION_PROMPTABLE,))
def segment_objects(image: Image.Image, regions: Regions | None = None, *, models: Models) -> ToolOutput:
    """Find the exact outlines of regions, as pixel masks; without regions, those of everything in the picture.

    Everything is each object that the detector finds; where it finds none, the areas that the picture consists of.
    Stuff (sky, grass), of which a box says little, is outlined by its label where a segmentation model for words is
    here.

    Args:
        image: The picture.
        regions: Boxes in it; those that have masks already keep them.
        models: Gives the segmenters, and the detector where there are no regions.

    Returns:
        Regions with masks; labels and scores are those of the regions, boxes too, enlarged where the outline reaches
        out of them. Where no believable mask is found the whole box is taken, and that is told as uncertain.
        ``facts``: ``shares`` of the boxes that the masks fill; and, where stuff was outlined as such, ``stuff``: its
        labels.
    """
    picture = image.convert("RGB")
    things = _objects(picture, models) if regions is None else regions
    if regions is None and not len(things):
        return _parts(picture, models)
    if not len(things):
        return ToolOutput(things, "There is nothing to outline.", facts={"shares": []})
    if things.outlined.all():
        facts = {"shares": _shares(things), **_stuff_fact(things, _can_be_outlined_as_stuff(things, models))}
        return ToolOutput(things, f"I kept the outlines of {named(things)}.", facts=facts)
    return _outlined(picture, things, models)


def _objects(picture: Image.Image, models: Models) -> Regions:
    if not detect_objects.usable(models):
        return Regions(picture.size)
    found = detect_objects(picture, models=models).value
    assert isinstance(found, Regions)
    return found


def _parts(picture: Image.Image, models: Models) -> ToolOutput:
    with models.use(SEGMENTATION_PROMPTABLE, PromptableSegmenter) as segmenter:
        masks, caveat = segmenter.segment_everything(picture)[:_PARTS], segmenter.caveat
    parts = Regions.from_masks(masks, [_PART] * len(masks))
    return ToolOutput(
        value=parts,
        summary=f"I found no object that I know, and outlined {count_phrase(len(parts), 'part')} of the picture.",
        models=(models.name(SEGMENTATION_PROMPTABLE),),
        uncertain=(caveat,) if caveat else (),
        facts={"shares": _shares(parts)},
    )


def _outlined(picture: Image.Image, things: Regions, models: Models) -> ToolOutput:
    used, doubts = list[str](), list[str]()
    is_known = _can_be_outlined_as_stuff(things, models)
    masks, stuff = _outlined_stuff(picture, things, is_known & ~things.outlined, models)
    if things.masks is not None:
        masks[things.outlined] = things.masks[things.outlined]
    sharp = stuff | things.outlined
    rest = np.flatnonzero(~sharp)
    used += [models.name(SEGMENTATION_SEMANTIC)] * bool(stuff.any())
    if len(rest):
        masks[rest], caveat, better = _outlined_things(picture, things.select(rest), models)
        sharp[rest] = better
        used += [models.name(SEGMENTATION_PROMPTABLE)] + [models.name(SEGMENTATION_FOREGROUND)] * bool(better.any())
    failed = [i for i, m in enumerate(masks) if not sharp[i] and _share(m, things.boxes[i]) < _LEAST_SHARE / 2]
    for i in failed:
        masks[i] = _box_mask(things, i)
    outlined = Regions(things.size, _boxes_round(masks, things), things.labels, things.confidence, masks)
    if failed:
        doubts.append(f"I found no outline for {named(things.select(failed))}, and took the whole box.")
        doubts += _remedy_for_stuff(things.select(failed), models)
    if len(rest) and caveat and not sharp.all() and len(failed) < len(things):
        doubts.append(caveat)
    return ToolOutput(
        value=outlined,
        summary=f"I outlined {named(things)}.",
        models=tuple(used),
        uncertain=tuple(doubts),
        facts={"shares": _shares(outlined), **_stuff_fact(things, stuff | (is_known & things.outlined))},
    )


def _boxes_round(masks: BoolArray, things: Regions) -> FloatArray:
    """The boxes of the things, enlarged where an outline reaches out of its box; ``(N, 4)``."""
    tight = Regions.from_masks(masks).boxes
    if len(tight) < len(things):  # an empty mask is found by the postconditions
        return things.boxes
    corners = np.minimum(things.boxes[:, :2], tight[:, :2]), np.maximum(things.boxes[:, 2:], tight[:, 2:])
    return np.concatenate(corners, axis=1)


def _outlined_things(
    picture: Image.Image, things: Regions, models: Models
) -> tuple[BoolArray, str, npt.NDArray[np.bool_]]:
    """Masks of things by their boxes; what to know of all masks; and for which a better network gave another mask."""
    with models.use(SEGMENTATION_PROMPTABLE, PromptableSegmenter) as segmenter:
        masks, caveat = segmenter.segment(picture, things.boxes), segmenter.caveat
    better = _cut_out(picture, things, masks, models) if caveat else np.zeros(len(things), np.bool_)
    return masks, caveat, better


def _outlined_stuff(
    picture: Image.Image, things: Regions, wanted: npt.NDArray[np.bool_], models: Models
) -> tuple[BoolArray, npt.NDArray[np.bool_]]:
    """Masks of those regions, bool ``(N,)``, that are stuff to be outlined, within their boxes, empty for the others.

    Returns:
        The masks, bool ``(N, H, W)``, and which of them were found, bool ``(N,)``.
    """
    masks = np.zeros((len(things), picture.height, picture.width), np.bool_)
    found = wanted.copy()
    if not found.any():
        return masks, found
    words = list(dict.fromkeys(label for label, is_wanted in zip(things.labels, found, strict=True) if is_wanted))
    with models.use(SEGMENTATION_SEMANTIC, SemanticSegmenter) as segmenter:
        seen = segmenter.segment(picture, words, threshold=segmenter.threshold)
    for i in np.flatnonzero(found):
        if seen.masks is not None and things.labels[i] in seen.labels:
            whole = seen.masks[seen.labels.index(things.labels[i])]
            masks[i] = whole & _rectangle(whole.shape, _loosened(things.boxes[i]))
        found[i] = _share(masks[i], things.boxes[i]) >= _LEAST_SHARE / 2
        masks[i] &= found[i]
    return masks, found


def _can_be_outlined_as_stuff(things: Regions, models: Models) -> npt.NDArray[np.bool_]:
    """Which regions are stuff that the segmenter here can look for, bool ``(N,)``."""
    stuff = np.array([is_stuff(label) for label in things.labels], np.bool_)
    if not stuff.any() or not models.has(SEGMENTATION_SEMANTIC):
        return np.zeros(len(things), np.bool_)
    with models.use(SEGMENTATION_SEMANTIC, SemanticSegmenter) as segmenter:
        return stuff & np.array([segmenter.knows(label) for label in things.labels], np.bool_)


def _stuff_fact(things: Regions, stuff: npt.NDArray[np.bool_]) -> dict[str, list[str]]:
    labels = list(dict.fromkeys(things.labels[i] for i in np.flatnonzero(stuff)))
    return {"stuff": labels} if labels else {}


def _remedy_for_stuff(failed: Regions, models: Models) -> list[str]:
    """What would outline the stuff among them; nothing where that has been tried."""
    stuff = failed.select(np.array([is_stuff(label) for label in failed.labels], np.bool_))
    remedy = models.remedy(SEGMENTATION_SEMANTIC) if len(stuff) else ""
    return [f"For {named(stuff)} there is another model: {remedy}."] if remedy else []


def _cut_out(picture: Image.Image, things: Regions, masks: BoolArray, models: Models) -> npt.NDArray[np.bool_]:
    """Put better masks, of a foreground network on each thing's surroundings, in place where they are believable.

    A thing that the network does not tell from what it lies on, or leaves out, is bounded by the edges in its box.

    Returns:
        For which things that was so, bool ``(N,)``.
    """
    better = np.zeros(len(things), np.bool_)
    if not models.has(SEGMENTATION_FOREGROUND):
        return better
    others = _neighbours(picture, things, models)
    with models.use(SEGMENTATION_FOREGROUND, ForegroundSegmenter) as segmenter:
        if segmenter.caveat:
            return better
        for i in np.argsort(-things.areas)[:_CROPS]:
            box = things.boxes[i]
            frame = padded(box, things.size, _PADDING)
            cut = outline_from_matte(segmenter.matte(picture.crop(frame)), frame, box, things.size)
            whole = without_others(picture, cut, box, others)
            masks[i], better[i] = _best_outline(picture, box, whole, masks[i])
    return better


def _best_outline(
    picture: Image.Image, box: FloatArray, whole: BoolArray, by_colour: BoolArray
) -> tuple[BoolArray, bool]:
    """The outline of a thing that fits its box best: a network's if it fits well; and whether it is no mere colour's.

    A network may leave a thing out or take in what it lies on, but it knows things: it has the first word.
    """
    if _believable(whole, box):
        return whole, True
    by_edges = outline_from_edges(picture, box)
    options = [option for option in (by_edges, by_colour) if _share(option, box) >= _LEAST_SHARE]
    if not options:
        return by_colour, False
    best = max(options, key=lambda option: fit(option, box))
    return best, best is by_edges


def _neighbours(picture: Image.Image, things: Regions, models: Models) -> FloatArray:
    """The boxes of all things in the picture, ``(N, 4)``: those that are asked for and those that a detector sees."""
    if not detect_objects.usable(models):
        return things.boxes
    return np.concatenate([things.boxes, _objects(picture, models).boxes])


def _believable(mask: BoolArray, box: FloatArray) -> bool:
    """Whether a mask is that of the thing in a box: it fills a good share of it, reaches its sides, and stays near."""
    if not mask.any() or not _LEAST_SHARE <= _share(mask, box) <= _MOST_SHARE:
        return False
    return fit(mask, box) >= _LEAST_FIT and spread(mask, box) <= _MOST_OUTSIDE


def _rectangle(shape: tuple[int, ...], box: npt.NDArray[np.float32]) -> BoolArray:
    mask = np.zeros(shape, np.bool_)
    mask[int(box[1]) : int(np.ceil(box[3])), int(box[0]) : int(np.ceil(box[2]))] = True
    return mask


def _loosened(box: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.concatenate([np.maximum(box[:2] - _SLACK, 0), box[2:] + _SLACK])


def _box_mask(things: Regions, index: int) -> BoolArray:
    return _rectangle((things.size[1], things.size[0]), things.boxes[index])


def _share(mask: BoolArray, box: npt.NDArray[np.float32]) -> float:
    return float(np.count_nonzero(mask) / max(1.0, float((box[2:] - box[:2]).prod())))


def _shares(things: Regions) -> list[float]:
    assert things.masks is not None
    return [round(_share(mask, box), 4) for mask, box in zip(things.masks, things.boxes, strict=True)]


# --------------------------------------------------------------------------------------------------- postconditions


@segment_objects.check
def masks_fit_their_boxes(output: ToolOutput) -> Iterator[str]:
    """Each region has a mask that is not empty and lies in its box, two pixels of slack given."""
    things = output.value
    assert isinstance(things, Regions)
    if not len(things):
        return
    if things.masks is None:
        yield "the regions have no masks"
        return
    for mask, box, label in zip(things.masks, things.boxes, things.labels, strict=True):
        name = label or "region"
        if not mask.any():
            yield f"the mask of {a_(name)} is empty"
        elif (mask & ~_rectangle(mask.shape, _loosened(box))).any():
            yield f"the mask of {a_(name)} reaches out of its box"


@segment_objects.check
def regions_stay_what_they_are(output: ToolOutput, regions: Regions | None) -> Iterator[str]:
    """Masks are added; labels stay, and boxes at most grow; masks that were there already stay, too."""
    things = output.value
    assert isinstance(things, Regions)
    if regions is None:
        return
    if things.labels != regions.labels or len(things) != len(regions):
        yield "the outlined regions are not those that were given"
    elif len(things) and (np.diag(things.iou(regions)) < _SAME_PLACE).any():
        yield "an outlined region is at another place than the one that was given"
    elif regions.masks is not None and (
        things.masks is None or not np.array_equal(things.masks[regions.outlined], regions.masks[regions.outlined])
    ):
        yield "the outlines are not those that were given"


@segment_objects.check
def outlines_lie_on_edges(image: Image.Image, regions: Regions | None, output: ToolOutput) -> Iterator[str]:
    """No outline would fit the picture's edges much better somewhere else, none is the inside turned out.

    Stuff may fill its box, or be all round it; that its outline is soft is a doubt. Outlines that were handed in are
    another tool's claim: those of anomalies follow a deviation, not an edge.
    """
    things = output.value
    assert isinstance(things, Regions)
    if things.masks is None:
        return
    given = regions.outlined if regions is not None and len(regions) == len(things) else np.zeros(len(things), np.bool_)
    told, stuff = " ".join(output.uncertain), output.facts.get("stuff", ())
    for mask, box, label, was_given in zip(things.masks, things.boxes, things.labels, given, strict=True):
        name = label or "region"
        if label == _PART or was_given or not mask.any():
            continue
        if label in stuff:
            if not mask.all() and misplaced(image, mask):
                yield Doubt(f"The outline of the {label} does not follow the edges in the picture.")
        elif _share(mask, box) > _ALL_OF_IT:
            if "whole box" not in told and on_edges(image, mask) < _STRAIGHT:
                yield f"the mask of {a_(name)} is its whole box"
        elif misplaced(image, mask):
            yield f"the outline of {a_(name)} lies beside it"
        elif _turned_out(mask, box) > _INSIDE_OUT:
            yield f"the mask of {a_(name)} has what is around it, not the thing"
        elif _turned_out(mask, box) > _HOLLOW:
            yield Doubt(f"The outline of {a_(name)} leaves out the middle of the place where it was found.")
        elif fit(mask, box) < _LOOSE:
            yield Doubt(f"The outline of {a_(name)} leaves out much of the place where it was found.")


@segment_objects.check
def stuff_is_seen_again(image: Image.Image, output: ToolOutput, models: Models) -> Iterator[str]:
    """In the mirrored picture stuff is seen at the same place."""
    things, stuff = output.value, list(output.facts.get("stuff", ()))
    assert isinstance(things, Regions)
    if not stuff or not models.has(SEGMENTATION_SEMANTIC):
        return
    with models.use(SEGMENTATION_SEMANTIC, SemanticSegmenter) as segmenter:
        known, limit = [label for label in stuff if segmenter.knows(label)], segmenter.threshold
        seen = segment_again(image.convert("RGB"), lambda view: segmenter.segment(view, known, threshold=limit))
    for label in known:
        own = things.select([i for i, name in enumerate(things.labels) if name == label])
        again = seen.select([i for i, name in enumerate(seen.labels) if name == label])
        overlap = mask_overlap(own, _within(again, own))
        if overlap < SEEN:
            yield f"a second look does not see {label} where it was outlined"
        elif overlap < CONFIRMED:
            yield Doubt(f"A second look outlines the {label} otherwise.")


def _within(seen: Regions, things: Regions) -> Regions:
    """What was seen of it, cut to the boxes of the things."""
    if seen.masks is None:
        return seen
    boxes = Regions(things.size, things.boxes).union_mask()
    return Regions.from_masks(seen.masks & boxes, seen.labels, seen.confidence)


@segment_objects.check
def parts_are_apart(output: ToolOutput, regions: Regions | None) -> Iterator[str]:
    """Parts of a picture do not cover each other."""
    things = output.value
    assert isinstance(things, Regions)
    if regions is None and things.masks is not None and set(things.labels) == {_PART}:
        overlap = things.masks.sum(axis=0) > 1
        if overlap.sum() > 0.5 * things.union_mask().sum():
            yield "the parts of the picture lie on each other"


@segment_objects.check
def the_objects_are_there(
    image: Image.Image, regions: Regions | None, output: ToolOutput, models: Models
) -> Iterator[str]:
    """Where everything was asked for, a detector finds the outlined objects, and the areas are found as before."""
    things = output.value
    assert isinstance(things, Regions)
    if regions is not None or not len(things):
        return
    if _PART in things.labels:
        with models.use(SEGMENTATION_PROMPTABLE, PromptableSegmenter) as segmenter:
            masks = segmenter.segment_everything(image.convert("RGB"))[:_PARTS]
        fits = best_overlap(things, Regions.from_masks(masks, [_PART] * len(masks)))
        if (fits < CONFIRMED).any():
            yield "a second look sees other parts in the picture"
    elif (best_overlap(things, _objects(image.convert("RGB"), models)) < SEEN).any():
        yield "a second look does not see an object where one was outlined"


def _turned_out(mask: BoolArray, box: npt.NDArray[np.float32]) -> float:
    """How much more of its box's corners a mask has than of its middle, -1 to 1."""
    x1, y1, x2, y2 = (int(v) for v in (box[0], box[1], np.ceil(box[2]), np.ceil(box[3])))
    inside = mask[y1:y2, x1:x2]
    down, across = max(1, inside.shape[0] // 5), max(1, inside.shape[1] // 5)
    middle = inside[2 * down : -2 * down or None, 2 * across : -2 * across or None]
    corners = [inside[rows, columns].mean() for rows in _ends(down) for columns in _ends(across)]
    return float(np.mean(corners) - middle.mean()) if middle.size else 0.0


def _ends(length: int) -> tuple[slice, slice]:
    return slice(None, length), slice(-length, None)
