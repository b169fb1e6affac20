"""Any LangChain tool as the planner sees it: a :class:`~visiongpt_agent.plan.Signature` made from its JSON schema."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from visiongpt_agent.errors import PlanError
from visiongpt_agent.plan import Argument, Kind, Signature, Value, clean_string

ToolLike = Signature | Mapping[str, Any] | type | Callable[..., Any] | BaseTool

_KINDS: Mapping[str, Kind] = {
    "string": Kind.STRING,
    "number": Kind.NUMBER,
    "integer": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
}
_TYPES: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SUMMARY_LENGTH = 100

logger = logging.getLogger(__name__)


def signature_of(tool: ToolLike) -> Signature:
    """The signature of a tool.

    A tool that has a ``signature`` of its own is believed. For all others it is read from the JSON schema of the
    arguments; a property may name what references it takes (``"kinds": ["image"]``), and the tool's ``metadata`` may
    hold ``returns`` (``image``, ``regions``, ``text``, ``labels``) and ``summary``, the words of the catalogue line.

    Args:
        tool: A LangChain tool, a function, a pydantic model, a TypedDict, a JSON schema or OpenAI tool as a dict, or a
            signature as it is.

    An argument that may be left out and is of a type that plan text cannot hold, such as an object, is left out; a
    warning says so. A name that cannot stand in a plan is written with underscores there (``web-search`` as
    ``web_search``).

    Raises:
        PlanError: If a required argument is of a type that plan text cannot hold; names tool and argument.
    """
    if isinstance(tool, Signature):
        return tool
    own = getattr(tool, "signature", None)
    if isinstance(own, Signature):
        return own
    function = convert_to_openai_tool(tool)["function"]
    name, parameters = function["name"], function.get("parameters", {})
    metadata = (tool.metadata if isinstance(tool, BaseTool) else None) or {}
    marks = _marks(tool)
    arguments: list[Argument] = []
    for argument, schema in parameters.get("properties", {}).items():
        required = argument in parameters.get("required", ())
        try:
            arguments.append(_argument(name, argument, {**marks.get(argument, {}), **schema}, required))
        except PlanError as fault:
            if required:
                raise
            logger.warning("an argument is left out of what the planner may write: %s", fault)
    summary = metadata.get("summary") or _first_sentence(function.get("description", ""))
    plain = _in_plans(name)
    returns = Kind(metadata.get("returns", Kind.TEXT))
    return Signature(plain, tuple(arguments), returns, summary, name if plain != name else "")


def signatures_of(tools: Iterable[ToolLike]) -> list[Signature]:
    """The signatures of tools; those that a plan cannot call are left out, and a warning says so.

    Raises:
        PlanError: If no tool can be called, or two that differ have one name in plans.
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
        if signatures.get(signature.tool, signature) != signature:
            raise PlanError(f"two tools are called {signature.tool} in a plan: give them different names")
        signatures[signature.tool] = signature
    if faults and not signatures:
        raise faults[0]
    return list(signatures.values())


def _in_plans(name: str) -> str:
    """A name as plans can hold it."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if plain.isidentifier() else f"_{plain}"


def _marks(tool: ToolLike) -> dict[str, dict[str, Any]]:
    """The ``kinds`` of a LangChain tool's arguments, which LangChain leaves out of the schema it makes for models."""
    schema: Any = getattr(tool, "args_schema", None)
    properties = schema.model_json_schema().get("properties", {}) if hasattr(schema, "model_json_schema") else {}
    return {name: {"kinds": entry["kinds"]} for name, entry in properties.items() if "kinds" in entry}


def _first_sentence(description: str) -> str:
    paragraph = " ".join(description.strip().split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".")[:_SUMMARY_LENGTH]


def _argument(tool: str, name: str, schema: Mapping[str, Any], required: bool) -> Argument:
    fault = f"{tool}.{name} cannot stand in a plan"
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise PlanError(f"{fault}: its name has other signs than letters, digits and underscores")
    options = [option for option in schema.get("anyOf") or [schema] if option.get("type") != "null"]
    marked = schema.get("kinds") or [kind for option in options for kind in option.get("kinds", ())]
    kinds = tuple(Kind(kind) for kind in marked) or tuple(dict.fromkeys(_kind(fault, option) for option in options))
    choices = (
        tuple(choice for option in options for choice in _choices(fault, option))
        if all(_literals(option) for option in options)
        else ()
    )
    return Argument(name, kinds, required, _default(fault, schema.get("default")), choices)


def _kind(fault: str, schema: Mapping[str, Any]) -> Kind:
    kind = schema.get("type") or next((_TYPES[type(one)] for one in _literals(schema) if type(one) in _TYPES), None)
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if kind == "array" and schema.get("items", {}).get("type") == "string":
        return Kind.STRINGS
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind]
    what = f"a list of {schema.get('items', {}).get('type', 'anything')}" if kind == "array" else kind or "any type"
    raise PlanError(f"{fault}: it is {what}, plans hold strings, numbers, booleans, lists of strings and references")


def _literals(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _choices(fault: str, schema: Mapping[str, Any]) -> list[str | int | float | bool]:
    """The values that a schema allows; those that no plan can hold are left out."""
    literals = [one for one in _literals(schema) if type(one) in _TYPES]
    choices = [one for one in literals if not isinstance(one, str) or (one and clean_string(one) == one)]
    if not choices and _literals(schema):
        raise PlanError(f"{fault}: none of its choices can be written, they hold quotes or backslashes")
    return choices


def _default(fault: str, default: Any) -> Value:
    if default is None or isinstance(default, str | int | float | bool):
        return default
    if isinstance(default, list | tuple) and all(isinstance(item, str) for item in default):
        return tuple(default)
    raise PlanError(f"{fault}: its default is {default!r}, use a string, number, boolean or list of strings")
