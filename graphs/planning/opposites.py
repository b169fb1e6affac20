"""The opposite of a wish is never done: what a request wants kept or shown is not removed, blurred or painted over.

A small planner hears "remove" in "keep the swan, delete the duck" and takes the first thing that is named. Where its
plan destroys what the request protects, it is asked again without the protecting clause; where it still does, the
request is declined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from visiongpt_agent.language.english import plural, singular
from visiongpt_agent.language.lexicon import BLUR, DETERMINERS, REMOVE, REPLACE, one_of
from visiongpt_agent.plan import MAX_PROPOSALS, Plan, Proposal, Ref, Refusal, Value

UNCLEAR: Final = "it is not clear to me what is to go and what is to stay: ask for what is to go alone"

_THE: Final = rf"(?:{one_of(DETERMINERS)} )?"
_REST: Final = (
    r"(?:every(?:thing|one|body|thing else|one else)|any(?:thing|one|body)|all|nothing|(?:all )?the (?:rest|others))"
)
_BUT: Final = r"(?:except(?: for)?|other than|apart from|besides|save)"
_DESTROY: Final = r"(?:remov|eras|delet|blur|pixel|hid|clear|wip|cover|get rid|take out|take away|censor|redact)\w*"
_ALL_BUT: Final = rf"\b{_DESTROY}\b[^.;!?]*?\b{_REST}(?: [\w-]+)?,? (?:but|{_BUT}) "
_KEEP: Final = (
    r"(?<!n't )(?<!not )(?<!never )\b(?:keep(?:ing)?|leav(?:e|ing)|spare|preserve"
    r"|(?:do not|don't|dont|never) (?:remove|erase|delete|touch|blur|hide|take))(?: only| just| alone)? "
)
_STAYS: Final = (
    r"[^.,;!?]{0,20}? (?:stays|(?:must|should|has to|have to|needs? to|is to|are to|can|may) (?:stay|remain|be kept))\b"
)
_REMOVAL: Final = re.compile(
    rf"\b(?:{one_of((*REMOVE, *REPLACE, *BLUR))}|{_DESTROY}|rid|gone|go|goes|away|out|off|without|w/o|lose|minus|no"
    r"|disappear\w*|vanish\w*|clean\w*|fix\w*|mend\w*|repair\w*|retouch\w*|turn|make|paint\w*|tint\w*|recolou?r\w*"
    r"|blurr\w+|soft\w*)(?!\w)",
    re.I,
)
_SHOWING: Final = re.compile(
    r"\b(?:high-?light|spotlight|circle|point out|(?:box|circle|frame|border) (?:around|round)|mark)"
    rf" (?:it|them|where|{one_of(DETERMINERS)})\b",
    re.I,
)
"""What asks for things to be shown where they are; "the pen marks" do not."""


def protects(request: str, thing: str) -> bool:
    """Whether a request wants a thing kept as it is.

    Example:
        >>> protects("leave the swan, delete the duck", "swan"), protects("leave the swan, delete the duck", "duck")
        (True, False)
    """
    name = _name(thing)
    return any(
        re.search(pattern, request, re.I)
        for pattern in (
            rf"(?:{_KEEP}|{_ALL_BUT}|\b{_DESTROY}\b[^.;!?]*?\b{_BUT} ){_THE}(?:[\w-]+ ){{0,2}}?{name}\b",
            rf"(?:,| and| but) not {_THE}{name}\b",
            rf"\b{name}{_STAYS}|\b{name}(?: alone)?,? and nothing else\b",
            rf"\b(?:keep|want|need|show|leave)(?: me)? (?:only|just|nothing but) {_THE}{name}\b",
        )
    )


def opposed(plan: Plan, request: str) -> list[Proposal]:
    """The searches of a plan for things that the request protects and that the plan destroys."""
    return [search for search, _ in _destroyed(plan) if protects(request, str(search.args["query"]))]


def without_protection(request: str, things: Collection[str]) -> str:
    """The request without the clauses that protect these things."""
    for thing in things:
        name = _name(thing)
        end = r"[^.,;:!?]*?(?:(?=[.,;:!?]|$| then )| and | but )"
        request = re.sub(rf"(?:,| and| but)? not {_THE}{name}\b", "", request, flags=re.I)
        request = re.sub(rf"(?:{_KEEP}|\b{_BUT} ){_THE}(?:[\w-]+ ){{0,2}}?{name}\b{end}", "", request, flags=re.I)
        request = re.sub(rf"(?:,? (?:and|but) )?{_THE}\b{name}{_STAYS}{end}", " ", request, flags=re.I)
    request = re.sub(r"([.,;:!?])(?:\s*[,;:])+|^\s*[,;:]", r"\1", request)
    return " ".join(request.split())


def never_opposite(request: str, plan: Callable[[str], Plan], catalog: Collection[str]) -> Plan:
    """A plan of the request that destroys nothing that the request protects or only wants shown.

    Args:
        request: The person's words.
        plan: Plans the words that it is given.
        catalog: The names of the tools there are.
    """
    made = plan(request)
    if _SHOWING.search(request) and not _REMOVAL.search(request):
        return _shown(made, catalog)
    if not (searches := opposed(made, request)):
        return made
    if re.search(_ALL_BUT, request, re.I) or re.search(
        r"\b(?:the rest|everything else|everyone else)\b", request, re.I
    ):
        turned = _turned(made, searches)
    else:
        shorter = without_protection(request, [str(search.args["query"]) for search in searches])
        turned = plan(shorter) if shorter and shorter != request else made
    harmless = not opposed(turned, request) or (turned is not made and _spares(turned))
    return turned if harmless else Plan.decline(Refusal(cause="request", tool="", detail=UNCLEAR))


def _destroyed(plan: Plan) -> Iterator[tuple[Proposal, Proposal]]:
    """Each search by words whose regions are removed, painted over or blurred, with the step that does so."""
    by_id = {proposal.id: proposal for proposal in plan}
    for proposal in plan:
        if proposal.tool == "inpaint" or (proposal.tool == "blur_regions" and not proposal.args.get("invert")):
            search: Proposal | None = proposal
            while search and search.tool in ("inpaint", "blur_regions", "segment_objects"):
                regions = search.args.get("regions")
                search = by_id.get(regions.number) if isinstance(regions, Ref) else None
            if search and search.tool == "detect_objects" and search.args.get("query"):
                yield search, proposal


def _spares(plan: Plan) -> bool:
    return not any(proposal.tool == "inpaint" for proposal in plan) and not list(_destroyed(plan))


def _turned(plan: Plan, searches: Collection[Proposal]) -> Plan:
    """The plan with the blurs of what is protected turned round, along its outline; as it is where that cannot be."""
    blurs = [step for search, step in _destroyed(plan) if search in searches and step.tool == "blur_regions"]
    made: list[Proposal] = []
    outputs: dict[int, Value] = {}
    for proposal in plan:
        args = {name: _renumbered(value, outputs) for name, value in proposal.args.items()}
        if proposal in blurs:
            args["invert"] = True
            found = args["regions"]
            if isinstance(found, Ref) and made[found.number - 1].tool != "segment_objects":
                outline = {"image": args["image"], "regions": found}
                made.append(Proposal(len(made) + 1, "segment_objects", outline))
                args["regions"] = Ref("#", len(made))
        made.append(Proposal(len(made) + 1, proposal.tool, args))
        outputs[proposal.id] = Ref("#", len(made))
    return Plan(tuple(made)) if blurs and len(made) <= MAX_PROPOSALS else plan


def _renumbered(value: Value, outputs: Mapping[int, Value]) -> Value:
    return outputs[value.number] if isinstance(value, Ref) and value.sigil == "#" else value


def _shown(plan: Plan, catalog: Collection[str]) -> Plan:
    """The plan up to the first step that destroys, with the regions shown in its place where a tool does that."""
    for at, proposal in enumerate(plan):
        if proposal.tool in ("inpaint", "blur_regions", "recolor_regions", "remove_background"):
            searches = plan.proposals[:at]
            while searches and searches[-1].tool == "segment_objects":
                searches = searches[:-1]
            if not searches or not isinstance(proposal.args.get("regions"), Ref):
                return plan
            shown = {"image": proposal.args["image"], "regions": Ref("#", len(searches))}
            lasting = Proposal(len(searches) + 1, "highlight_regions", shown)
            return Plan((*searches, lasting) if lasting.tool in catalog else searches)
    return plan


def _name(thing: str) -> str:
    """A thing's name, in one and in several, as a regular expression."""
    names = [name.strip() for name in thing.split(",") if name.strip()]
    return one_of({form for name in names for form in (name, singular(name), plural(name))} or {"\0"})
