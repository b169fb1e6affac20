"""The grammar of one line of a plan as GBNF, the notation that llama.cpp decodes under.

It says what :meth:`~visiongpt_agent.llm.grammar.PlanRules.line` says, but for two things that GBNF cannot: that no
step is proposed twice, and how long a line is as a whole. See
https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md for the notation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from visiongpt_agent.llm.forms import Either, Form, Literal, Repeat, Row, Terminal, form_of
from visiongpt_agent.llm.grammar import MAX_INNER, MAX_LIST, MAX_REASON, MAX_STRING, PlanRules
from visiongpt_agent.plan import CONTROL, Argument, Kind, Proposal, Signature, format_value

_OUTSIDE: Final = r'"\\\x00-\x1F\x7F-\x9F\u2028\u2029'
_TERMINALS: Final = rf"""
string ::= "\"" first rest{{0,{MAX_STRING - 1}}} "\""
reason ::= "\"" first rest{{0,{MAX_REASON - 1}}} "\""
strings ::= "[" string (", " string){{0,{MAX_LIST - 1}}} "]"
first ::= [^ \xA0\u3000{_OUTSIDE}]
rest ::= [^{_OUTSIDE}]
number ::= "-"? (short ("." [0-9]{{1,9}})? | [1-9] [0-9]{{0,8}} ("." [0-9]{{1,4}})? | [1-9] [0-9]{{0,14}})
short ::= "0" | [1-9] [0-9]{{0,5}}
integer ::= "-"? ("0" | [1-9] [0-9]{{0,14}})
boolean ::= "true" | "false"
null ::= "null"
inner ::= "\"" first rest{{0,{MAX_INNER - 1}}} "\""
date ::= "\"" day "\""
time ::= "\"" clock "\""
date-time ::= "\"" day "T" clock "\""
day ::= [0-9]{{4}} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])
clock ::= ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] (":" [0-5] [0-9] ("Z" | [+-] [0-9]{{2}} ":" [0-9]{{2}})?)?
email ::= "\"" [A-Za-z0-9._%+-]{{1,64}} "@" [A-Za-z0-9.-]{{1,120}} "\""
uri ::= "\"" [a-z] [a-z0-9+.-]{{1,20}} ":" [A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{{1,200}} "\""
uuid ::= "\"" hex{{8}} "-" hex{{4}} "-" hex{{4}} "-" hex{{4}} "-" hex{{12}} "\""
hex ::= [0-9a-f]
"""
_RULES: Final = {
    Kind.STRING: "string",
    Kind.STRINGS: "strings",
    Kind.NUMBER: "number",
    Kind.INTEGER: "integer",
    Kind.BOOLEAN: "boolean",
}


def line_grammar(rules: PlanRules, earlier: Sequence[Proposal]) -> str:
    """The grammar of the next line; ``""`` where none is possible.

    Args:
        rules: Which plans are allowed.
        earlier: The proposals made so far.
    """
    number = len(earlier) + 1
    outputs = [rules.catalog[proposal.tool].returns for proposal in earlier]
    calls = [call for call in (_call(rules, tool, outputs) for tool in rules.catalog.values()) if call]
    end = ' "\\n"?' * (number < rules.proposals)
    forms = [f'"#{number} = " ({" | ".join(calls)}){end}'] if calls else []
    if not earlier:
        forms += [_control(name) for name in rules.controls]
    if not forms:
        return ""
    space = '" "? ' * (rules.leading_space and not earlier)
    return f"root ::= {space}({' | '.join(forms)})\n{_TERMINALS}"


def _call(rules: PlanRules, tool: Signature, outputs: Sequence[Kind]) -> str:
    """A call, or ``""`` where a required argument has no possible value."""
    parts: list[tuple[str, bool]] = []
    for argument in tool.arguments:
        values = _values(rules, argument, outputs)
        if values:
            parts.append((f"{_literal(argument.name + '=')} ({' | '.join(values)})", argument.required))
        elif argument.required:
            return ""
    return f'{_literal(tool.tool + "(")} ({_in_order(parts)}) ")"'


def _values(rules: PlanRules, argument: Argument, outputs: Sequence[Kind]) -> list[str]:
    images = range(1, rules.images + 1) if Kind.IMAGE in argument.kinds else ()
    references = [_literal(f"${image}") for image in images]
    references += [_literal(f"#{step}") for step, kind in enumerate(outputs, 1) if kind in argument.kinds]
    if argument.choices:
        return references + [_literal(format_value(choice)) for choice in argument.choices]
    if Kind.JSON in argument.kinds:
        references.append(_form(form_of(json.loads(argument.schema or "{}"))))
    return references + [_RULES[kind] for kind in argument.kinds if kind in _RULES]


def _form(form: Form) -> str:
    """A form of JSON in this notation."""
    match form:
        case Literal(text):
            return _literal(text)
        case Terminal(name):
            return "inner" if name == "string" else name
        case Row(parts):
            return " ".join(map(_form, parts))
        case Either(options):
            return f"({' | '.join(map(_form, options))})"
        case Repeat(inner, least, most):
            return f"({_form(inner)}){{{least},{most}}}"


def _in_order(parts: Sequence[tuple[str, bool]]) -> str:
    """``a, b, c`` where those that are not required may be left out."""
    forms: list[str] = []
    for place, (first, required) in enumerate(parts):
        rest = [f'(", " {part})' + "?" * (not needed) for part, needed in parts[place + 1 :]]
        forms.append(" ".join([first, *rest]))
        if required:
            return " | ".join(forms)
    return " | ".join([*forms, '""'])


def _control(name: str) -> str:
    arguments = ' ", " '.join(f"{_literal(argument.name + '=')} reason" for argument in CONTROL[name].arguments)
    return f'{_literal(name + "(")} {arguments} ")"'


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
