"""Other catalogues than the package's own: shuffled, cut, renamed, or of invented tools.

A model that always saw the same 25 lines would know them by heart and never read them. Shown others, it has to read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final

from visiongpt_agent.errors import InputError
from visiongpt_agent.plan import Argument, Kind, Plan, Proposal, Ref, Signature, Value, parse_plan
from visiongpt_agent.training.examples import Example
from visiongpt_agent.training.words import made_up_word

NO_TOOL: Final = "no tool for that"
"""The reason given where the catalogue that is shown lacks what a request needs."""

_SYNONYMS: Final[Mapping[str, Sequence[str]]] = {
    "detect_objects": ("find_objects", "locate", "ground_phrases", "open_vocab_detect", "boxes_for", "object_finder"),
    "segment_objects": ("make_masks", "mask_regions", "cut_masks", "segmenter", "pixel_masks"),
    "caption_image": ("describe", "write_caption", "image_to_text", "captioner"),
    "answer_question": ("vqa", "ask_image", "visual_question", "look_and_answer"),
    "read_text": ("ocr", "extract_text", "text_reader", "transcribe_image"),
    "read_codes": ("scan_codes", "decode_barcodes", "qr_reader"),
    "classify_image": ("categorise", "image_class", "recognise_kind", "zero_shot_label"),
    "estimate_depth": ("depth_map", "monocular_depth", "distance_map"),
    "estimate_pose": ("find_keypoints", "body_pose", "skeletons"),
    "detect_faces": ("find_faces", "face_boxes", "face_finder"),
    "detect_anomalies": ("find_defects", "inspect_surface", "anomaly_check"),
    "compare_images": ("image_difference", "diff_images", "how_alike"),
    "generate_image": ("text_to_image", "draw_picture", "create_image", "imagine"),
    "generate_with_control": ("controlled_generation", "control_net", "guided_image"),
    "edit_image": ("instruct_edit", "change_image", "apply_instruction"),
    "inpaint": ("fill_regions", "erase_or_fill", "paint_over"),
    "remove_background": ("cut_out", "matting", "foreground_only"),
    "replace_background": ("swap_background", "new_backdrop", "set_background"),
    "stylize_image": ("style_transfer", "restyle", "apply_style"),
    "upscale_image": ("super_resolution", "enlarge", "increase_resolution"),
    "recolor_regions": ("tint_regions", "change_color", "paint_regions"),
    "blur_regions": ("obscure", "soften_regions", "gaussian_blur"),
    "crop_regions": ("cut_to_regions", "crop_to", "clip_regions"),
    "adjust_image": ("tone_adjust", "photo_adjustments", "tweak_colours"),
    "transform_image": ("rotate_flip_resize", "geometry", "orient_image"),
}
_ARGUMENTS: Final[Mapping[str, Sequence[str]]] = {
    "query": ("nouns", "what", "phrase", "objects", "target"),
    "regions": ("areas", "boxes", "where", "parts"),
    "image": ("picture", "photo", "img", "source"),
    "prompt": ("description", "text", "content"),
    "instruction": ("command", "change", "edit"),
    "question": ("q", "ask", "query"),
    "color": ("colour", "paint", "shade"),
    "style": ("look", "artist", "manner"),
    "labels": ("choices", "classes", "options"),
    "other": ("second", "against", "compare_to"),
    "scale": ("factor", "times", "zoom"),
}


@dataclass(frozen=True)
class Catalogue:
    """Tools as they are shown, and the examples that go with them.

    Attributes:
        signatures: The tools in the order in which they are shown.
        tools: What tools are called here; those that are not shown are not in it.
        arguments: What their arguments are called here.
        own: Examples of invented tools, which no other catalogue has.
        own_share: How often an example is one of them.
    """

    signatures: tuple[Signature, ...]
    tools: Mapping[str, str]
    arguments: Mapping[str, str]
    own: tuple[Example, ...] = ()
    own_share: float = 0.0

    def translated(self, example: Example) -> Example:
        """The example with the names of this catalogue; declined where it lacks a tool that is needed."""
        plan = example.plan
        if plan.control:
            return example
        if any(proposal.tool not in self.tools for proposal in plan):
            return replace(example, plan=Plan((Proposal(1, "decline", {"reason": NO_TOOL}),)))
        return replace(example, plan=Plan(tuple(self._renamed(proposal) for proposal in plan)))

    def _renamed(self, proposal: Proposal) -> Proposal:
        arguments = {self.arguments.get(name, name): value for name, value in proposal.args.items()}
        return Proposal(proposal.id, self.tools[proposal.tool], arguments)


def full(own: Sequence[Signature]) -> Catalogue:
    """The package's own catalogue."""
    return Catalogue(tuple(own), {signature.tool: signature.tool for signature in own}, {})


def draw_catalogue(own: Sequence[Signature], rng: random.Random) -> Catalogue:
    """A catalogue that is not the package's own."""
    shown = list(own)
    rng.shuffle(shown)
    form = rng.choices(("added", "shuffled", "cut", "renamed", "mixed", "invented"), (15, 10, 15, 25, 15, 20))[0]
    if form == "added":  # as where a person adds tools of their own
        return _added_to(own, rng.sample(invented(), rng.randrange(1, 4)), rng)
    if form == "cut":
        shown = shown[: rng.randrange(6, len(shown))]
    if form == "renamed":
        return _renamed_catalogue(shown, rng)
    if form == "mixed":
        tools = rng.sample(invented(), rng.randrange(2, 8))
        return _with_invented(full(shown[: rng.randrange(4, 20)]), tools, rng, own_share=0.5)
    if form == "invented":
        tools = rng.sample(invented(), rng.randrange(2, 14))
        needed = {p.tool for tool in tools for example in tool.examples for p in example.plan}
        return _with_invented(full([s for s in shown if s.tool in needed]), tools, rng, own_share=0.92)
    return full(shown)


def _renamed_catalogue(shown: Sequence[Signature], rng: random.Random) -> Catalogue:
    shown = shown[: rng.randrange(8, len(shown) + 1)]
    tools = {s.tool: rng.choice(_SYNONYMS[s.tool]) if rng.random() < 0.7 else s.tool for s in shown}
    if rng.random() < 0.15:
        tools = {name: "_".join(made_up_word(rng).split()) for name in tools}  # only the summary says what it does
    if len(set(tools.values())) < len(tools):
        tools = {name: name for name in tools}
    arguments = {name: rng.choice(others) for name, others in _ARGUMENTS.items() if rng.random() < 0.4}
    signatures = tuple(
        replace(
            signature,
            tool=tools[signature.tool],
            arguments=tuple(replace(a, name=arguments.get(a.name, a.name)) for a in signature.arguments),
        )
        for signature in shown
    )
    if any(len({a.name for a in s.arguments}) < len(s.arguments) for s in signatures):
        return full(shown)
    return Catalogue(signatures, tools, arguments)


@dataclass(frozen=True)
class InventedTool:
    """A tool that does not exist, with examples of its use."""

    signature: Signature
    examples: tuple[Example, ...]


def _added_to(own: Sequence[Signature], tools: Sequence[InventedTool], rng: random.Random) -> Catalogue:
    """The package's own catalogue in its order, with others before, behind or amid it."""
    catalogue = _with_invented(full(own), tools, rng, own_share=0.35)
    place = rng.choice((0, len(own), rng.randrange(len(own))))
    others = [signature for signature in catalogue.signatures if signature not in own]
    return replace(catalogue, signatures=(*own[:place], *others, *own[place:]))


def _with_invented(base: Catalogue, tools: Sequence[InventedTool], rng: random.Random, own_share: float) -> Catalogue:
    signatures = [*base.signatures, *(tool.signature for tool in tools)]
    rng.shuffle(signatures)
    own = [example for tool in tools for example in tool.examples]
    others = [tool for tool in rng.sample(invented(), max(2, len(own) // 6)) if tool not in tools]
    own += [rng.choice(tool.examples) for tool in others]  # wishes that none of the tools can grant
    names = {**base.tools, **{tool.signature.tool: tool.signature.tool for tool in tools}}
    return Catalogue(tuple(signatures), names, {}, tuple(own), own_share)


@cache
def invented() -> tuple[InventedTool, ...]:
    """The tools of ``invented.txt``: blocks of a catalogue line, behind ``=``, and requests with their plans.

    ::

        = get_weather(city, unit="celsius") -> text: current weather of a place
        is it raining in Oslo
        #1 = get_weather(city="Oslo")

    Raises:
        InputError: Names the first block that cannot be read.
    """
    text = (files(__package__) / "invented.txt").read_text(encoding="utf-8")
    return tuple(_parse_tool(block.split("\n")) for block in re.split(r"\n\s*\n", text.strip()))


def _parse_tool(lines: Sequence[str]) -> InventedTool:
    match = re.fullmatch(r"= (\w+)\((.*)\) -> (image|regions|text|labels): (.+)", lines[0].strip())
    if not match:
        raise InputError(f"invented.txt: {lines[0]!r} is no line of a catalogue")
    name, arguments, returns, summary = match.groups()
    examples: list[Example] = []
    steps: list[str] = []
    for line in reversed([line.strip() for line in lines[1:]]):
        if re.match(r"#\d+ = |reply\(|decline\(", line):
            steps.insert(0, line)
        else:
            images = ("$1 user photo.jpg 1600x1200",) if "$1" in " ".join(steps) else ()
            examples.insert(0, Example(images, line, parse_plan("\n".join(steps))))
            steps = []
    kinds = {n: _kind(v, n) for example in examples for p in example.plan if p.tool == name for n, v in p.args.items()}
    parsed = tuple(_parse_argument(part, kinds) for part in re.findall(r'\w+(?:=(?:"[^"]*"|[^,]+))?', arguments))
    return InventedTool(Signature(name, parsed, Kind(returns), summary), tuple(examples))


def _parse_argument(text: str, kinds: Mapping[str, Kind]) -> Argument:
    name, _, default = text.partition("=")
    if not default:
        return Argument(name, (kinds.get(name, Kind.STRING),))
    (value,) = parse_plan(f"#1 = f({name}={default})").proposals[0].args.values()
    return Argument(name, (kinds.get(name) or _kind(value),), required=False, default=value)


def _kind(value: Value, name: str = "") -> Kind:
    if isinstance(value, Ref):  # an output is of the kind that the argument is named after: regions, text
        return Kind(name) if value.sigil == "#" and name in list(Kind) else Kind.IMAGE
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, tuple):
        return Kind.STRINGS
    return Kind.STRING
