"""Any LangChain tool as the planner sees it: a :class:`~visiongpt_agent.plan.Signature` made from its JSON schema."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.forms import form_of
from visiongpt_agent.plan import CONTROL, Argument, Kind, Signature, Value, clean_string, from_json
from visiongpt_agent.schemas import FORMATS, literals, resolved

ToolLike = Signature | Mapping[str, Any] | type | Callable[..., Any] | BaseTool

_KINDS: Mapping[str, Kind] = {
    "string": Kind.STRING,
    "number": Kind.NUMBER,
    "integer": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
}
_TYPES: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SUMMARY_LENGTH = 100
_WORDS_LENGTH = 60

logger = logging.getLogger(__name__)


def signature_of(tool: ToolLike) -> Signature:
    """The signature of a tool.

    A tool that has a ``signature`` of its own is believed. For all others it is read from the JSON schema of the
    arguments; a property may name what references it takes (``"kinds": ["image"]``), and the tool's ``metadata`` may
    hold ``returns`` (``image``, ``regions``, ``text``, ``labels``) and ``summary``, the words of the catalogue line.

    Args:
        tool: A LangChain tool, a function, a pydantic model, a TypedDict, a JSON schema or OpenAI tool as a dict, or a
            signature as it is.

    An argument that may be left out and whose schema is too large to decode under is left out; a warning says so.
    Names of tools and arguments that cannot stand in a plan are written with underscores there (``web-search`` as
    ``web_search``).

    Raises:
        PlanError: If the schema of a required argument is too large; names tool and argument.
    """
    if isinstance(tool, Signature):
        return tool
    own = getattr(tool, "signature", None)
    if isinstance(own, Signature):
        return own
    function = convert_to_openai_tool(tool)["function"]
    name, parameters = function["name"], function.get("parameters") or {}
    definitions = {**parameters.get("definitions", {}), **parameters.get("$defs", {})}
    metadata = (tool.metadata if isinstance(tool, BaseTool) else None) or {}
    marks = _marks(tool)
    arguments: list[Argument] = []
    for argument, schema in (parameters.get("properties") or {}).items():
        required = argument in (parameters.get("required") or ())
        try:
            whole = {**marks.get(argument, {}), **resolved(schema, definitions)}
            arguments.append(_argument(name, argument, whole, required))
        except PlanError as fault:
            if required:
                raise
            logger.warning("an argument is left out of what the planner may write: %s", fault)
    summary = metadata.get("summary") or _first_sentence(function.get("description", ""))
    plain = _in_plans(name)
    returns = Kind(metadata.get("returns", Kind.TEXT))
    return Signature(plain, _apart(arguments), returns, summary, name if plain != name else "", foreign=True)


def signatures_of(tools: Iterable[ToolLike]) -> list[Signature]:
    """The signatures of tools; those that a plan cannot call are left out, and a warning says so.

    Raises:
        PlanError: If no tool can be called, or two that differ have one name outside of plans too.
    """
    signatures: dict[str, Signature] = {}
    faults: list[PlanError] = []
    for tool in tools:
        try:
            signature = signature_of(tool)
        except PlanError as fault:
            logger.warning("a tool is left out of what the planner may call: %s", fault)
            faults.append(fault)
            continue
        signature = _told_apart(signature, signatures)
        signatures[signature.tool] = signature
    if faults and not signatures:
        raise faults[0]
    return list(signatures.values())


def _apart(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    """The arguments with a number behind names that another has in plans (``a-b`` beside ``a.b``)."""
    names: set[str] = set()
    apart: list[Argument] = []
    for argument in arguments:
        name, count = argument.name, 1
        while name in names:
            count += 1
            name = f"{argument.name}_{count}"
        names.add(name)
        alias = argument.alias or (argument.name if name != argument.name else "")
        apart.append(replace(argument, name=name, alias=alias))
    return tuple(apart)


def _told_apart(signature: Signature, others: Mapping[str, Signature]) -> Signature:
    """The signature with a number behind a name that a tool of another name has in plans.

    Raises:
        PlanError: If that tool is called the same outside of plans too, and is not the same.
    """
    name, count = signature.tool, 1
    while (other := others.get(name)) and other not in (signature, replace(signature, tool=name)):
        if (other.name or other.tool) == (signature.name or signature.tool):
            raise PlanError(f"two tools are called {signature.name or name}: give them different names")
        count += 1
        name = f"{signature.tool}_{count}"
    return signature if name == signature.tool else replace(signature, tool=name, name=signature.name or signature.tool)


def _in_plans(name: str) -> str:
    """A name as plans can hold it."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    plain = plain if plain.isidentifier() else f"_{plain}"
    return f"{plain}_" if plain in CONTROL else plain


def _marks(tool: ToolLike) -> dict[str, dict[str, Any]]:
    """The ``kinds`` of a LangChain tool's arguments, which LangChain leaves out of the schema it makes for models."""
    schema: Any = getattr(tool, "args_schema", None)
    properties = schema.model_json_schema().get("properties", {}) if hasattr(schema, "model_json_schema") else {}
    return {name: {"kinds": entry["kinds"]} for name, entry in properties.items() if "kinds" in entry}


def _first_sentence(description: str) -> str:
    paragraph = " ".join(description.strip().split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".")[:_SUMMARY_LENGTH]


def _words(description: Any) -> str:
    """An argument's description as the catalogue shows it: its first sentence, or what of it is short enough."""
    words = _first_sentence(str(description))
    return words if len(words) <= _WORDS_LENGTH else words[:_WORDS_LENGTH].rpartition(" ")[0]


def _argument(tool: str, name: str, schema: Mapping[str, Any], required: bool) -> Argument:
    """An argument as plans hold it, of a schema in the form of :func:`~visiongpt_agent.schemas.resolved`."""
    fault = f"{tool}.{name} cannot stand in a plan"
    whole = schema.get("anyOf") or [schema]
    options = [option for option in whole if option.get("type") != "null"]
    marked = schema.get("kinds") or [kind for option in options for kind in option.get("kinds", ())]
    may_be_null = required and len(options) < len(whole)  # one that may be left out is never written as null
    kinds: list[Kind | None] = [Kind(kind) for kind in marked]
    if not kinds and not may_be_null:
        kinds = [_plain_kind(option) for option in options]
    described = ""
    if not kinds or None in kinds or (any(map(literals, options)) and not all(map(literals, options))):
        kinds, described = [Kind.JSON], _described({"anyOf": whole if may_be_null else options}, fault)
    choices = () if described else tuple(choice for option in options for choice in literals(option))
    plain = _in_plans(name)
    return Argument(
        plain,
        tuple(dict.fromkeys(kind for kind in kinds if kind)),
        required,
        _default(fault, schema.get("default")),
        choices,
        _words(schema.get("description", "")),
        described,
        name if plain != name else "",
    )


def _plain_kind(schema: Mapping[str, Any]) -> Kind | None:
    """The kind of what plans hold without a schema of its own, None for all else."""
    listed = literals(schema)
    types = {_TYPES.get(type(one)) for one in listed}
    kind = schema.get("type")
    if listed:
        kind = types.pop() if len(types) == 1 else "number" if types == {"integer", "number"} else None
    if any(isinstance(one, str) and (not one or clean_string(one) != one) for one in listed):
        return None
    if kind == "array" and schema.get("items", {}) == {"type": "string"} | _schema_shown(schema.get("items", {})):
        return Kind.STRINGS if not {"prefixItems", "minItems", "maxItems"} & schema.keys() else None
    return _KINDS.get(kind or "") if schema.get("format") not in FORMATS else None


def _schema_shown(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema says to people alone."""
    return {key: schema[key] for key in ("title", "description") if key in schema}


def _described(schema: Mapping[str, Any], fault: str) -> str:
    """The schema as text.

    Raises:
        PlanError: If no values can be written by it.
    """
    try:
        form_of(schema)
        return json.dumps(schema, ensure_ascii=False, sort_keys=True, default=str)
    except PlanError as reason:
        raise PlanError(f"{fault}: {reason}") from None


def _default(fault: str, default: Any) -> Value:
    try:
        return from_json(default)
    except PlanError as reason:
        raise PlanError(f"{fault}: its default is {default!r}: {reason}") from None
