"""Action proposals: the plan a LLM makes of a request, its text form, and its type check.

A plan is a few lines of text, one tool call a line::

    #1 = detect_objects(image=$1, query="dog")
    #2 = segment_objects(image=$1, regions=#1)
    #3 = inpaint(image=$1, regions=#2)

``$k`` is an image of the conversation, ``#n`` the output of proposal n of this plan. Two control actions stand
alone as the whole plan: ``reply()`` where no tool is needed and ``decline(reason="...")`` where none can do it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, TypedDict

from visiongpt_agent.errors import PlanError
from visiongpt_agent.schemas import conforms

MAX_PROPOSALS = 12
"""Longest plan that is accepted: the paper's longest chains have five steps; twelve leaves room for several images."""


class Kind(StrEnum):
    """What an argument takes; the first four are also what a tool returns."""

    IMAGE = "image"
    REGIONS = "regions"
    TEXT = "text"
    LABELS = "labels"
    STRING = "string"
    STRINGS = "strings"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    JSON = "json"
    """Whatever the argument's JSON schema describes."""


@dataclass(frozen=True)
class Ref:
    """A reference: ``$k``, an image of the conversation, or ``#n``, the output of an earlier proposal."""

    sigil: str
    number: int

    def __post_init__(self) -> None:
        if self.sigil not in ("$", "#") or self.number < 1:
            raise PlanError(f"{self.sigil}{self.number} is no reference: use $1, $2, ... or #1, #2, ...")

    def __str__(self) -> str:
        return f"{self.sigil}{self.number}"


@dataclass(frozen=True)
class Json:
    """A value that the other kinds do not express: an object, a list of numbers, ``null``.

    Attributes:
        text: The value as JSON on one line.
    """

    text: str

    @classmethod
    def of(cls, value: Any) -> Json:
        """Write a JSON value.

        Raises:
            PlanError: If it is none.
        """
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise PlanError(f"{str(value)[:80]} is no JSON value") from None
        return cls(re.sub(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda sign: f"\\u{ord(sign[0]):04x}", text))

    @property
    def value(self) -> Any:
        """The value that the text stands for."""
        return json.loads(self.text)


Value = Ref | str | int | float | bool | None | tuple[str, ...] | Json


def from_json(value: Any) -> Value:
    """A JSON value as a plan holds it.

    Raises:
        PlanError: If it is no JSON value.
    """
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return Json.of(value)


def to_json(value: Value) -> Any:
    """A value of a plan as JSON holds it; references as ``"$1"``, ``"#2"``."""
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Json):
        return value.value
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Argument:
    """One argument of a tool as the planner sees it.

    Attributes:
        name: The argument's name.
        kinds: What it takes, e.g. ``(Kind.STRING, Kind.IMAGE)`` for a style given by name or by picture.
        required: Whether a plan must give it.
        default: Its value where a plan leaves it out.
        choices: The values allowed; empty where any of its kinds is.
        description: A few words of what it is, empty where nobody said.
        schema: For :attr:`Kind.JSON` the JSON schema of its values, as JSON.
        alias: What it is called outside of plans, where that name cannot stand in one; else empty.
    """

    name: str
    kinds: tuple[Kind, ...]
    required: bool = True
    default: Value = None
    choices: tuple[str | int | float | bool, ...] = ()
    description: str = ""
    schema: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Signature:
    """A tool as the planner sees it.

    Attributes:
        tool: Its name in a plan.
        arguments: In their order.
        returns: The kind of its output.
        summary: A few words of what it is for.
        name: What it is called outside of plans, where that name cannot stand in one; else empty.
        foreign: Whether it was read from a JSON schema, so that nobody ever planned with it.
    """

    tool: str
    arguments: tuple[Argument, ...]
    returns: Kind
    summary: str
    name: str = ""
    foreign: bool = False

    def argument(self, name: str) -> Argument | None:
        return next((a for a in self.arguments if a.name == name), None)

    @property
    def frame(self) -> Argument | None:
        """The argument that takes the image which the regions of a call belong to, None where there is none."""
        takes_regions = any(Kind.REGIONS in a.kinds for a in self.arguments)
        return next((a for a in self.arguments if Kind.IMAGE in a.kinds), None) if takes_regions else None

    def __str__(self) -> str:
        """The line of the catalogue, e.g. ``upscale_image(image, scale=4) -> image: super-resolution``."""
        shown = ", ".join(a.name if a.required else f"{a.name}={format_value(a.default)}" for a in self.arguments)
        said = "; ".join(f"{a.name}: {a.description}" for a in self.arguments if a.description)
        return f"{self.tool}({shown}) -> {self.returns}: {self.summary}" + (f" ({said})" if said else "")


REPLY = Signature("reply", (), Kind.TEXT, "no tool is needed")
DECLINE = Signature("decline", (Argument("reason", (Kind.STRING,)),), Kind.TEXT, "no tool can do it")
CONTROL: Mapping[str, Signature] = {s.tool: s for s in (REPLY, DECLINE)}


@dataclass(frozen=True)
class Proposal:
    """One proposed tool call. ``id`` counts from 1 in the plan; ``#id`` refers to its output."""

    id: int
    tool: str
    args: Mapping[str, Value] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.id, self.tool, tuple(sorted(self.args.items(), key=lambda kv: kv[0]))))

    @property
    def refs(self) -> tuple[Ref, ...]:
        return tuple(v for v in self.args.values() if isinstance(v, Ref))

    @property
    def is_control(self) -> bool:
        return self.tool in CONTROL

    def call(self) -> str:
        """The call without its number: ``upscale_image(image=$1, scale=2)``."""
        return f"{self.tool}({', '.join(f'{k}={format_value(v)}' for k, v in self.args.items())})"

    def __str__(self) -> str:
        return self.call() if self.is_control else f"#{self.id} = {self.call()}"


class Refusal(TypedDict):
    """Why a request is not carried out.

    ``cause`` says who refuses: ``model``, the language model in words of its own; ``no_model``, since no model is here
    that ``tool`` needs; ``no_plan``, since the language model made none that checks; ``failed``, since the language
    model could not be asked; ``no_image``, since an image that is named is not there; ``language``, since the request
    is in one that is not understood; ``request``, since it cannot be carried out as it is worded. ``detail`` is the
    reason in words, for ``no_model`` the remedy, for ``language`` its code.
    """

    cause: Literal["model", "no_model", "no_plan", "failed", "no_image", "language", "request"]
    tool: str
    detail: str


@dataclass(frozen=True)
class Plan:
    """The proposals for one request, in order. ``str(plan)`` is its text, :func:`parse_plan` reads it back.

    Attributes:
        proposals: The tool calls, or one control action.
        refusal: Why the plan declines, where that is not the language model's own decision.
    """

    proposals: tuple[Proposal, ...]
    refusal: Refusal | None = field(default=None, compare=False)

    @classmethod
    def reply(cls) -> Plan:
        """The plan that needs no tool."""
        return cls((Proposal(1, REPLY.tool),))

    @classmethod
    def decline(cls, refusal: Refusal, reason: str = "") -> Plan:
        """The plan that refuses.

        Args:
            refusal: Why.
            reason: What the plan's text says; the refusal's detail where empty.
        """
        return cls((Proposal(1, DECLINE.tool, {"reason": reason or refusal["detail"]}),), refusal)

    def __str__(self) -> str:
        return "\n".join(map(str, self.proposals))

    def __iter__(self) -> Iterator[Proposal]:
        return iter(self.proposals)

    def __len__(self) -> int:
        return len(self.proposals)

    @property
    def control(self) -> Proposal | None:
        """The control action where the plan is one (``reply()``, ``decline(...)``), else None."""
        return self.proposals[0] if self.proposals and self.proposals[0].is_control else None

    def check(self, catalog: Mapping[str, Signature], images: int) -> None:
        """Check names, types and references.

        Args:
            catalog: The tools that the plan may use, by name.
            images: How many images the conversation holds (``$1`` to ``$images``).

        Raises:
            PlanError: Names the first thing that is wrong.
        """
        if not self.proposals:
            raise PlanError("the plan is empty: it needs a tool call, reply() or decline(reason=...)")
        if len(self.proposals) > MAX_PROPOSALS:
            raise PlanError(f"the plan has {len(self)} proposals, {MAX_PROPOSALS} are allowed: split the request")
        outputs: list[Output] = []
        for number, proposal in enumerate(self.proposals, 1):
            if proposal.is_control and len(self) > 1:
                raise PlanError(f"{proposal.tool}() must stand alone as the whole plan")
            if proposal.id != number:
                raise PlanError(f"proposal {number} is numbered #{proposal.id}")
            signature = CONTROL.get(proposal.tool) or catalog.get(proposal.tool)
            if signature is None:
                raise PlanError(f"there is no tool {proposal.tool!r}: the tools are {', '.join(sorted(catalog))}")
            _check_arguments(proposal, signature, outputs, images)
            _check_frame(proposal, signature, outputs)
            outputs.append(Output.of(proposal, signature, outputs))


@dataclass(frozen=True)
class Output:
    """What a proposal hands on.

    Attributes:
        kind: Of its output.
        source: The image that it goes back to: ``$k``; ``#n`` where proposal n made an image of no other.
    """

    kind: Kind
    source: Ref

    @classmethod
    def of(cls, proposal: Proposal, signature: Signature, earlier: Sequence[Output]) -> Output:
        """The output of a proposal that checks; ``earlier`` are the outputs of the proposals before it."""
        refs = (value for argument in signature.arguments if isinstance(value := proposal.args.get(argument.name), Ref))
        first = next(refs, None)
        return cls(signature.returns, source(first, earlier) if first else Ref("#", len(earlier) + 1))


def source(ref: Ref, earlier: Sequence[Output]) -> Ref:
    """The image that a reference goes back to."""
    return ref if ref.sigil == "$" else earlier[ref.number - 1].source


def _check_frame(proposal: Proposal, signature: Signature, outputs: Sequence[Output]) -> None:
    """Regions are used on the image that they were found on, or on what was made of it."""
    frame = signature.frame
    image = proposal.args.get(frame.name) if frame else None
    if not isinstance(image, Ref):
        return
    for name, value in proposal.args.items():
        if isinstance(value, Ref) and value.sigil == "#" and outputs[value.number - 1].kind is Kind.REGIONS:
            own = outputs[value.number - 1].source
            if own != source(image, outputs):
                raise PlanError(f"{proposal.tool}.{name}: {value} are regions of {own}, not of {image}")


def _check_arguments(proposal: Proposal, signature: Signature, outputs: Sequence[Output], images: int) -> None:
    for argument in signature.arguments:
        if argument.required and argument.name not in proposal.args:
            raise PlanError(f"{proposal.tool} needs {argument.name}=")
    for name, value in proposal.args.items():
        known = signature.argument(name)
        if known is None:
            raise PlanError(f"{proposal.tool} has no argument {name!r}")
        if isinstance(value, Ref):
            _check_ref(proposal, known, value, outputs, images)
        elif not _fits(value, known):
            wanted = " or ".join([format_value(choice) for choice in known.choices] or known.kinds)
            raise PlanError(f"{proposal.tool}.{name} takes {wanted}, not {format_value(value)}")


def _check_ref(proposal: Proposal, argument: Argument, ref: Ref, outputs: Sequence[Output], images: int) -> None:
    if ref.sigil == "$":
        if ref.number > images:
            have = f"$1 to ${images}" if images else "none"
            raise PlanError(f"there is no image {ref}: the images of this conversation are {have}")
        kind = Kind.IMAGE
    else:
        if ref.number > len(outputs):
            raise PlanError(f"{ref} in proposal #{proposal.id} is not an earlier proposal")
        kind = outputs[ref.number - 1].kind
    if kind not in argument.kinds:
        raise PlanError(f"{proposal.tool}.{argument.name} takes {' or '.join(argument.kinds)}, but {ref} is {kind}")


def _fits(value: Value, argument: Argument) -> bool:
    if Kind.JSON in argument.kinds and conforms(to_json(value), json.loads(argument.schema or "{}")):
        return True
    if value is None:
        return not argument.required and argument.default is None
    if isinstance(value, Json):
        return False
    if argument.choices and not (isinstance(value, tuple) and Kind.STRINGS in argument.kinds):
        return any(
            value == choice and isinstance(value, bool) is isinstance(choice, bool) for choice in argument.choices
        )
    if isinstance(value, bool):
        return Kind.BOOLEAN in argument.kinds
    if isinstance(value, int):
        return Kind.NUMBER in argument.kinds or Kind.INTEGER in argument.kinds
    if isinstance(value, float):
        return Kind.NUMBER in argument.kinds
    if isinstance(value, str):
        return Kind.STRING in argument.kinds
    return Kind.STRINGS in argument.kinds


# ---------------------------------------------------------------------------------------------------------- the text


def format_value(value: Value) -> str:
    """A value as it stands in plan text: ``$1``, ``"dog"``, ``["a", "b"]``, ``true``, ``None``, ``1.5``."""
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{clean_string(value)}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{clean_string(v)}"' for v in value) + "]"
    if isinstance(value, float):
        return _format_float(value)
    return value.text if isinstance(value, Json) else str(value)


def clean_string(text: str) -> str:
    """Strings of a plan hold no double quote, backslash or line break: they are replaced by their nearest kin."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029\x85]+", " ", text.replace('"', "'").replace("\\", "/"))


def _format_float(value: float) -> str:
    text = f"{value:.10f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


_LINE = re.compile(r"^(?:#([1-9]\d{0,2})[ \t]*=[ \t]*)?([A-Za-z_]\w*)\((.*)\)$")
_STRING = r'"[^"\\\n]*"'
_ARGUMENT = re.compile(
    rf"\s*([A-Za-z_]\w*)\s*=\s*({_STRING}|\[\s*(?:{_STRING}(?:\s*,\s*{_STRING})*)?\s*\]"
    r"|[$#][1-9]\d{0,2}|-?\d{1,15}(?:\.\d{1,15})?|true|false|None)\s*(?:,(?=\s*[A-Za-z_])|$)",
    re.ASCII,
)


def parse_plan(text: str) -> Plan:
    """Read plan text.

    Args:
        text: One call a line, as in the module's docstring; empty lines are passed over.

    Returns:
        The plan, its proposals numbered as written. It is not yet checked against any tools: see :meth:`Plan.check`.

    Raises:
        PlanError: If a line is not a call, says which.

    Example:
        >>> plan = parse_plan('#1 = detect_objects(image=$1, query="dog")')
        >>> plan.proposals[0].args["query"]
        'dog'
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise PlanError("the plan is empty: it needs a tool call, reply() or decline(reason=...)")
    return Plan(tuple(_parse_line(line, number) for number, line in enumerate(lines, 1)))


def _parse_line(line: str, number: int) -> Proposal:
    match = _LINE.match(line)
    if not match:
        raise PlanError(f"line {number} is not a call: {line[:80]!r}")
    written, tool, rest = match.groups()
    if (written is None) != (tool in CONTROL):
        raise PlanError(
            f"line {number} must start with #{number} =" if written is None else f"{tool}() takes no number"
        )
    args: dict[str, Value] = {}
    position, rest = 0, rest.strip()
    while position < len(rest):
        argument = _parse_argument(rest, position)
        if not argument:
            raise PlanError(f"line {number}: cannot read the arguments from {rest[position : position + 40]!r}")
        name, value, position = argument
        if name in args:
            raise PlanError(f"line {number}: {name} is given twice")
        args[name] = value
    return Proposal(int(written) if written else 1, tool, args)


def _parse_argument(text: str, position: int) -> tuple[str, Value, int] | None:
    """An argument's name and value, and where the next one begins; None where there is none to read."""
    if found := _ARGUMENT.match(text, position):
        return found[1], _parse_value(found[2]), found.end()
    begun = _NAME.match(text, position)
    try:
        value, end = _STRICT.raw_decode(text, begun.end()) if begun else (None, 0)
    except (ValueError, RecursionError):
        return None
    behind = _BEHIND.match(text, end)
    return (begun[1], Json.of(value), behind.end()) if begun and behind else None


def _no_number(name: str) -> Any:
    raise ValueError(name)


_NAME: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(?=[\[{\"n])", re.ASCII)
_BEHIND: Final = re.compile(r"\s*(?:,(?=\s*[A-Za-z_])|$)")
_STRICT: Final = json.JSONDecoder(parse_constant=_no_number)


def _parse_value(text: str) -> Value:
    if text[0] == '"':
        return text[1:-1]
    if text[0] in "$#":
        return Ref(text[0], int(text[1:]))
    if text[0] == "[":
        return tuple(re.findall(r'"([^"]*)"', text))
    if text in ("true", "false"):
        return text == "true"
    if text == "None":
        return None
    return float(text) if "." in text else int(text)
