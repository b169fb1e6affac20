"""How a JSON value may be written: the form that a schema gives, for the notations in which models decode.

A form is regular: what lies deeper than :data:`~visiongpt_agent.schemas.DEEPEST` or is not described is a plain value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from visiongpt_agent.errors import PlanError
from visiongpt_agent.plan import Json
from visiongpt_agent.schemas import FORMATS, literals

MOST_ITEMS: Final = 12
"""Most items of an array whose schema does not bound them, and most properties of an object that names none."""
LARGEST: Final = 400
"""Of so many parts a form consists at most."""


@dataclass(frozen=True)
class Literal:
    """This very text."""

    text: str


@dataclass(frozen=True)
class Terminal:
    """A plain value: ``string``, ``number``, ``integer``, ``boolean``, ``null`` or a format of strings."""

    name: str


@dataclass(frozen=True)
class Row:
    """One form after the other."""

    parts: tuple[Form, ...]


@dataclass(frozen=True)
class Either:
    """One of several forms."""

    options: tuple[Form, ...]


@dataclass(frozen=True)
class Repeat:
    """A form several times."""

    form: Form
    least: int
    most: int


Form = Literal | Terminal | Row | Either | Repeat

_COMMA: Final = Literal(", ")
_SCALAR: Final = Either(tuple(Terminal(name) for name in ("string", "number", "boolean")))


def form_of(schema: Mapping[str, Any]) -> Form:
    """The form of the values that a resolved schema describes; a large one's is lean.

    Lean is a form of an object's required properties alone, and of plain values where any are allowed.

    Raises:
        PlanError: If it is too large all the same, or nothing can be written by it.
    """
    for lean in (False, True):
        form = _form(schema, lean)
        if _size(form) <= LARGEST:
            return form
    raise PlanError("its schema is too large")


def _size(form: Form) -> int:
    inner = {Row: "parts", Either: "options"}.get(type(form))
    parts: Sequence[Form] = getattr(form, inner) if inner else [form.form] if isinstance(form, Repeat) else ()
    return 1 + sum(map(_size, parts))


def _form(schema: Mapping[str, Any], lean: bool) -> Form:
    if "anyOf" in schema:
        return Either(tuple(_form(option, lean) for option in schema["anyOf"]))
    if listed := literals(schema):
        return Either(tuple(Literal(Json.of(one).text) for one in listed))
    kind = schema.get("type") or ("object" if schema.get("properties") else "any")
    if kind == "object":
        return _object(schema, lean)
    if kind == "array":
        return _array(schema, lean)
    if kind == "any":
        if lean:
            return Either((_SCALAR, Terminal("null")))
        items = _list(Row((_SCALAR,)), 0, MOST_ITEMS)
        return Either((_SCALAR, items, _free_object(_SCALAR), Terminal("null")))
    written = str(schema.get("format", ""))
    return Terminal(written if kind == "string" and written in FORMATS else kind)


def _array(schema: Mapping[str, Any], lean: bool) -> Form:
    if first := schema.get("prefixItems"):
        parts = [_form(part, lean) for part in first]
        return Row((Literal("["), *_separated(parts), Literal("]")))
    items = schema.get("items")
    least = int(schema.get("minItems", 0))
    most = max(least, min(int(schema.get("maxItems", MOST_ITEMS)), MOST_ITEMS))
    return _list(_form(items, lean) if isinstance(items, Mapping) else _SCALAR, least, most)


def _separated(parts: Sequence[Form]) -> list[Form]:
    return [piece for part in parts for piece in (_COMMA, part)][1:]


def _list(item: Form, least: int, most: int) -> Form:
    if most == 0:
        return Literal("[]")
    filled = Row((Literal("["), item, Repeat(Row((_COMMA, item)), max(least - 1, 0), most - 1), Literal("]")))
    return filled if least else Either((filled, Literal("[]")))


def _object(schema: Mapping[str, Any], lean: bool) -> Form:
    """Required properties in their order, then optional ones."""
    properties = schema.get("properties") or {}
    if not properties:
        further = schema.get("additionalProperties")
        return _free_object(_form(further, lean) if isinstance(further, Mapping) and further else _SCALAR)
    needed = [name for name in schema.get("required", ()) if name in properties]
    left = [] if lean else [name for name in properties if name not in needed]
    pairs = {
        name: Row((Literal(f"{Json.of(name).text}: "), _form(properties[name], lean))) for name in (*needed, *left)
    }
    if needed:
        optional = [Repeat(Row((_COMMA, pairs[name])), 0, 1) for name in left]
        return Row((Literal("{"), *_separated([pairs[name] for name in needed]), *optional, Literal("}")))
    rows = [
        Row((pairs[name], *(Repeat(Row((_COMMA, pairs[later])), 0, 1) for later in left[place + 1 :])))
        for place, name in enumerate(left)
    ]
    return Row((Literal("{"), Either((*rows, Literal(""))), Literal("}")))


def _free_object(value: Form) -> Form:
    pair = Row((Terminal("string"), Literal(": "), value))
    filled = Row((Literal("{"), pair, Repeat(Row((_COMMA, pair)), 0, MOST_ITEMS - 1), Literal("}")))
    return Either((filled, Literal("{}")))
