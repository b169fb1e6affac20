"""The grammar of plan text: what a local model may write, so that every plan parses and type-checks.

Each line has a grammar of its own, made when the line before it ended: by then it is known which images and outputs
there are, so a reference can only be to something that exists and is of the right kind. The grammar of a line is one
regular expression, with earlier lines taken out (no step is proposed twice) and a bound on its length; llguidance
(https://github.com/guidance-ai/llguidance) turns it into token masks and never enters a prefix that cannot be ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.forms import Either, Form, Literal, Repeat, Row, Terminal, form_of
from visiongpt_agent.plan import (
    CONTROL,
    MAX_PROPOSALS,
    Argument,
    Kind,
    Output,
    Plan,
    Proposal,
    Ref,
    Signature,
    format_value,
    parse_plan,
    source,
)
from visiongpt_agent.schemas import FORMATS

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from transformers import PreTrainedTokenizerFast

MAX_STRING = 200
"""Longest string in a plan, in characters."""
MAX_INNER = 80
"""Longest string within an object or a list of a JSON schema, in characters."""
MAX_REASON = 80
"""Longest reason of ``decline``, in characters."""
MAX_LIST = 12
"""Most items of a list."""
MAX_LINE = 480
"""Longest line, in characters."""
RESERVE = 48
"""With fewer tokens than this left in the first line, only its shortest end is allowed."""
_FUEL = 5_000_000
"""What llguidance may spend on one token: with its own default long lists after several steps run dry."""

_FORBIDDEN = r'"\\\x00-\x1f\x7f-\x9f\u2028\u2029'
_NUMBER = r"-?((0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?|[1-9][0-9]{0,8}(\.[0-9]{1,4})?|[1-9][0-9]{0,14})"
"""So many digits as a float holds, so that no two texts are one number."""
_INTEGER = r"-?(0|[1-9][0-9]{0,14})"


@dataclass(frozen=True)
class PlanRules:
    """Which plans are allowed.

    Attributes:
        catalog: The tools by name.
        images: How many images the conversation holds.
        controls: The control actions that may stand as the whole plan; none where a tool must be called.
        proposals: The most proposals a plan may have, 1 to :data:`~visiongpt_agent.plan.MAX_PROPOSALS`.
        leading_space: Whether the first line may begin with a space, see :func:`begins_with_space`.
    """

    catalog: Mapping[str, Signature]
    images: int = 0
    controls: tuple[str, ...] = tuple(CONTROL)
    proposals: int = MAX_PROPOSALS
    leading_space: bool = False

    def line(self, earlier: Sequence[Proposal], longest: int = MAX_LINE) -> str | None:
        """The next line as a Lark terminal, or None where none is possible.

        Args:
            earlier: The proposals made so far.
            longest: The most characters it may have.
        """
        number = len(earlier) + 1
        outputs: list[Output] = []
        for proposal in earlier:
            outputs.append(Output.of(proposal, self.catalog[proposal.tool], outputs))
        calls = [call for signature in self.catalog.values() for call in self._calls(signature, outputs)]
        forms = [rf"#{number} = ({'|'.join(calls)})" + r"\n?" * (number < self.proposals)] if calls else []
        if not earlier:
            forms += [_control(name) for name in self.controls]
        if not forms:
            return None
        space = " ?" * (self.leading_space and not earlier)
        taken = [rf" & ~/#{number} = {_escape(proposal.call())}\n?/" for proposal in earlier]
        return f"/{space}({'|'.join(forms)})/{''.join(taken)} & /(?s:.{{1,{longest}}})/"

    def _calls(self, signature: Signature, outputs: Sequence[Output]) -> Iterator[str]:
        """The calls of a tool as regular expressions, none where a required argument has no possible value.

        Where there are regions of several images, each image has an expression of its own.
        """
        found = [n for n, output in enumerate(outputs, 1) if output.kind is Kind.REGIONS]
        images, frames = self._images(outputs), {outputs[n - 1].source for n in found}
        if not signature.frame or not frames or len(frames.union(source(i, outputs) for i in images)) == 1:
            groups = [(images, found)]
        else:
            groups = [([i for i in images if source(i, outputs) not in frames], [])]
            for frame in sorted(frames, key=str):
                own = [i for i in images if source(i, outputs) == frame]
                groups.append((own, [n for n in found if outputs[n - 1].source == frame]))
        for shown, regions in groups:
            parts = self._parts(signature, outputs, shown, regions)
            if parts is not None:
                yield rf"{signature.tool}\(({_in_order(parts)})\)"

    def _parts(
        self, signature: Signature, outputs: Sequence[Output], frames: Sequence[Ref], regions: Sequence[int]
    ) -> list[tuple[str, bool]] | None:
        """The arguments of a call and whether each is required, None where a required one has no possible value.

        Args:
            signature: The tool.
            outputs: Of the earlier proposals.
            frames: The images that the call may work on.
            regions: The numbers of the proposals whose regions it may take.
        """
        parts: list[tuple[str, bool]] = []
        for argument in signature.arguments:
            images = frames if argument == signature.frame else self._images(outputs)
            values = [_escape(str(image)) for image in images if Kind.IMAGE in argument.kinds]
            values += [
                f"#{n}"
                for n, output in enumerate(outputs, 1)
                if output.kind in argument.kinds
                and output.kind is not Kind.IMAGE
                and (output.kind is not Kind.REGIONS or n in regions)
            ]
            values += _plain_values(argument)
            if values:
                parts.append((f"{argument.name}=({'|'.join(values)})", argument.required))
            elif argument.required:
                return None
        return parts

    def _images(self, outputs: Sequence[Output]) -> list[Ref]:
        made = [Ref("#", n) for n, output in enumerate(outputs, 1) if output.kind is Kind.IMAGE]
        return [*(Ref("$", k) for k in range(1, self.images + 1)), *made]


def _plain_values(argument: Argument) -> list[str]:
    """What an argument takes beside references, as regular expressions."""
    if argument.choices:
        return [_escape(format_value(choice)) for choice in argument.choices]
    plain = {
        Kind.STRING: _string(MAX_STRING),
        Kind.STRINGS: rf"\[{_string(MAX_STRING)}(, {_string(MAX_STRING)}){{0,{MAX_LIST - 1}}}\]",
        Kind.NUMBER: _NUMBER,
        Kind.INTEGER: _INTEGER,
        Kind.BOOLEAN: "true|false",
    }
    described = [_form(form_of(json.loads(argument.schema or "{}")))] if Kind.JSON in argument.kinds else []
    return [*described, *(plain[kind] for kind in argument.kinds if kind in plain)]


def _form(form: Form) -> str:
    """A form of JSON as a regular expression."""
    match form:
        case Literal(text):
            return _escape(text)
        case Terminal(name):
            return _TERMINALS[name]
        case Row(parts):
            return "".join(map(_form, parts))
        case Either(options):
            return f"({'|'.join(map(_form, options))})"
        case Repeat(inner, least, most):
            return f"({_form(inner)}){{{least},{most}}}"


def _control(name: str) -> str:
    arguments = ", ".join(f"{argument.name}={_string(MAX_REASON)}" for argument in CONTROL[name].arguments)
    return rf"{name}\({arguments}\)"


def _string(longest: int) -> str:
    return rf'"[^\s{_FORBIDDEN}][^{_FORBIDDEN}]{{0,{longest - 1}}}"'


_TERMINALS = {
    "string": _string(MAX_INNER),
    "number": _NUMBER,
    "integer": _INTEGER,
    "boolean": "(true|false)",
    "null": "null",
    **{name: f'"{form}"' for name, form in FORMATS.items()},
}


def _escape(text: str) -> str:
    return re.escape(text).replace("/", r"\/").replace(r"\ ", " ")


def _in_order(parts: Sequence[tuple[str, bool]]) -> str:
    """``a, b, c`` where those that are not required may be left out."""
    forms: list[str] = []
    for i, (first, required) in enumerate(parts):
        rest = (f"(, {part})" + "?" * (not needed) for part, needed in parts[i + 1 :])
        forms.append(first + "".join(rest))
        if required:
            return "|".join(forms)
    return "|".join([*forms, ""])


def plan_tokens(tokenizer: PreTrainedTokenizerFast, end_tokens: Sequence[int], vocabulary: int) -> LLTokenizer:
    """The tokenizer as llguidance wants it; takes a third of a second, so keep it.

    Args:
        tokenizer: A fast tokenizer, byte-level or sentencepiece.
        end_tokens: The ids with which the model ends its answer.
        vocabulary: How many logits the model gives; may exceed the tokenizer's own size.
    """
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, n_vocab=max(vocabulary, len(tokenizer)), eos_token=list(end_tokens))


def begins_with_space(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether the first token of an answer holds a space, as it does for LLaMA-2: ``[/INST]`` goes on with ``▁#``."""
    (first, *_) = tokenizer("#", add_special_tokens=False)["input_ids"]
    return str(tokenizer.convert_ids_to_tokens(first)).startswith("▁")


@dataclass
class PlanMatcher:
    """Follows a plan token by token: which tokens may come next, which must, and when the plan is done.

    Attributes:
        tokens: The tokenizer, see :func:`plan_tokens`.
        rules: Which plans are allowed.
        budget: The most tokens the plan may take. A line beyond the first that does not fit is left out; the first is
            led to its shortest end.
    """

    tokens: LLTokenizer
    rules: PlanRules
    budget: int = 512
    done: bool = field(default=False, init=False)
    proposals: list[Proposal] = field(default_factory=list, init=False)
    _line: list[int] = field(default_factory=list, init=False)
    _matcher: Any = field(default=None, init=False)
    _narrowed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._matcher = self._compile(MAX_LINE)
        if self._matcher is None:
            raise PlanError("no plan is possible: no tool can run without an image, and no control action is allowed")
        self._narrow_if_short()

    @property
    def plan(self) -> Plan:
        return Plan(tuple(self.proposals))

    def copy(self) -> PlanMatcher:
        """A matcher at the same place, to follow another plan from there on."""
        other = copy(self)
        other.proposals, other._line = list(self.proposals), list(self._line)
        other._matcher = None if self._matcher is None else self._matcher.deep_copy()
        return other

    @cached_property
    def _end_tokens(self) -> frozenset[int]:
        return frozenset(self.tokens.eos_tokens)

    def forced(self) -> list[int]:
        """The tokens that must come next, already taken in; empty where there is a choice or the plan is done."""
        taken: list[int] = []
        while not self.done:
            tokens = self._matcher.compute_ff_tokens() or self._only_choice()
            if not tokens:
                break
            for token in tokens:
                self.accept(token)
                taken.append(token)
                if self.done:
                    break
        return taken

    def allowed(self) -> npt.NDArray[np.bool_]:
        """Which tokens may come next, bool ``(vocabulary,)``."""
        return _mask(self._matcher)[: self.tokens.vocab_size]

    def accept(self, token: int) -> None:
        """Take in the next token.

        Raises:
            PlanError: If the token is not allowed here, or the first line takes more to follow than is allowed.
        """
        if self.done or not (self._matcher.is_error() or self._matcher.consume_token(token)):
            raise PlanError(f"token {token} is not allowed here: take one of allowed()")
        if self._matcher.is_error():  # it ran out of what it may spend, on this token or before it
            self._give_up()
            return
        if token in self._end_tokens:
            self._end_line()
            self.done = True
            return
        self.budget -= 1
        self._line.append(token)
        if self._matcher.is_stopped():
            self._end_line()
            self._next_line()
        elif self.budget <= 0 and (self._matcher.is_accepting() or self.proposals):
            if self._matcher.is_accepting():
                self._end_line()
            self.done = True
        else:
            self._narrow_if_short()

    def _give_up(self) -> None:
        """End the plan before a line that llguidance cannot follow within its limits."""
        if not self.proposals:
            raise PlanError(f"the first step cannot be followed any further: {_first_line(self._matcher.get_error())}")
        self.done = True

    def _only_choice(self) -> list[int]:
        choices = np.flatnonzero(self.allowed())
        return [int(choices[0])] if len(choices) == 1 else []

    def _end_line(self) -> None:
        (proposal,) = parse_plan(self.line.removesuffix("\n"))
        self.proposals.append(Proposal(len(self.proposals) + 1, proposal.tool, proposal.args))

    def _next_line(self) -> None:
        ended = not self.line.endswith("\n") or self.budget <= 0
        self._line = []
        self._matcher = None if ended else self._compile(MAX_LINE)
        self.done = self._matcher is None

    @property
    def line(self) -> str:
        """The text of the line that is being written, without the space that the first may begin with."""
        return self.text_of(*self._line).removeprefix(" ")

    def text_of(self, *tokens: int) -> str:
        """The text of tokens; a character that is not whole is ``U+FFFD``."""
        return self.tokens.decode_bytes(list(tokens)).decode("utf-8", errors="replace")

    def _narrow_if_short(self) -> None:
        """Once the budget runs low in the first line, allow only the shortest way to end it."""
        if self.proposals or self._narrowed or self.budget > RESERVE:
            return
        self._narrowed = True
        for longest in range(max(1, len(self.line)), MAX_LINE + 1):
            matcher = self._compile(longest, self._line)
            if matcher is not None:
                self._matcher = matcher
                return

    def _compile(self, longest: int, written: Sequence[int] = ()) -> LLMatcher | None:
        """The next line's matcher with the tokens already written taken in; None where no line fits."""
        from llguidance import LLMatcher, LLParserLimits

        line = self.rules.line(self.proposals, longest)
        if line is None:
            return None
        limits = LLParserLimits(step_lexer_fuel=_FUEL)
        matcher = LLMatcher(self.tokens, f"start: LINE\nLINE: {line}\n", log_level=0, limits=limits)
        if matcher.is_error():
            raise PlanError(f"the tools' signatures make no grammar: {_first_line(matcher.get_error())}")
        if not matcher.consume_tokens(list(written)):
            return None
        # Where nothing is possible llguidance still offers the end token.
        possible = matcher.is_accepting() or set(np.flatnonzero(_mask(matcher)).tolist()) - self._end_tokens
        return matcher if possible else None


def _mask(matcher: LLMatcher) -> npt.NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little").astype(np.bool_)


def _first_line(error: str) -> str:
    return error.partition("\n")[0]
