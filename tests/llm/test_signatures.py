"""Signatures read from what LangChain takes for a tool."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.plans import tool_calls_of
from visiongpt_agent.llm.signatures import signature_of, signatures_of
from visiongpt_agent.plan import Argument, Kind, Signature, parse_plan


class Blur(BaseModel):
    """Blur regions of a picture. Faces, for example."""

    image: Annotated[str, Field(json_schema_extra={"kinds": ["image"]})]
    regions: Annotated[str | None, Field(json_schema_extra={"kinds": ["regions"]})] = None
    style: Annotated[str, Field(json_schema_extra={"kinds": ["string", "image"]})] = "soft"


class Point(BaseModel):
    x: float
    y: float = 0.0


class Everything(BaseModel):
    """Every type that a plan holds"""

    text: str
    whole: int
    number: float = 1.5
    flag: bool = False
    labels: list[str] = []
    control: Literal["edges", "depth"] = "edges"
    maybe: int | None = None


def test_kinds_of_references_come_from_the_schema() -> None:
    blur = StructuredTool.from_function(
        lambda **_: "", name="blur", description="Blur regions.", args_schema=Blur, metadata={"returns": "image"}
    )
    assert signature_of(blur) == Signature(
        "blur",
        (
            Argument("image", (Kind.IMAGE,)),
            Argument("regions", (Kind.REGIONS,), False, None),
            Argument("style", (Kind.STRING, Kind.IMAGE), False, "soft"),
        ),
        Kind.IMAGE,
        "Blur regions",
        foreign=True,
    )


def test_plain_types() -> None:
    assert signature_of(Everything).arguments == (
        Argument("text", (Kind.STRING,)),
        Argument("whole", (Kind.INTEGER,)),
        Argument("number", (Kind.NUMBER,), False, 1.5),
        Argument("flag", (Kind.BOOLEAN,), False, False),
        Argument("labels", (Kind.STRINGS,), False, ()),
        Argument("control", (Kind.STRING,), False, "edges", ("edges", "depth")),
        Argument("maybe", (Kind.INTEGER,), False, None),
    )


def test_the_catalogue_line() -> None:
    assert (
        str(signature_of(Everything))
        == 'Everything(text, whole, number=1.5, flag=false, labels=[], control="edges", maybe=None) -> text: '
        "Every type that a plan holds"
    )


def test_a_function_and_a_dict() -> None:
    def add(a: int, b: int = 2) -> int:
        """Add two numbers. Slowly.

        Args:
            a: One.
            b: Another.
        """
        return a + b

    expected = (Argument("a", (Kind.INTEGER,)), Argument("b", (Kind.INTEGER,), False, 2))
    made = signature_of(add)
    described = (replace(expected[0], description="One"), replace(expected[1], description="Another"))
    assert (made.tool, made.arguments, made.summary) == ("add", described, "Add two numbers")
    as_dict: dict[str, Any] = {
        "name": "add",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}},
            "required": ["a"],
        },
    }
    assert signature_of(as_dict).arguments == expected
    assert signature_of(tool(add)).arguments == expected


def test_a_tool_with_its_own_signature_is_believed() -> None:
    class Own:
        signature = Signature("own", (), Kind.IMAGE, "made by hand")

    assert signature_of(Own) is Own.signature


def nested(levels: int, width: int) -> dict[str, Any]:
    """A schema of objects within objects, each with so many properties."""
    if not levels:
        return {"type": "string"}
    names = [f"p{k}" for k in range(width)]
    return {"type": "object", "properties": dict.fromkeys(names, nested(levels - 1, width)), "required": names}


def test_a_schema_that_is_too_large_is_left_out_where_it_may_be(caplog: pytest.LogCaptureFixture) -> None:
    schema = nested(4, 6)

    with pytest.raises(PlanError, match=r"odd\.value cannot stand in a plan: its schema is too large"):
        signature_of(odd(value=schema, required=["value"]))
    assert signature_of(odd(value=schema, plain={"type": "string"})).arguments == (
        Argument("plain", (Kind.STRING,), False),
    )
    assert "odd.value cannot stand in a plan" in caplog.text


def odd(name: str = "odd", required: list[str] | None = None, **properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required or []}
    return {"name": name, "description": "", "parameters": parameters}


@pytest.mark.parametrize(
    ("schema", "kind", "choices"),
    [
        ({"enum": [1, 2, 5], "type": "integer"}, Kind.INTEGER, (1, 2, 5)),
        ({"enum": [0.5, 2], "type": "number"}, Kind.NUMBER, (0.5, 2)),
        ({"const": 7}, Kind.INTEGER, (7,)),
        ({"enum": ["a", "b"]}, Kind.STRING, ("a", "b")),
        ({"enum": ["a", 'a "b"']}, Kind.JSON, ()),
        ({"type": ["string", "null"]}, Kind.STRING, ()),
        ({"type": "float"}, Kind.NUMBER, ()),
        ({"type": "array", "items": {"type": "string", "description": "a word"}}, Kind.STRINGS, ()),
        ({"anyOf": [{"enum": ["auto"]}, {"type": "integer"}]}, Kind.JSON, ()),
    ],
)
def test_choices_of_any_kind(schema: dict[str, Any], kind: Kind, choices: tuple[Any, ...]) -> None:
    (argument,) = signature_of(odd(value=schema)).arguments

    assert (argument.kinds[0], argument.choices) == (kind, choices)


def test_a_plan_keeps_to_choices_that_are_numbers() -> None:
    catalog = {"odd": signature_of(odd(value={"enum": [1, 5]}, on={"enum": [True]}))}

    parse_plan("#1 = odd(value=5, on=true)").check(catalog, 0)
    for wrong in ("value=2", 'value="5"', "value=true", "on=1"):
        with pytest.raises(PlanError, match=r"odd\.(value takes 1 or 5|on takes true)"):
            parse_plan(f"#1 = odd({wrong})").check(catalog, 0)


@pytest.mark.parametrize(
    ("name", "plain"), [("web-search", "web_search"), ("maps.route", "maps_route"), ("3d", "_3d"), ("fly", "fly")]
)
def test_a_name_that_plans_cannot_hold_is_written_otherwise(name: str, plain: str) -> None:
    signature = signature_of(odd(name))

    assert (signature.tool, signature.name) == (plain, name if name != plain else "")


POINT = {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x"]}
TREE = {"$ref": "#/$defs/Tree"}
TREES = {
    "Tree": {"type": "object", "properties": {"name": {"type": "string"}, "kids": {"type": "array", "items": TREE}}}
}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "object"}, ["{}", '{"a": 1, "b": "c"}'], ["1", '"a"', "[1]"]),
        ({"type": "dict", "properties": {}}, ['{"a": 1.5}'], ["true"]),
        (POINT, ['{"x": 1}', '{"x": 1, "y": -2.5}'], ['{"y": 1}', '{"x": "1"}', "{}"]),
        ({**POINT, "additionalProperties": False}, ['{"x": 1}'], ['{"x": 1, "z": 2}']),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, ['{"a": 1}'], ['{"a": "b"}']),
        ({"type": "array", "items": {"type": "number"}}, ["[1, 2.5]", "[]"], ['["a"]', "[true]", "1"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, ["[1, 2]"], ["[1]", "[]"]),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, ['["a", "b"]'], ['["c"]']),
        ({"type": "array", "items": POINT}, ['[{"x": 1}, {"x": 2, "y": 3}]'], ['[{"y": 1}]']),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}, ['["a", 1]'], ['[1, "a"]']),
        ({"type": "tuple", "items": {"type": "float"}}, ["[0.25, 1]"], ['["a"]']),
        ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"tomorrow"', '"2024-13-01"']),
        ({"type": "string", "format": "date-time"}, ['"2024-02-29T08:30:00Z"'], ['"2024-02-29"']),
        ({"enum": [None, 1, "a", [1, 2]]}, ["null", "1", '"a"', "[1, 2]"], ["2", '"b"']),
        ({"enum": ['say "hi"', "back\\slash"]}, [r'"say \"hi\""', r'"back\\slash"'], ['"hi"']),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ["3", "null"], ['"a"']),
        ({}, ["1", '"a"', "true", "[1, 2]", '{"a": 1}', "null"], []),
        (TREE, ['{"name": "a", "kids": [{"name": "b"}]}', "{}"], ['{"name": 1}']),
    ],
)
def test_a_plan_holds_what_any_json_schema_describes(
    schema: dict[str, Any], right: list[str], wrong: list[str]
) -> None:
    tool = odd(value=schema, required=["value"])
    catalog = {"odd": signature_of({**tool, "parameters": {**tool["parameters"], "$defs": TREES}})}
    images = 0

    for value in right:
        plan = parse_plan(f"#1 = odd(value={value})")
        plan.check(catalog, images)
        (call,) = tool_calls_of(plan)
        assert call["args"]["value"] == json.loads(value)
        assert parse_plan(str(plan)) == plan
    for value in wrong:
        with pytest.raises(PlanError, match=r"odd\.value takes"):
            parse_plan(f"#1 = odd(value={value})").check(catalog, images)


def test_a_tool_with_nested_arguments_is_read() -> None:
    def route(stops: list[Point], via: dict[str, int] | None = None) -> str:
        """A route."""
        return ""

    catalog = {"route": signature_of(tool(route))}

    parse_plan('#1 = route(stops=[{"x": 1, "y": 2}], via={"a": 1})').check(catalog, 0)
    with pytest.raises(PlanError, match=r"route\.stops takes json"):
        parse_plan('#1 = route(stops=[{"y": 2}])').check(catalog, 0)


def test_descriptions_of_arguments_are_shown() -> None:
    signature = signature_of(odd(rate={"type": "number", "description": "Yearly, in percent. Of the sum."}))

    assert str(signature).endswith("(rate: Yearly, in percent)")


def test_arguments_of_any_name_are_called_by_it() -> None:
    names = ("from-city", "from.city", "größe", "plain")
    signature = signature_of(odd("a.tool", None, **{name: {"type": "string"} for name in names}))
    plan = parse_plan('#1 = a_tool(from_city="Rome", from_city_2="Oslo", gr__e="L", plain="x")')

    plan.check({"a_tool": signature}, 0)
    (call,) = tool_calls_of(plan, [signature])
    assert call["name"] == "a.tool"
    assert call["args"] == {"from-city": "Rome", "from.city": "Oslo", "größe": "L", "plain": "x"}


def test_no_list_is_refused_for_one_tool() -> None:
    whole, part = odd("whole", text={"type": "string"}), odd("part", ["box"], box=nested(4, 6))

    assert [signature.tool for signature in signatures_of([part, whole])] == ["whole"]
    with pytest.raises(PlanError, match=r"part\.box"):
        signatures_of([part])
    with pytest.raises(PlanError, match="two tools are called odd"):
        signatures_of([odd(), odd(text={"type": "string"})])


def test_tools_of_one_name_in_plans_are_told_apart() -> None:
    signatures = signatures_of([odd("a-b"), odd("a.b"), odd("decline")])

    assert [(one.tool, one.name) for one in signatures] == [("a_b", "a-b"), ("a_b_2", "a.b"), ("decline_", "decline")]
