"""JSON schemas of the arguments of tools: brought into one form, and values compared with them.

See https://json-schema.org/draft/2020-12 for the keywords. Read are ``type``, ``enum``, ``const``, ``anyOf``,
``oneOf``, ``allOf``, ``$ref``, ``properties``, ``required``, ``additionalProperties``, ``items``, ``prefixItems``,
``minItems``, ``maxItems`` and ``format``; bounds and patterns are left to the tool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

DEEPEST: Final = 5
"""So many values lie within each other at most; what lies deeper may be anything."""

FORMATS: Final[Mapping[str, str]] = {
    "date": r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "time": r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](Z|[+-][0-9]{2}:[0-9]{2})?)?",
    "date-time": r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]"
    r"(:[0-5][0-9](Z|[+-][0-9]{2}:[0-9]{2})?)?",
    "email": r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,120}",
    "uri": r"[a-z][a-z0-9+.-]{1,20}:[A-Za-z0-9._~:\/?#@!$&'()*+,;=%-]{1,200}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}
"""Formats of strings as regular expressions; strings of other formats are any strings."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list, tuple),
    "object": (dict,),
}
_SPELLINGS: Final = {
    **{"dict": "object", "map": "object", "hashmap": "object", "float": "number", "double": "number", "int": "integer"},
    **{"long": "integer", "str": "string", "char": "string", "bool": "boolean", "list": "array", "tuple": "array"},
    **{"arraylist": "array", "set": "array", "none": "null", "decimal": "number"},
}
"""Names of types in programming languages, which hand-written schemas use."""


def resolved(schema: Any, definitions: Mapping[str, Any] | None = None, depth: int = 0) -> dict[str, Any]:
    """A schema in one form: types spelled by the standard, references replaced, alternatives under ``anyOf``.

    Args:
        schema: A JSON schema.
        definitions: What ``$ref`` names, by the last part of the reference.
        depth: How many schemas this one lies within.
    """
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return {}
    definitions = definitions or {}
    whole: dict[str, Any] = {}
    for part in (*schema.get("allOf", ()), _referred(schema, definitions), schema):
        whole.update({key: value for key, value in part.items() if key not in ("allOf", "$ref")})
    kinds = whole.get("type")
    options = whole.pop("oneOf", None) or whole.pop("anyOf", None)
    if not options and isinstance(kinds, list):
        options = [{**whole, "type": kind} for kind in kinds]
    if options:
        kept: dict[str, Any] = {key: whole[key] for key in ("default", "description", "kinds") if key in whole}
        return {**kept, "anyOf": [resolved(option, definitions, depth) for option in options]}
    if isinstance(kinds, str):
        name = _SPELLINGS.get(kinds.casefold(), kinds.casefold())
        whole["type"] = name
        if name not in _TYPES:
            del whole["type"]
    return {**whole, **_inner(whole, definitions, depth + 1)}


def _referred(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    target = definitions.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    return target if isinstance(target, Mapping) else {}


def _inner(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """The schemas that lie within one, resolved."""
    inner: dict[str, Any] = {}
    if isinstance(schema.get("properties"), Mapping):
        inner["properties"] = {name: resolved(part, definitions, depth) for name, part in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            inner[key] = resolved(schema[key], definitions, depth)
    if isinstance(schema.get("prefixItems"), Sequence):
        inner["prefixItems"] = [resolved(part, definitions, depth) for part in schema["prefixItems"]]
    return inner


def literals(schema: Mapping[str, Any]) -> list[Any]:
    """The values that a schema lists; none where it describes them otherwise."""
    return [schema["const"]] if "const" in schema else list(schema.get("enum") or ())


def conforms(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON value is what a resolved schema describes."""
    if "anyOf" in schema:
        return any(conforms(value, option) for option in schema["anyOf"])
    if listed := literals(schema):
        return any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in listed)
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return False
    if isinstance(value, str):
        form = FORMATS.get(schema.get("format", ""))
        return not form or re.fullmatch(form, value) is not None
    if isinstance(value, list | tuple):
        return _items_conform(value, schema)
    return not isinstance(value, dict) or _properties_conform(value, schema)


def _items_conform(value: Sequence[Any], schema: Mapping[str, Any]) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    first = schema.get("prefixItems", ())
    rest = schema.get("items", {})
    described = [*first, *[rest if isinstance(rest, Mapping) else {}] * (len(value) - len(first))]
    return all(conforms(item, part) for item, part in zip(value, described, strict=False))


def _properties_conform(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    properties, further = schema.get("properties", {}), schema.get("additionalProperties", {})
    others = [item for name, item in value.items() if name not in properties]
    return (
        all(name in value for name in schema.get("required", ()))
        and all(conforms(value[name], part) for name, part in properties.items() if name in value)
        and (further is not False or not others)
        and (not isinstance(further, Mapping) or all(conforms(item, further) for item in others))
    )
