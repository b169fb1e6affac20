"""Any LangChain tool as the planner sees it: a :class:`~visiongpt_agent.plan.Signature` made from its JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_SUMMARY_LENGTH = 100


def signature_of(tool: ToolLike) -> Signature:
    """The signature of a tool.

    A tool that has a ``signature`` of its own is believed. For all others it is read from the JSON schema of the
    arguments; a property may name what references it takes (``"kinds": ["image"]``), and the tool's ``metadata`` may
    hold ``returns`` (``image``, ``regions``, ``text``, ``labels``) and ``summary``, the words of the catalogue line.

    Args:
        tool: A LangChain tool, a function, a pydantic model, a TypedDict, a JSON schema or OpenAI tool as a dict, or a
            signature as it is.

    Raises:
        PlanError: If an argument is of a type that plan text cannot hold, such as an object; names tool and argument.
    """
    if isinstance(tool, Signature):
        return tool
    own = getattr(tool, "signature", None)
    if isinstance(own, Signature):
        return own
    function = convert_to_openai_tool(tool)["function"]
    name, parameters = function["name"], function.get("parameters", {})
    if not name.isidentifier():
        raise PlanError(f"{name!r} cannot stand in a plan: give the tool a name of letters, digits and underscores")
    metadata = (tool.metadata if isinstance(tool, BaseTool) else None) or {}
    marks = _marks(tool)
    arguments = tuple(
        _argument(name, argument, {**marks.get(argument, {}), **schema}, argument in parameters.get("required", ()))
        for argument, schema in parameters.get("properties", {}).items()
    )
    summary = metadata.get("summary") or _first_sentence(function.get("description", ""))
    return Signature(name, arguments, Kind(metadata.get("returns", Kind.TEXT)), summary)


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
    options = [option for option in schema.get("anyOf") or [schema] if option.get("type") != "null"]
    marked = schema.get("kinds") or [kind for option in options for kind in option.get("kinds", ())]
    kinds = tuple(Kind(kind) for kind in marked) or tuple(dict.fromkeys(_kind(fault, option) for option in options))
    choices = tuple(choice for option in options for choice in _choices(fault, option))
    return Argument(name, kinds, required, _default(fault, schema.get("default")), choices)


def _kind(fault: str, schema: Mapping[str, Any]) -> Kind:
    kind = schema.get("type") or ("string" if _literals(schema) else None)
    if kind == "array" and schema.get("items", {}).get("type") == "string":
        return Kind.STRINGS
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind]
    what = f"a list of {schema.get('items', {}).get('type', 'anything')}" if kind == "array" else kind or "any type"
    raise PlanError(f"{fault}: it is {what}, plans hold strings, numbers, booleans, lists of strings and references")


def _literals(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _choices(fault: str, schema: Mapping[str, Any]) -> list[str]:
    literals = _literals(schema)
    for literal in literals:
        if not isinstance(literal, str) or clean_string(literal) != literal:
            raise PlanError(f"{fault}: {literal!r} is no choice, choices are strings without quotes or backslashes")
    return literals


def _default(fault: str, default: Any) -> Value:
    if default is None or isinstance(default, str | int | float | bool):
        return default
    if isinstance(default, list | tuple) and all(isinstance(item, str) for item in default):
        return tuple(default)
    raise PlanError(f"{fault}: its default is {default!r}, use a string, number, boolean or list of strings")
