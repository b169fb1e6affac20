"""Regions that a person points at: "remove this", with a box drawn or a region clicked in the picture.

A chat model that calls tools is told what is pointed at, and calls :func:`select_regions` with those boxes and no
others (:func:`region_lines`, :func:`check_boxes`).

A model that writes plan text knows things by their names. So while it plans, what is pointed at has the name of a thing
that is not talked about (``the teapot``), and where its plan looks for that thing, the boxes take the place of the
search::

    remove this  ->  remove the teapot  ->  #1 = detect_objects(image=$1, query="teapot")
                                            #2 = segment_objects(image=$1, regions=#1)      ...
                                        ->  #1 = select_regions(image=$1, boxes=["34 120 210 400"])
                                            #2 = segment_objects(image=$1, regions=#1)      ...

A plan that only looks at the picture ("read this") looks at the part that is pointed at. Any other plan is declined
rather than carried out on the whole picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from visiongpt_agent.errors import PlanError
from visiongpt_agent.language.lexicon import BLUR, PICTURE, REMOVE, REPLACE, one_of
from visiongpt_agent.language.vocabulary import COCO
from visiongpt_agent.plan import Plan, Proposal, Ref, Refusal, Value
from visiongpt_agent.request import Pointed
from visiongpt_agent.tools.select_regions import select_regions

# --------------------------------------------------------------------------------------------- words to a stand-in

_STAND_INS: Final = ("teapot", "umbrella", "lantern", "suitcase")
"""Things that the planner plans for well; the first that the request does not talk about is used."""

_THINGS: Final = (
    *("one", "ones", "thing", "things", "object", "objects", "region", "regions", "area", "areas", "part", "parts"),
    *("spot", "spots", "box", "boxes", "selection", "place", "bit", "stuff", "text", "word", "words", "sign", "face"),
    *("faces", "people", "man", "woman", "child", "guy", "girl", "boy", "animal", "number", "code", "plate", "logo"),
    *("tree", "building", "window", "door", "wall", "shirt", "hair", "car", "scratch", "stain", "line", "label"),
)
_WHOLE: Final = rf"{one_of((*PICTURE, 'shot'), plural=True)}\b"
_NO_ADJECTIVE: Final = r"(?:an?|the|in|on|at|of|to|or|and|with|into|like|from|out|by)\b"
_ON_REGIONS: Final = one_of(
    (
        *(*REMOVE, *REPLACE, *BLUR, "hide", "crop", "crop to", "zoom in on", "recolor", "recolour", "cut out"),
        *("read", "segment", "outline"),
    )
)


def refers(request: str, pointed: Sequence[Pointed]) -> bool:
    """Whether the words mean what is pointed at: ``this``, ``these``, ``here``, ``the selected dog``, ``blur it``."""
    return bool(pointed) and bool(_pattern(pointed).search(request))


def worded(request: str, pointed: Sequence[Pointed]) -> str:
    """The request as the planner reads it, what is pointed at under the name of :func:`stand_in`."""
    if not refers(request, pointed):
        return request
    name = f"the {stand_in(request)}{'s' if len(pointed) > 1 else ''}"
    return _pattern(pointed).sub(lambda found: f"{found['verb'] or ''}{'on ' if found['place'] else ''}{name}", request)


def stand_in(request: str) -> str:
    """The thing that stands for what is pointed at; one that the request does not talk about."""
    return next((name for name in _STAND_INS if name not in request.casefold()), _STAND_INS[0])


def _pattern(pointed: Sequence[Pointed]) -> re.Pattern[str]:
    labels = {entry["label"].casefold() for entry in pointed if entry["label"]}
    nouns = sorted({*_THINGS, *COCO, *labels, *(f"{name}s" for name in (*COCO, *labels))}, key=len, reverse=True)
    noun = rf"(?:(?!{_NO_ADJECTIVE})(?:[\w-]+[ ])?(?:{'|'.join(map(re.escape, nouns))})\b)"
    chosen = "selected|marked|chosen|highlighted|boxed|outlined|pointed"
    return re.compile(
        rf"(?P<verb>\b(?:{_ON_REGIONS})[ ])(?:it|them|here)\b"
        rf"|(?P<place>\b(?:right[ ])?here\b)"
        rf"|\b(?:this|these|those)\b(?![ ](?:[\w-]+[ ])?{_WHOLE})(?:[ ]{noun})?"
        rf"|\bthat\b(?:[ ]{noun}|(?=[ ]*(?:[.,;!?]|$)))"
        rf"|\bthe[ ](?:{chosen})[ ](?:{noun}|\w+)",
        re.IGNORECASE,
    )


# ------------------------------------------------------------------------------------------- regions told as facts


def region_lines(pointed: Sequence[Pointed]) -> list[str]:
    """The regions as a chat model reads them: ``box "48 400 245 903" in $1, a person``."""
    return [
        f'box "{_box(entry)}" in ${entry["image"]}' + (f", labelled {entry['label']}" if entry["label"] else "")
        for entry in pointed
    ]


def boxes_of(pointed: Sequence[Pointed]) -> tuple[str, ...]:
    """The boxes as :func:`select_regions` takes them."""
    return tuple(map(_box, pointed))


def check_boxes(plan: Plan, pointed: Sequence[Pointed]) -> None:
    """Check that a plan selects only what is pointed at.

    Raises:
        PlanError: If it selects another box, or a box in another image.
    """
    boxes, images = boxes_of(pointed), {Ref("$", entry["image"]) for entry in pointed}
    for proposal in plan:
        if proposal.tool == select_regions.name:
            chosen, image = proposal.args["boxes"], proposal.args["image"]
            if not (isinstance(chosen, tuple) and chosen and set(chosen) <= set(boxes) and image in images):
                raise PlanError(f"select_regions takes only what is pointed at: {'; '.join(region_lines(pointed))}")


def _box(entry: Pointed) -> str:
    return " ".join(f"{edge:g}" for edge in entry["box"])


# ------------------------------------------------------------------------------------------- plans on what is given

_LOOKS: Final = frozenset(
    {
        *("read_text", "read_codes", "classify_image", "caption_image", "answer_question", "upscale_image"),
        *("remove_background", "detect_objects", "detect_faces", "detect_anomalies", "estimate_pose"),
        "segment_objects",
    }
)
"""Tools that make as much sense on a part of a picture as on the whole of it."""

UNUSABLE: Final = 'that is not done to a region pointed at; say "the picture" to mean the whole of it'


def grounded(plan: Plan, request: str, pointed: Sequence[Pointed]) -> Plan:
    """The plan made from :func:`worded`, with the regions pointed at in the place of the stand-in."""
    if plan.control or not refers(request, pointed):
        return plan
    name = re.compile(rf"\b{stand_in(request)}s?\b", re.IGNORECASE)
    searches = [p for p in plan if p.tool == "detect_objects" and name.search(str(p.args.get("query", "")))]
    if any("," in str(search.args["query"]) for search in searches):
        return _declined("it is about something pointed at and something named: ask for one after the other")
    on_it = re.compile(rf"[ ](?:on|in|inside|within|at)[ ](?:the[ ])?{name.pattern}", re.IGNORECASE)
    things = [search for search in searches if on_it.search(str(search.args["query"]))]
    if searches and (things != searches or not _only_looks(plan)):
        return _without_stand_in(_in_place_of(searches, plan, pointed), name)
    # "How many people are here": what is looked for is not the part but lies on it.
    named = (
        replace(p, args={**p.args, "query": on_it.sub("", str(p.args["query"]))}) if p in things else p for p in plan
    )
    return _without_stand_in(_on_the_part(Plan(tuple(named)), pointed), name)


def _only_looks(plan: Plan) -> bool:
    return all(p.tool in _LOOKS and len(p.refs) <= 1 for p in plan)


def _in_place_of(searches: Sequence[Proposal], plan: Plan, pointed: Sequence[Pointed]) -> Plan:
    """The searches become selections, and what works on the image that they looked at works on the one pointed at."""
    meant = Ref("$", pointed[0]["image"])
    looked_at = {search.args["image"] for search in searches}
    proposals = []
    for proposal in plan:
        if proposal in searches:
            proposals.append(Proposal(proposal.id, select_regions.name, _selection(pointed)))
        elif isinstance(image := proposal.args.get("image"), Ref) and image in looked_at and image.sigil == "$":
            proposals.append(replace(proposal, args={**proposal.args, "image": meant}))
        else:
            proposals.append(proposal)
    return Plan(tuple(proposals))


def _on_the_part(plan: Plan, pointed: Sequence[Pointed]) -> Plan:
    """The plan on a crop, where that makes sense: where all that it does with an image is to look at it."""
    meant = Ref("$", pointed[0]["image"])
    taking = [p for p in plan if any(ref.sigil == "$" for ref in p.refs)]
    if not taking or not _only_looks(Plan(tuple(taking))):
        return _declined(UNUSABLE)
    crop = (
        Proposal(1, select_regions.name, _selection(pointed)),
        Proposal(2, "crop_regions", {"image": meant, "regions": Ref("#", 1)}),
    )
    moved = (Proposal(p.id + 2, p.tool, {key: _moved(value) for key, value in p.args.items()}) for p in plan)
    return Plan((*crop, *moved))


def _moved(value: Value) -> Value:
    """A reference as it reads two steps later, where the images of the conversation have become the crop."""
    if not isinstance(value, Ref):
        return value
    return Ref("#", 2) if value.sigil == "$" else Ref("#", value.number + 2)


def _selection(pointed: Sequence[Pointed]) -> Mapping[str, Value]:
    args: dict[str, Value] = {
        "image": Ref("$", pointed[0]["image"]),
        "boxes": boxes_of(pointed),
    }
    labels = tuple(entry["label"] for entry in pointed)
    return {**args, "labels": labels} if any(labels) else args


def _without_stand_in(plan: Plan, name: re.Pattern[str]) -> Plan:
    """The name was the planner's alone: a question about the teapot is told, and asked, as one about this."""
    phrase = re.compile(rf"\b(?:the )?{name.pattern}", re.IGNORECASE)

    def freed(value: Value) -> Value:
        return phrase.sub("this", value) if isinstance(value, str) else value

    return Plan(tuple(replace(p, args={key: freed(value) for key, value in p.args.items()}) for p in plan))


def _declined(reason: str) -> Plan:
    return Plan.decline(Refusal(cause="request", tool="", detail=reason))
